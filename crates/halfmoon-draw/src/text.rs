//! Text in pictures. Names are whatever a user has written: a character that the font lacks is drawn as a box, a
//! line break as ↵, a tab as ⇥, and a name that is too long for its place ends in …
//!
//! The font, in `font/`, has Latin, Greek and Cyrillic. Glyphs stand in the order of the characters, each after the
//! one before, which is right for these scripts; [`class_name`] says what takes the place of a name in another one.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, Glyph, GlyphId, point};
use halfmoon_pool::Class;
use image::Rgb;

use crate::page::{Ink, Page, pixel};

/// Made by `font/make.sh`.
static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(include_bytes!("../font/sans.ttf")).expect("the font is part of the program")
});

/// Size and colour of a text.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    /// Pixels to the em. The font's x is 1120/2048 of it high, so these sizes put its top on a whole pixel: no blur.
    em: f32,
    ink: Ink,
}

/// x of 8 pixels.
pub(crate) const LABEL: Style = Style { em: 8.0 * 2048.0 / 1120.0, ink: Rgb([0x22; 3]) };
/// x of 7 pixels.
pub(crate) const TICK: Style = Style { em: 7.0 * 2048.0 / 1120.0, ink: Rgb([0x55; 3]) };
/// x of 9 pixels.
pub(crate) const TITLE: Style = Style { em: 9.0 * 2048.0 / 1120.0, ink: Rgb([0x22; 3]) };

impl Style {
    /// Pixels to the em.
    pub(crate) fn em(self) -> f32 {
        self.em
    }

    pub(crate) fn ink(self) -> Ink {
        self.ink
    }

    /// From one line to the next.
    pub(crate) fn line(self) -> i64 {
        pixel(self.em * 1.35)
    }

    /// Of a capital letter: 1493/2048 em.
    pub(crate) fn capital(self) -> i64 {
        pixel(self.em * 1493.0 / 2048.0)
    }
}

/// Which part of a text stands at the place where it is drawn.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Left,
    Middle,
    Right,
}

/// The name of a class as it is shown: `class 3` where it has none, or none of its characters are in the font.
pub fn class_name(class: Class, classes: &[String]) -> String {
    match classes.get(class.index()).filter(|name| name.chars().any(is_drawn)) {
        Some(name) => name.clone(),
        None => format!("class {}", class.0),
    }
}

/// Draws a text on its baseline, from left to right.
pub(crate) fn draw(page: &mut Page, text: &str, style: Style, align: Align, (x, baseline): (i64, i64)) {
    let start = x - offset(text, style, align);
    paint(text, style, |right, down, share| page.cover(start + right, baseline + down, style.ink, share));
}

/// Draws a text on a baseline that runs upwards.
pub(crate) fn draw_upwards(page: &mut Page, text: &str, style: Style, align: Align, (baseline, y): (i64, i64)) {
    let start = y + offset(text, style, align);
    paint(text, style, |right, down, share| page.cover(baseline + down, start - right, style.ink, share));
}

/// In pixels.
pub(crate) fn width(text: &str, style: Style) -> f32 {
    glyphs(text, style).last().map_or(0.0, |placed| placed.end)
}

/// How many of its characters are drawn as a box.
pub(crate) fn lacking(text: &str) -> usize {
    text.chars().filter(|&character| glyph(character).is_some_and(|id| id.0 == 0)).count()
}

/// The text, or as much of its beginning as leaves place for the … after it.
pub(crate) fn shorten(text: &str, style: Style, most: f32) -> String {
    if fits(text, style, most) {
        return text.to_owned();
    }
    let head = beginning(text, style, most - width("…", style));
    format!("{}…", head.trim_end())
}

/// The text, or its beginning and its end with … between them: ids of items often differ at the end.
pub(crate) fn shorten_inside(text: &str, style: Style, most: f32) -> String {
    if fits(text, style, most) {
        return text.to_owned();
    }
    let space = most - width("…", style);
    let head = beginning(text, style, space / 2.0);
    let space = space - width(head, style);
    let tail = text.char_indices().rev().map(|(at, _)| &text[at..]).take_while(|tail| fits(tail, style, space)).last();
    format!("{head}…{}", tail.unwrap_or_default())
}

/// Up to two lines, broken after a blank or one of `/-_`; the second is shortened.
pub(crate) fn wrap(text: &str, style: Style, most: f32) -> Vec<String> {
    let breaks = text.match_indices([' ', '/', '-', '_']).map(|(at, _)| at + 1);
    let first = breaks.take_while(|&at| fits(text[..at].trim_end_matches(' '), style, most)).last();
    match first.filter(|_| !fits(text, style, most)) {
        Some(at) => vec![text[..at].trim_end_matches(' ').to_owned(), shorten(&text[at..], style, most)],
        None => vec![shorten(text, style, most)],
    }
}

