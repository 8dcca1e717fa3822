//! Which item a file means: by its id, by its path, or by a path as another program writes it.
//!
//! | written | meant |
//! |---|---|
//! | `./a.png`, `photos\a.png` | `a.png`, `photos/a.png` |
//! | `/home/ann/photos/a.png`, `photos/a.png` | `a.png`, where that is the whole path of one item |
//! | `a.png` | `photos/a.png`, where the paths of no other items end so |
//! | `a%20b.png`, `https://host/a%20b.png?x=y` | `a b.png` |
//! | `/data/local-files/?d=photos/a.png` (Label Studio) | `photos/a.png` |
//! | `/data/upload/3/1a2b3c4d-a.png` (Label Studio) | `a.png` |
//!
//! What is an id or a path as it stands is meant before all else. Of several ends the longest counts.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use crate::item::{Item, ItemId};

/// All items by their names.
pub(super) struct Items<'a> {
    all: &'a [(ItemId, Item)],
    /// By id and, where that is nobody's id, by path.
    exact: HashMap<&'a str, Named>,
    /// By each end of their paths that begins behind a slash, the whole path among them. Most files never ask.
    ends: OnceCell<HashMap<&'a str, Ends>>,
}

/// Items of one name.
#[derive(Debug, Clone, Copy)]
struct Named {
    first: ItemId,
    second: Option<ItemId>,
}

/// Items with this end of a path.
#[derive(Debug, Default)]
struct Ends {
    whole: Option<Named>,
    of_longer: Option<Named>,
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// This item. It `is_exact` where the name is its id or path as it stands.
    Item {
        item: ItemId,
        is_exact: bool,
    },
    /// Two items at least, of which these are the first.
    Several(ItemId, ItemId),
    Nothing,
}

impl<'a> Items<'a> {
    pub(super) fn new(all: &'a [(ItemId, Item)]) -> Items<'a> {
        let mut exact: HashMap<&str, Named> = HashMap::new();
        for (number, item) in all {
            if let Some(path) = &item.path {
                exact.entry(path).and_modify(|named| named.and(*number)).or_insert(Named::new(*number));
            }
        }
        exact.extend(all.iter().map(|(number, item)| (item.id.as_str(), Named::new(*number))));
        Items { all, exact, ends: OnceCell::new() }
    }

    /// The item of this number, which was found.
    pub(super) fn item(&self, number: ItemId) -> &'a Item {
        let found = self.all.binary_search_by_key(&number, |(number, _)| *number).expect("found before");
        &self.all[found].1
    }

    /// How the first item is called, as an example.
    pub(super) fn example(&self) -> Option<&'a str> {
        self.all.first().map(|(_, item)| item.id.as_str())
    }

    /// What a name means.
    pub(super) fn find(&self, name: &str) -> Found {
        // Ids of a table are taken without the spaces around them.
        if let Some(named) = self.exact.get(name).or_else(|| self.exact.get(name.trim())) {
            return named.found(true);
        }
        let name = plain(name);
        if let Some(named) = self.exact.get(name.as_str()) {
            return named.found(false);
        }
        match (self.by_end(&name), upload(&name)) {
            (Found::Nothing, Some(uploaded)) => self.by_end(uploaded),
            (found, _) => found,
        }
    }

    /// The item whose path ends with this name, or is its end.
    fn by_end(&self, name: &str) -> Found {
        let ends = self.ends.get_or_init(|| ends(self.all));
        let of_longer = ends.get(name).and_then(|ends| ends.whole.or(ends.of_longer));
        let mut shorter = name.match_indices('/').map(|(at, _)| &name[at + 1..]);
        let named = of_longer.or_else(|| shorter.find_map(|end| ends.get(end)?.whole));
        named.map_or(Found::Nothing, |named| named.found(false))
    }
}

impl Named {
    fn new(first: ItemId) -> Named {
        Named { first, second: None }
    }

    fn and(&mut self, other: ItemId) {
        self.second.get_or_insert(other);
    }

