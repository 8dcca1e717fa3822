//! Points in time, as text and as a number.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since the beginning of 1970, UTC; within the years 0 to 9999, so that each has a text of RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Days from the beginning of the year 0 to that of 1970.
const EPOCH: i64 = 719_528;

impl Moment {
    /// By the system's clock.
    pub fn now() -> Moment {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Moment::from_micros(micros).unwrap_or(Moment(0))
    }

    /// `None` outside the years 0 to 9999.
    pub fn from_micros(micros: i64) -> Option<Moment> {
        let first = -EPOCH * DAY;
        let end = (days_before(10_000) - EPOCH) * DAY;
        (first..end).contains(&micros).then_some(Moment(micros))
    }

    /// The number.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// Reads `2026-11-26T15:07:31.25Z` and its relatives: a space for the `T`, an offset or none (UTC), no seconds, a
    /// date alone (midnight). Digits beyond microseconds are dropped.
    pub fn parse(text: &str) -> Option<Moment> {
        let mut rest = Digits(text.trim());
        let (year, month, day) = (rest.number(4)?, rest.after('-')?.number(2)?, rest.after('-')?.number(2)?);
        if !(1..=12).contains(&month) || !(1..=length(year, month)).contains(&day) {
            return None;
        }
        let days = days_before(year) + (1..month).map(|month| length(year, month)).sum::<i64>() + day - 1;
        let mut micros = (days - EPOCH) * DAY;
        if rest.0.is_empty() {
            return Moment::from_micros(micros);
        }
        if rest.after('T').is_none() && rest.after('t').is_none() {
            rest.after(' ')?;
        }
        let (hour, minute) = (rest.number(2)?, rest.after(':')?.number(2)?);
        let second = if rest.after(':').is_some() { rest.number(2)? } else { 0 };
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        micros += (hour * 3600 + minute * 60 + second) * SECOND;
        if rest.after('.').is_some() {
            micros += rest.fraction()?;
        }
        Moment::from_micros(micros - rest.offset()? * SECOND)
    }
}

/// RFC 3339 in UTC, with six digits behind the second where it is no whole one.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (mut day, micros) = (self.0.div_euclid(DAY) + EPOCH, self.0.rem_euclid(DAY));
        // 146,097 days are 400 years: a guess that is off by one at most.
        let mut year = day * 400 / 146_097;
        while days_before(year + 1) <= day {
            year += 1;
        }
        while days_before(year) > day {
            year -= 1;
        }
        day -= days_before(year);
        let mut month = 1;
        while day >= length(year, month) {
            day -= length(year, month);
            month += 1;
        }
        let (seconds, micros) = (micros / SECOND, micros % SECOND);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}", day + 1)?;
        if micros > 0 {
            write!(f, ".{micros:06}")?;
        }
        write!(f, "Z")
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from the beginning of the year 0 to that of this one.
fn days_before(year: i64) -> i64 {
    // The year 0 is a leap year itself, hence the years up to the one before.
    let leaps = if year == 0 { 0 } else { (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1 };
    365 * year + leaps
}

fn length(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// What is not read yet.
struct Digits<'a>(&'a str);

impl Digits<'_> {
    fn after(&mut self, mark: char) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(mark)?;
        Some(self)
    }

    /// Exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())?
    }

    /// Microseconds behind the point.
    fn fraction(&mut self) -> Option<i64> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        let six: String = digits.chars().chain("000000".chars()).take(6).collect();
        (!digits.is_empty()).then(|| six.parse().ok())?
    }

    /// Seconds east of Greenwich, at the end of the text.
    fn offset(&mut self) -> Option<i64> {
        if self.0.is_empty() || self.0.eq_ignore_ascii_case("z") {
            return Some(0);
        }
        let sign = if self.after('+').is_some() {
            1
        } else {
            self.after('-')?;
            -1
        };
        let hours = self.number(2)?;
        self.after(':');
        let minutes = if self.0.is_empty() { 0 } else { self.number(2)? };
        (self.0.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(i64, String)> {
        Moment::parse(text).map(|moment| (moment.micros(), moment.to_string()))
    }

    #[test]
    fn known_moments_have_their_known_numbers() {
        // `date -u -d '…' +%s`
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("1900-03-01T00:00:00Z", -2_203_891_200),
            ("2038-01-19T03:14:08Z", 2_147_483_648),
            ("1969-12-31T23:59:59Z", -1),
            ("0000-01-01T00:00:00Z", -62_167_219_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(read(text), Some((seconds * SECOND, text.to_owned())));
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in -200 * 366..200 * 366 {
            let moment = Moment(day * DAY + 86_399 * SECOND + 7);
            assert_eq!(Moment::parse(&moment.to_string()), Some(moment));
        }
    }

    #[test]
    fn the_relatives_of_rfc_3339_are_read() {
        let at = |text| read(text).map(|(_, text)| text);
        let whole = Some("2026-11-26T15:07:31Z".to_owned());
        assert_eq!(at("2026-11-26 17:37:31+02:30"), whole);
        assert_eq!(at(" 2026-11-26T10:07:31-0500 "), whole);
        assert_eq!(at("2026-11-26t15:07:31"), whole);
        assert_eq!(at("2026-11-26T15:07:31.1234567z"), Some("2026-11-26T15:07:31.123456Z".into()));
        assert_eq!(at("2026-11-26T15:07"), Some("2026-11-26T15:07:00Z".into()));
        assert_eq!(at("2026-11-26"), Some("2026-11-26T00:00:00Z".into()));
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "now",
            "2026-13-01",
            "2025-02-29",
            "2026-11-26T24:00:00",
            "2026-11-26T15:07:31.Z",
            "2026-11-26Tx",
            "26-11-2026",
            "2026-11-26T15:07:31+2",
            "１９７０-01-01",
            "0000-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(Moment::from_micros(i64::MAX), None);
    }
}
