//! The frame of the page. It has no script, loads nothing, and follows what the reader's system prefers: light or dark,
//! wide or narrow, screen or paper.

use std::fmt::Write as _;

use crate::markup::{escaped, visible};

/// A part of the page.
pub(crate) struct Section {
    /// What links within the page point at.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// Markup.
    pub(crate) body: String,
}

/// What a browser shall allow: pictures that are in the page, and its style. Nothing else, whatever a name holds.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The page, as HTML that is XML as well.
pub(crate) fn page(title: &str, sections: &[Section]) -> String {
    let title = escaped(&visible(title));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
        <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
        <meta name=\"color-scheme\" content=\"light dark\"/>\n\
        <meta name=\"generator\" content=\"halfmoon {}\"/>\n\
        <title>{title}</title>\n<style>\n{}</style>\n</head>\n<body>\n<header><h1>{title}</h1>\n",
        env!("CARGO_PKG_VERSION"),
        include_str!("page.css"),
    );
    page.push_str("<nav aria-label=\"Contents\"><ul>\n");
    for section in sections {
        let _ = writeln!(page, "<li><a href=\"#{}\">{}</a></li>", section.id, section.title);
    }
    page.push_str("</ul></nav></header>\n<main>\n");
    for Section { id, title, body } in sections {
        let _ = writeln!(
            page,
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n{body}</section>"
        );
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}
