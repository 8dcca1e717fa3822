//! `halfmoon init`: data to a project.

use std::io::Write;
use std::path::Path;

use halfmoon::config::Config;
use halfmoon_journal::scan::{Scan, scan};
use halfmoon_journal::{Action, DATA, Event, ItemId, Journal, Key, Moment, Project, Split};
use halfmoon_pool::Error;
use halfmoon_pool::labels::grouped;
use serde_json::{Map, Value};

use crate::Failure;
use crate::args::Init;

pub(crate) fn run(args: &Init) -> Result<(), Failure> {
    refuse_to_overwrite(&args.out)?;
    let mut section = super::reading_of_project(&args.reading)?;
    let about = Map::from_iter([("data".to_owned(), serde_json::to_value(&section).expect("plain settings"))]);
    super::put(&mut section, "path", Some(super::text(&args.data)?));
    let config = Config::resolve(toml::Table::from_iter([("data".to_owned(), section.into())]))?;

    let scan = scan(&args.data, &config.options())?;
    for note in &scan.notes {
        eprintln!("note: {note}");
    }
    super::import::tell(&scan.problems, "files or rows that could not be read and are no items");

    // Under another name until all is there: what is cut short leaves no half of a project.
    let aside = super::partial(&args.out);
    let made = make(&aside, args, about, &scan);
    if let Err(error) = made.and_then(|()| refuse_to_overwrite(&args.out)) {
        let _ = std::fs::remove_file(&aside);
        return Err(error.into());
    }
    std::fs::rename(&aside, &args.out).map_err(|source| Error::io(&args.out, source))?;

    let mut out = std::io::stdout().lock();
    let of_split = |split: Split| scan.items.iter().filter(|item| item.split == split).count();
    let splits = Split::ALL.iter().filter(|split| of_split(**split) > 0);
    let splits: Vec<String> = splits.map(|split| format!("{} {}", split.name(), grouped(of_split(*split)))).collect();
    writeln!(
        out,
        "{}: {} ({}), {} {}, {} that came with the data",
        args.out.display(),
        super::counted(scan.items.len(), "item"),
        splits.join(", "),
        grouped(scan.classes.len()),
        if scan.classes.len() == 1 { "class" } else { "classes" },
        super::counted(scan.labels.len(), "label")
    )?;
    writeln!(out, "\nsee it with: halfmoon status {}", args.out.display())?;
    Ok(())
}

fn make(path: &Path, args: &Init, about: Map<String, Value>, scan: &Scan) -> Result<(), Error> {
    let now = Moment::now();
    let data = super::absolute(&args.data);
    let stem = || args.data.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let project =
        Project { name: args.name.clone().unwrap_or_else(stem), data: Some(super::text(&data)?), at: now, about };
    let mut journal = Journal::create(path, &project, &scan.classes, DATA)?;
    journal.add_items(&scan.items)?;
    let label = |&(place, class): &(usize, halfmoon_pool::Class)| {
        let number = i64::try_from(place).expect("fewer items than a number holds") + 1;
        let key = Key::of(&[DATA, &scan.items[place].id, &scan.classes[class.index()]]);
        Event { key, ..Event::new(DATA, now, Action::Label(ItemId(number), class)) }
    };
    journal.append_all(&scan.labels.iter().map(label).collect::<Vec<_>>())?;
    journal.close()
}

/// The only file that cannot be made again is never written over.
fn refuse_to_overwrite(path: &Path) -> Result<(), Error> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Error::usage(
        format!("{} is there already, and it is kept", path.display()),
        "choose another file with --out; labels go into a project with `halfmoon import`",
    ))
}
