//! Words for notes and messages.

use crate::labels::grouped;

/// How often something was found, and the first time: line and text.
#[derive(Debug, Clone, Default)]
pub(in crate::read) struct Found {
    pub(in crate::read) count: usize,
    pub(in crate::read) first: Option<(u64, String)>,
}

impl Found {
    pub(in crate::read) fn more(&mut self, count: usize, line: u64, text: &str) {
        if count > 0 {
            self.count += count;
            self.first.get_or_insert_with(|| (line, excerpt(text)));
        }
    }
}

/// `1 value`, `2,000 values`.
pub(super) fn plural(count: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `1 value is`, `2,000 values are`.
pub(super) fn plural_are(count: usize, noun: &str) -> String {
    format!("{} {}", plural(count, noun), if count == 1 { "is" } else { "are" })
}

/// The first texts, and how many there are.
pub(in crate::read) fn shortened(texts: impl Iterator<Item = String>, most: usize) -> String {
    let mut shown: Vec<String> = texts.collect();
    let all = shown.len();
    if all > most {
        shown.truncate(most);
        shown.push(format!("… {} in all", grouped(all)));
    }
    shown.join(", ")
}

/// The beginning of a text, on one line.
pub(in crate::read) fn excerpt(text: &str) -> String {
    let text = text.trim();
    let mut short: String = text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(40).is_some() {
        short.push('…');
    }
    short
}