/// Stops reading where the place ends, however long the text is.
fn fits(text: &str, style: Style, most: f32) -> bool {
    glyphs(text, style).all(|placed| placed.end <= most)
}

fn beginning(text: &str, style: Style, most: f32) -> &str {
    let fitting = glyphs(text, style).take_while(|placed| placed.end <= most).last();
    &text[..fitting.map_or(0, |placed| placed.next)]
}

fn offset(text: &str, style: Style, align: Align) -> i64 {
    match align {
        Align::Left => 0,
        Align::Middle => pixel(width(text, style) / 2.0),
        Align::Right => pixel(width(text, style)),
    }
}

/// Calls `dot` with every pixel that the text touches, seen from the start of its baseline, and the share covered.
fn paint(text: &str, style: Style, mut dot: impl FnMut(i64, i64, f32)) {
    let scale = style.em * FONT.height_unscaled() / FONT.units_per_em().expect("the font has an em");
    for placed in glyphs(text, style) {
        let glyph = Glyph { id: placed.id, scale: scale.into(), position: point(placed.start, 0.0) };
        if let Some(outline) = FONT.outline_glyph(glyph) {
            let corner = outline.px_bounds().min;
            let (left, top) = (pixel(corner.x), pixel(corner.y));
            outline.draw(|x, y, share| dot(left + i64::from(x), top + i64::from(y), share));
        }
    }
}

/// A glyph with its place on the baseline.
struct Placed {
    id: GlyphId,
    start: f32,
    end: f32,
    /// Where the next character begins, in bytes of the text.
    next: usize,
}

fn glyphs(text: &str, style: Style) -> impl Iterator<Item = Placed> {
    let unit = style.em / FONT.units_per_em().expect("the font has an em");
    let mut end = 0.0;
    let mut before = None;
    text.char_indices().filter_map(move |(at, character)| {
        let id = glyph(character)?;
        let kern = before.replace(id).map_or(0.0, |before| FONT.kern_unscaled(before, id));
        let start = end + kern * unit;
        end = start + FONT.h_advance_unscaled(id) * unit;
        Some(Placed { id, start, end, next: at + character.len_utf8() })
    })
}

/// `None` for a character without a picture of its own; glyph 0, a box, for one that the font lacks.
fn glyph(character: char) -> Option<GlyphId> {
    let drawn = match character {
        '\n' | '\r' => '↵',
        '\t' => '⇥',
        _ if is_invisible(character) => return None,
        _ if character.is_whitespace() && !character.is_control() => ' ',
        _ => character,
    };
    Some(FONT.glyph_id(drawn))
}

/// Whether something other than a blank or a box stands for it.
fn is_drawn(character: char) -> bool {
    !character.is_whitespace() && glyph(character).is_some_and(|id| id.0 != 0)
}

