//! What the text of a cell says.

/// An empty cell, or a usual word for one.
pub(super) fn is_missing(text: &str) -> bool {
    if text.len() > 6 {
        return text.trim().is_empty();
    }
    let text = text.trim();
    matches!(text, "" | "?" | "None" | "#N/A")
        || (text.starts_with(['n', 'N'])
            && ["nan", "na", "n/a", "null"].iter().any(|token| text.eq_ignore_ascii_case(token)))
}

/// A number, maybe infinite; with a decimal comma only where that is no delimiter.
pub(super) fn number(text: &str, comma: bool) -> Option<f32> {
    let text = text.trim();
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) if comma && text.bytes().filter(|&byte| byte == b',').count() == 1 && !text.contains('.') => {
            text.replacen(',', ".", 1).parse().ok()
        }
        Err(_) => None,
    }
}

/// The same word but for case, or the same number.
pub(super) fn same_word(a: &str, b: &str) -> bool {
    let (a, b) = (a.trim(), b.trim());
    a.eq_ignore_ascii_case(b) || number(a, false).zip(number(b, false)).is_some_and(|(a, b)| a.total_cmp(&b).is_eq())
}
