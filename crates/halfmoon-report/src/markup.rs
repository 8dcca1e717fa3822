//! Texts and numbers as a page takes them. Names, ids and cells are whatever a user has written.

use std::fmt::Write as _;

pub(crate) use halfmoon_pool::labels::grouped as count;

/// As HTML and XML take it, in an element and in an attribute. XML has no control characters but tab and line break.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A user's text within a line of ours: its direction of writing ends with it, and so does its length.
pub(crate) fn name(text: &str) -> String {
    format!("<bdi>{}</bdi>", escaped(&plain_name(text)))
}

/// A user's text where there is no markup, in the label of a picture.
pub(crate) fn plain_name(text: &str) -> String {
    shortened(&visible(text), MOST_CHARACTERS)
}

/// Longer names and cells are shortened.
const MOST_CHARACTERS: usize = 80;

/// Line breaks and other controls as a sign; `∅` where nothing could be seen.
pub(crate) fn visible(text: &str) -> String {
    if text.trim().is_empty() {
        return "∅".into();
    }
    text.chars().map(|c| if c.is_control() { '␤' } else { c }).collect()
}

/// The text, or its beginning and its end with … between them: ids of items often differ at the end.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= most {
        return text.to_owned();
    }
    let tail = (most - 1) / 2;
    let (head, tail) = (&characters[..most - 1 - tail], &characters[characters.len() - tail..]);
    head.iter().chain(&['…']).chain(tail).collect()
}

/// `97.3 %`. What is not all or nothing is not shown as if it were.
pub(crate) fn percent(share: f64) -> String {
    match share {
        _ if (0.9995..1.0).contains(&share) => "over 99.9 %".into(),
        _ if share > 0.0 && share < 0.0005 => "under 0.1 %".into(),
        _ if share.total_cmp(&1.0).is_eq() => "100 %".into(),
        _ => format!("{:.1} %", 100.0 * share + 0.0),
    }
}

/// `97.0 to 97.6 %`.
pub(crate) fn percents((low, high): (f64, f64)) -> String {
    format!("{:.1} to {:.1} %", 100.0 * low, 100.0 * high)
}

/// `0.973`, with four digits where three would say 0 or 1 of what is neither.
pub(crate) fn probability(p: f64) -> String {
    let plain = format!("{:.3}", p + 0.0);
    match plain.as_str() {
        "1.000" if p < 1.0 => "over 0.999".into(),
        "0.000" if p > 0.0 => "under 0.001".into(),
        _ => plain,
    }
}

/// `1 item`, `10,000 items`.
pub(crate) fn counted(n: usize, one: &str) -> String {
    format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A quantity of any size in about four digits.
pub(crate) fn short_number(value: f64) -> String {
    let size = value.abs();
    if size.total_cmp(&0.0).is_eq() {
        "0".into()
    } else if (1e-3..1e6).contains(&size) {
        let digits = if size >= 1000.0 {
            0
        } else if size >= 100.0 {
            1
        } else if size >= 10.0 {
            2
        } else if size >= 1.0 {
            3
        } else {
            4
        };
        let text = format!("{value:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        format!("{value:.2e}")
    }
}

/// A table with a caption: the heads of its columns, and rows of cells that are markup already. The first cell of a row
/// names it.
pub(crate) fn table(caption: &str, heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut out = format!("<div class=\"scroll\"><table><caption>{caption}</caption><thead><tr>");
    for head in heads {
        let _ = write!(out, "<th scope=\"col\">{head}</th>");
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            let _ = match at {
                0 => write!(out, "<th scope=\"row\">{cell}</th>"),
                _ => write!(out, "<td>{cell}</td>"),
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// A picture with the sentence that it needs.
pub(crate) fn figure(picture: &str, caption: &str) -> String {
    format!("<figure>{picture}<figcaption>{caption}</figcaption></figure>\n")
}

/// A paragraph of markup.
pub(crate) fn paragraph(text: &str) -> String {
    format!("<p>{text}</p>\n")
}

/// Marks and what they stand for.
pub(crate) fn legend(entries: impl Iterator<Item = (String, String)>) -> String {
    let mut out = "<ul class=\"legend\">".to_owned();
    for (sign, what) in entries {
        let _ = write!(out, "<li>{sign}{what}</li>");
    }
    out + "</ul>"
}

/// Something that opens at a click.
pub(crate) fn details(summary: &str, body: &str) -> String {
    format!("<details><summary>{summary}</summary>\n{body}</details>\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_text_stays_text() {
        assert_eq!(escaped("<b a='1' b=\"2\">&amp;"), "&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;amp;");
        assert_eq!(escaped("a\u{0}b\u{1b}c\n"), "a\u{fffd}b\u{fffd}c\n");
    }

    #[test]
    fn a_name_keeps_its_direction_to_itself_and_is_never_empty() {
        assert_eq!(name("שלום"), "<bdi>שלום</bdi>");
        assert_eq!(name(" "), "<bdi>∅</bdi>");
        assert_eq!(name("a\nb"), "<bdi>a␤b</bdi>");
    }

    #[test]
    fn a_long_text_keeps_both_ends() {
        assert_eq!(shortened("abcdefghij", 5), "ab…ij");
        assert_eq!(shortened("abcdefghij", 4), "ab…j");
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("🦊🦊🦊🦊", 3), "🦊…🦊");
    }

    #[test]
    fn what_is_nearly_all_is_not_shown_as_all() {
        let shown = [1.0, 0.9999, 0.9994, 0.5, 0.0004, 0.0, -0.0].map(percent);
        assert_eq!(shown, ["100 %", "over 99.9 %", "99.9 %", "50.0 %", "under 0.1 %", "0.0 %", "0.0 %"]);
        let shown = [1.0, 0.999_96, 0.12, 0.000_01, 0.0].map(probability);
        assert_eq!(shown, ["1.000", "over 0.999", "0.120", "under 0.001", "0.000"]);
    }

    #[test]
    fn counts_have_commas_and_quantities_few_digits() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([counted(1, "item"), counted(0, "item")], ["1 item", "0 items"]);
        let shown = [0.0, 1.5, -12.0, 123.45, 4321.0, 1.0e7, 2.0e-5].map(short_number);
        assert_eq!(shown, ["0", "1.5", "-12", "123.5", "4321", "1.00e7", "2.00e-5"]);
    }
}
