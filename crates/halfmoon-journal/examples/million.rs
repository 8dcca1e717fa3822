//! How long a journal of a million events takes to open and to fold.
//!
//!     cargo run --release -p halfmoon-journal --example million

#![allow(clippy::print_stdout, reason = "it prints what it measures")]

use std::time::Instant;

use halfmoon_journal::{Action, Content, Event, EventId, Item, ItemId, Journal, Key, Moment, Project, Split};
use halfmoon_pool::{Class, Result};
use serde_json::Map;

const ITEMS: i64 = 200_000;
const EVENTS: i64 = 1_000_000;
const ANNOTATORS: [&str; 5] = ["ann", "bo", "cy", "dee", "eve"];

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("halfmoon-million-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
    let path = folder.join("project.db");
    let at = Moment::now();
    let classes: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
    let project = Project { name: "million".into(), data: None, at, about: Map::new() };

    let begun = Instant::now();
    let mut journal = Journal::create(&path, &project, &classes, "ann")?;
    let item = |n: i64| {
        let id = format!("folder-{:03}/picture-{n:06}.png", n % 1000);
        Item { content: Content::of(id.as_bytes()), path: Some(id.clone()), id, split: Split::Train }
    };
    journal.add_items(&(0..ITEMS).map(item).collect::<Vec<_>>())?;
    println!("{ITEMS} items written in {:.1} s", begun.elapsed().as_secs_f64());

    let begun = Instant::now();
    let first = journal.last_event()?.0;
    let event = |n: i64| {
        let annotator = ANNOTATORS[usize::try_from(n / ITEMS).expect("one for each 200,000")];
        let item = ItemId(n * 7919 % ITEMS + 1);
        // One in fifty is undone, one in fifty is a skip.
        let action = match n % 50 {
            49 => Action::Undo(EventId(first + n - 4)),
            7 => Action::Skip(item),
            _ => Action::Label(item, Class(u16::try_from(n % 10).expect("below 10"))),
        };
        Event { key: Key::of(&[&n.to_string()]), seconds: Some(1.5), ..Event::new(annotator, at, action) }
    };
    for start in (0..EVENTS).step_by(100_000) {
        journal.append_all(&(start..start + 100_000).map(event).collect::<Vec<_>>())?;
    }
    println!("{EVENTS} events written in {:.1} s", begun.elapsed().as_secs_f64());
    journal.close()?;
    let size = path.metadata().map_or(0, |file| file.len());
    println!("{:.0} MB", size as f64 / 1e6);

    let mut begun = Instant::now();
    let mut took = |what: &str| {
        println!("{what}: {:.3} s", begun.elapsed().as_secs_f64());
        begun = Instant::now();
    };
    let mut journal = Journal::open(&path)?;
    took("open");
    let labels = journal.labels()?;
    took(&format!("labels: {} votes", labels.votes.len()));
    let verdicts = labels.majority();
    took(&format!("majority: {} items", verdicts.len()));
    for n in 0..100 {
        let again = Event::new("ann", Moment::now(), Action::Label(ItemId(n + 1), Class(0)));
        journal.append(&again)?;
    }
    took("100 labels, each on the disk before the next");
    journal.check()?;
    took("check: the whole file read, all events folded and compared");
    journal.rebuild()?;
    took("rebuild");
    std::fs::remove_dir_all(&folder).expect("it was made here");
    Ok(())
}