/// Characters that only tell how others are to be set: joiners, marks of direction, variants of emoji.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What users call their classes.
    const NAMES: [&str; 14] = [
        "",
        " ",
        "cat",
        "Straße №5 – œuvre",
        "Ελληνικά",
        "Кошка",
        "🐱",
        "🐱 cat 👩‍👩‍👧",
        "قطة",
        "חתול",
        "猫",
        "a\nb\tc\r\0\u{7f}\u{85}",
        "e\u{301}\u{301}\u{301}",
        "\u{202e}\u{feff}\u{10ffff}",
    ];

    /// The rectangle of what is darker than white: left, top, right, bottom, each inside.
    fn darkened(page: &Page) -> Option<(u32, u32, u32, u32)> {
        let dark = || page.0.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 != [255; 3]);
        let (left, right) = (dark().map(|(x, ..)| x).min()?, dark().map(|(x, ..)| x).max()?);
        Some((left, dark().map(|(_, y, _)| y).min()?, right, dark().map(|(_, y, _)| y).max()?))
    }

    fn drawn(text: &str, style: Style, align: Align) -> Page {
        let mut page = Page::new(200, 60).unwrap();
        draw(&mut page, text, style, align, (100, 40));
        page
    }

    #[test]
    fn the_edges_of_an_x_are_sharp() {
        for (style, height) in [(TICK, 7), (LABEL, 8), (TITLE, 9)] {
            let (_, top, _, bottom) = darkened(&drawn("x", style, Align::Left)).unwrap();
            // From the baseline up; a row that is touched in part only would make it one more.
            assert_eq!((top, bottom), (40 - height, 39));
        }
    }

    #[test]
    fn a_text_stands_left_around_or_right_of_its_place() {
        let edges = |align| {
            let (left, _, right, _) = darkened(&drawn("mmmm", LABEL, align)).unwrap();
            (left, right)
        };
        // m is 1995/2048 em wide, here 14.25 pixels, of which 1.3 and 1.2 are blank beside the strokes.
        assert_eq!(edges(Align::Left), (101, 155));
        assert_eq!(edges(Align::Right), (101 - 57, 155 - 57));
        let (left, right) = edges(Align::Middle);
        assert!((100 - left).abs_diff(right - 99) <= 1, "{left}, {right}");
    }

    #[test]
    fn upwards_is_a_quarter_turn_of_forwards() {
        let mut turned = Page::new(60, 200).unwrap();
        draw_upwards(&mut turned, "Grün (g)", LABEL, Align::Left, (40, 99));
        let forwards = drawn("Grün (g)", LABEL, Align::Left);
        assert_eq!(image::imageops::rotate270(&forwards.0), turned.0);
    }

    #[test]
    fn a_character_that_the_font_lacks_is_a_box() {
        let boxed = drawn("\u{ffff}", LABEL, Align::Left);
        assert!(darkened(&boxed).is_some());
        for lacking in ["猫", "ق", "🐱", "\0", "\u{85}"] {
            assert!(drawn(lacking, LABEL, Align::Left).0 == boxed.0, "{lacking:?}");
        }
        for there in ["a", "ß", "λ", "Ж", "↵", "⇥", "…", "−", "₂"] {
            assert!(drawn(there, LABEL, Align::Left).0 != boxed.0, "{there}");
        }
    }

    #[test]
    fn line_breaks_are_seen_and_joiners_are_not() {
        assert!(drawn("a\nb", LABEL, Align::Left).0 == drawn("a↵b", LABEL, Align::Left).0);
        assert!(drawn("a\u{3000}b", LABEL, Align::Left).0 == drawn("a b", LABEL, Align::Left).0);
        assert!(drawn("a\u{200d}\u{fe0f}b", LABEL, Align::Left).0 == drawn("ab", LABEL, Align::Left).0);
        assert!(darkened(&drawn("\u{202e} ", LABEL, Align::Left)).is_none());
    }

    #[test]
    fn every_name_is_drawn_inside_its_place() {
        let long = "Donaudampfschifffahrtsgesellschaft ".repeat(15);
        for name in NAMES.into_iter().chain([long.as_str()]) {
            for most in [0.0, 5.0, 20.0, 40.0, 90.0] {
                let room = most + width("…", LABEL);
                let short = [shorten(name, LABEL, most), shorten_inside(name, LABEL, most)];
                for line in wrap(name, LABEL, most).into_iter().chain(short) {
                    assert!(width(&line, LABEL) <= room, "{name:?}, {line:?}, {most}");
                    drawn(&line, LABEL, Align::Right);
                }
            }
        }
    }

    #[test]
    fn a_name_is_shortened_only_where_it_has_to_be() {
        let most = width("orangutan", LABEL);
        assert_eq!(shorten("orangutan", LABEL, most), "orangutan");
        let short = shorten("orangutan", LABEL, most - 1.0);
        assert!(short.ends_with('…') && "orangutan".starts_with(short.trim_end_matches('…')), "{short}");
        // One letter more would not have fitted.
        let letters = short.chars().count();
        assert!(width(&format!("{}…", &"orangutan"[..letters]), LABEL) > most - 1.0);
        assert_eq!(shorten("orangutan", LABEL, 0.0), "…");
    }

    #[test]
    fn an_id_keeps_both_its_ends() {
        let short = shorten_inside("train/cats/2021/000017.png", LABEL, 120.0);
        assert!(short.starts_with("train/") && short.contains('…') && short.ends_with("17.png"), "{short}");
    }

    #[test]
    fn a_column_name_breaks_between_its_words() {
        assert_eq!(wrap("ankle boot", LABEL, 200.0), ["ankle boot"]);
        assert_eq!(wrap("ankle boot", LABEL, 60.0), ["ankle", "boot"]);
        assert_eq!(wrap("T-shirt/top", LABEL, 70.0), ["T-shirt/", "top"]);
        assert_eq!(wrap("", LABEL, 60.0), [""]);
        assert!(matches!(wrap("automobile", LABEL, 60.0).as_slice(), [line] if line.ends_with('…')));
    }

    #[test]
    fn a_name_without_a_drawable_character_gives_way_to_its_number() {
        let classes = ["cat", "", " \u{200b}", "猫", "猫 2", "חתול"].map(String::from);
        let shown: Vec<_> = (0..7).map(|class| class_name(Class(class), &classes)).collect();
        assert_eq!(shown, ["cat", "class 1", "class 2", "class 3", "猫 2", "class 5", "class 6"]);
    }
}
