//! Times as people write them.

use std::time::Duration;

/// `90`, `90s`, `10m`, `2h` or `1.5h`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[number.len()..] {
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("write a time such as 90s, 10m or 2h".into()),
    };
    let seconds = number.parse::<f64>().map_err(|_| "write a time such as 90s, 10m or 2h".to_owned())? * unit;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "a time must be more than 0".into())
}

/// Seconds, minutes or hours, to two places that matter: `42s`, `3m 05s`, `2h 07m`.
pub(crate) fn show(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_with_a_unit() {
        assert_eq!(parse("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("1.5h"), Ok(Duration::from_mins(90)));
        assert!(parse("10 parsecs").is_err() && parse("-3s").is_err() && parse("0m").is_err() && parse("").is_err());
    }

    #[test]
    fn a_time_is_shown_in_its_two_largest_units() {
        assert_eq!(show(Duration::from_secs(185)), "3m 05s");
        assert_eq!(show(Duration::from_mins(127)), "2h 07m");
    }
}
