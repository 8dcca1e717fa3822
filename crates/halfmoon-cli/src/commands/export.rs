//! `halfmoon export`: labels for other programs.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

use halfmoon_journal::Journal;
use halfmoon_journal::exchange::{Exported, Format, export, format};
use halfmoon_pool::Error;

use crate::Failure;
use crate::args::Export;

pub(crate) fn run(args: &Export) -> Result<(), Failure> {
    let journal = Journal::open_to_read(&args.project)?;
    let Some(output) = &args.output else {
        let format = format(Some(args.format.as_deref().unwrap_or("csv")), Path::new("-"))?;
        let exported = match export(&journal, format, &mut BufWriter::new(std::io::stdout().lock())) {
            // Whoever reads has seen enough.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => return Err(Failure::ClosedPipe),
            exported => exported?,
        };
        tell(exported, format);
        return Ok(());
    };
    let format = format(args.format.as_deref(), output)?;
    // A project whose data are gone has none that could be written over.
    let data = journal.data().unwrap_or_default();
    super::refuse_to_overwrite(output, &[("the project", &args.project), ("the project's data", &data)])?;
    // What stands at the output's place stays until all is written; a pipe or a device has nothing to keep.
    let aside = match output.symlink_metadata() {
        Ok(there) if !there.is_file() => output.clone(),
        _ => super::partial(output),
    };
    let write = || -> Result<Exported, Error> {
        let file = File::create(&aside).map_err(|source| Error::io(&aside, source))?;
        let mut out = BufWriter::new(file);
        let exported = export(&journal, format, &mut out)?;
        out.flush().map_err(|source| Error::io(output, source))?;
        Ok(exported)
    };
    let written = write();
    if aside != *output {
        match &written {
            Ok(_) => std::fs::rename(&aside, output).map_err(|source| Error::io(output, source))?,
            Err(_) => drop(std::fs::remove_file(&aside)),
        }
    }
    tell(written?, format);
    println!("{}", output.display());
    Ok(())
}

/// `60 records in 300 tasks as label-studio`: a task an item, labelled or not.
fn tell(exported: Exported, format: &Format) {
    let tasks = exported.tasks.map(|tasks| format!(" in {}", super::counted(tasks, "task"))).unwrap_or_default();
    eprintln!("{}{tasks} as {}", super::counted(exported.records, "record"), format.name);
}