    fn found(self, is_exact: bool) -> Found {
        match self.second {
            Some(second) => Found::Several(self.first, second),
            None => Found::Item { item: self.first, is_exact },
        }
    }
}

fn ends(all: &[(ItemId, Item)]) -> HashMap<&str, Ends> {
    let mut ends: HashMap<&str, Ends> = HashMap::new();
    for (number, item) in all {
        let Some(path) = item.path.as_deref() else { continue };
        let behind = path.match_indices('/').map(|(at, _)| at + 1);
        for at in [0].into_iter().chain(behind).filter(|at| *at < path.len()) {
            let of_end = ends.entry(&path[at..]).or_default();
            let named = if at == 0 { &mut of_end.whole } else { &mut of_end.of_longer };
            match named {
                Some(named) => named.and(*number),
                None => *named = Some(Named::new(*number)),
            }
        }
    }
    ends
}

/// Without what other programs put around a path.
fn plain(name: &str) -> String {
    let path = match (name.split_once("?d="), name.split_once("://")) {
        (Some((_, path)), _) => path.split('&').next().unwrap_or_default(),
        (None, Some((_, address))) => address.split(['?', '#']).next().unwrap_or_default(),
        (None, None) => name,
    };
    let path = percent_decode_str(path).decode_utf8().map_or_else(|_| path.to_owned(), Cow::into_owned);
    let path = if path.contains('/') { path } else { path.replace('\\', "/") };
    let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    parts.join("/")
}

/// The name of a file that Label Studio put eight hexadecimal digits and a dash before.
fn upload(path: &str) -> Option<&str> {
    let file = path.rsplit('/').next()?;
    let (digits, name) = file.split_at_checked(8)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| name.strip_prefix('-'))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{Content, Split};

    fn items(paths: &[&str]) -> Vec<(ItemId, Item)> {
        let item = |path: &&str| Item {
            id: (*path).to_owned(),
            path: Some((*path).to_owned()),
            content: Content::of(path.as_bytes()),
            split: Split::Train,
        };
        (1..).map(ItemId).zip(paths.iter().map(item)).collect()
    }

    #[test]
    fn a_path_of_another_program_names_the_item_that_it_ends_with() {
        let all = items(&["i110.png", "a b.png", "cats/1.png", "dogs/1.png", "dogs/2.png", "deadbeef-x.png"]);
        let known = Items::new(&all);
        let found = |name: &str| match known.find(name) {
            Found::Item { item, .. } => item.0,
            Found::Several(..) => 0,
            Found::Nothing => -1,
        };
        for (name, item) in [
            ("i110.png", 1),
            ("./i110.png", 1),
            ("../pool/i110.png", 1),
            ("pool\\i110.png", 1),
            ("/abs/path/of/pool/i110.png", 1),
            ("/data/upload/3/1a2b3c4d-i110.png", 1),
            ("/data/upload/3/0123abcd-2.png", 5),
            ("/data/upload/3/0123abcd-1.png", 0),
            ("deadbeef-x.png", 6),
            ("/data/upload/3/deadbeef-x.png", 6),
            ("/data/local-files/?d=photos/unlabelled/i110.png", 1),
            ("/data/local-files/?d=photos%2Fa%20b.png&x=1", 2),
            ("https://example.org/pool/a%20b.png?token=1", 2),
            ("file:///home/ann/pool/dogs/1.png", 4),
            ("2.png", 5),
            ("1.png", 0),
            ("cats/1.png", 3),
            // its folder is another one
            ("birds/2.png", -1),
            ("pool/1.png", -1),
            ("3.png", -1),
            ("", -1),
            ("/", -1),
        ] {
            assert_eq!(found(name), item, "{name}");
        }
        assert_eq!(known.find("1.png"), Found::Several(ItemId(3), ItemId(4)));
        // the longer end counts
        let all = items(&["1.png", "dogs/1.png"]);
        let known = Items::new(&all);
        assert_eq!(known.find("/x/dogs/1.png"), Found::Item { item: ItemId(2), is_exact: false });
        assert_eq!(known.find("/x/cats/1.png"), Found::Item { item: ItemId(1), is_exact: false });
    }
}
