//! BibTeX as a line to read, with a link.

use crate::markup::escaped;

/// Authors, year, title and where it is, as markup. An entry without a title is shown as it is.
pub(crate) fn citation(bibtex: &str) -> String {
    let field = |name: &str| field(bibtex, name).map(plain);
    let Some(title) = field("title") else { return format!("<code>{}</code>", escaped(bibtex)) };
    let authors = field("author").map(|authors| authors.replace(" and ", "; ")).unwrap_or_default();
    let year = field("year").map(|year| format!(" ({year})")).unwrap_or_default();
    let place = ["journal", "booktitle", "howpublished", "institution", "school"].into_iter().find_map(field);
    let place = place.map(|place| format!(" <i>{}</i>.", escaped(&place))).unwrap_or_default();
    let link = match (field("doi"), field("eprint")) {
        (Some(doi), _) => link(&format!("https://doi.org/{doi}"), &format!("doi:{doi}")),
        (None, Some(number)) => link(&format!("https://arxiv.org/abs/{number}"), &format!("arXiv:{number}")),
        (None, None) => String::new(),
    };
    format!("{}{}. {}.{place}{link}", escaped(&authors), escaped(&year), escaped(&title))
}

/// Followed only by who clicks on it.
fn link(address: &str, text: &str) -> String {
    format!(" <a href=\"{}\" rel=\"noreferrer noopener\">{}</a>", escaped(address), escaped(text))
}

/// What stands between the braces of a field: `name = {…}`.
fn field<'a>(bibtex: &'a str, name: &str) -> Option<&'a str> {
    let is_it =
        |line: &&str| line.trim_start().strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='));
    let line = bibtex.lines().find(is_it)?;
    let (_, value) = line.split_once('=')?;
    value.trim().trim_end_matches(',').strip_prefix('{')?.strip_suffix('}')
}

/// LaTeX's accents as letters, and no braces.
fn plain(text: &str) -> String {
    const LETTERS: [(&str, &str); 18] = [
        ("\\'a", "á"),
        ("\\'e", "é"),
        ("\\'i", "í"),
        ("\\'o", "ó"),
        ("\\'u", "ú"),
        ("\\'c", "ć"),
        ("\\`a", "à"),
        ("\\`e", "è"),
        ("\\^e", "ê"),
        ("\\~n", "ñ"),
        ("\\\"a", "ä"),
        ("\\\"o", "ö"),
        ("\\\"u", "ü"),
        ("\\c{c}", "ç"),
        ("\\o", "ø"),
        ("\\ss", "ß"),
        ("\\&", "&"),
        ("--", "–"),
    ];
    let text = LETTERS.iter().fold(text.to_owned(), |text, (latex, letter)| text.replace(latex, letter));
    text.replace(['{', '}'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_line_with_a_link() {
        let bibtex = "@article{key,\n  title = {On {IEEE} & more},\n  author = {Bottou, L{\\'e}on and S{\\o}n, A.},\n  \
            journal = {Nature},\n  year = {1998},\n  doi = {10.1/2},\n}";
        let expected = "Bottou, Léon; Søn, A. (1998). On IEEE &amp; more. <i>Nature</i>. \
            <a href=\"https://doi.org/10.1/2\" rel=\"noreferrer noopener\">doi:10.1/2</a>";
        assert_eq!(citation(bibtex), expected);
    }

    #[test]
    fn what_has_no_title_stays_as_it_is() {
        assert_eq!(citation("@misc{<a>}"), "<code>@misc{&lt;a&gt;}</code>");
    }
}
