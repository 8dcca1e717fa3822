//! The papers behind a run, as BibTeX.

/// An entry ends with a `}` that stands first on its line.
const REFERENCES: &str = include_str!("references.bib");

/// The BibTeX of `key`, from `@` to its last brace. `None` if `references.bib` lacks it.
pub fn entry(key: &str) -> Option<&'static str> {
    entries().find(|(found, _)| *found == key).map(|(_, text)| text)
}

/// In the order of `references.bib`.
pub fn keys() -> Vec<&'static str> {
    entries().map(|(key, _)| key).collect()
}

/// Each key with its entry.
fn entries() -> impl Iterator<Item = (&'static str, &'static str)> {
    REFERENCES.split_inclusive("\n}").filter_map(|text| {
        let (_, from_key) = text.split_once('{')?;
        let (key, _) = from_key.split_once(',')?;
        Some((key, text.trim()))
    })
}

/// Keys of data that a run was trained on, as far as its path tells.
pub fn of_data(path: &str) -> Vec<&'static str> {
    const DATA: [(&str, &str); 4] = [
        ("digits", "alpaydin1998digits"),
        ("fashion", "xiao2017fashion"),
        ("mnist", "lecun1998"),
        ("adult", "becker1996adult"),
    ];
    let path = path.to_lowercase();
    DATA.iter().find(|(name, _)| path.contains(name)).map(|(_, key)| *key).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_at_sign_opens_an_entry_that_is_found_by_its_key() {
        assert_eq!(keys().len(), REFERENCES.matches('@').count());
        for key in keys() {
            let text = entry(key).expect("keys() lists it");
            assert!(text.starts_with('@') && text.contains(&format!("{{{key},")), "{text}");
        }
    }

    #[test]
    fn keys_are_unique() {
        let distinct: HashSet<_> = keys().into_iter().collect();
        assert_eq!(distinct.len(), keys().len());
    }

    #[test]
    fn an_unknown_key_has_no_entry() {
        assert_eq!(entry("kingma"), None);
    }

    #[test]
    fn m2_cites_arxiv_1406_5298() {
        let text = entry("kingma2014ssl").expect("M2's paper");
        assert!(text.contains("{1406.5298}"), "{text}");
    }

    #[test]
    fn every_entry_balances_its_braces() {
        for (key, text) in entries() {
            let mut depth = 0;
            for c in text.chars() {
                depth += i32::from(c == '{') - i32::from(c == '}');
                assert!(depth >= 0, "`{key}` closes a brace that it never opened");
            }
            assert_eq!(depth, 0, "`{key}` leaves a brace open");
        }
    }

    #[test]
    fn every_entry_has_a_title_an_author_and_a_year() {
        for (key, text) in entries() {
            for field in ["title", "author", "year"] {
                let is_there = text.lines().any(|line| {
                    let value = line.split_once(" = {").filter(|(name, _)| name.trim() == field);
                    value.is_some_and(|(_, value)| !value.trim_start().starts_with('}'))
                });
                assert!(is_there, "`{key}` has no {field}: add one to references.bib");
            }
        }
    }
}
