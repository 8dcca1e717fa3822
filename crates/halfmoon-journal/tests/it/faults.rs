//! Killed writers, several writers, full disks.
//!
//! The writers are this very test program, run again for a test that is only a writer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use halfmoon_journal::{Event, EventId, Journal, Key};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{Scratch, label, standing};

const PATH: &str = "HALFMOON_TEST_JOURNAL";
const WRITER: &str = "HALFMOON_TEST_WRITER";
const COUNT: &str = "HALFMOON_TEST_COUNT";

/// Starts a writer of this name. It says `acknowledged KEY` for each event.
fn writer(path: &Path, name: &str, count: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "faults::is_a_writer", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(PATH, path).env(WRITER, name).env(COUNT, count.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// The keys that a writer says, as they come.
fn acknowledged(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // a killed writer may leave half a line
    lines
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("acknowledged ")?.strip_suffix('.').map(str::to_owned))
}

/// The writer itself.
#[test]
#[ignore = "run by the others"]
fn is_a_writer() {
    let (Ok(path), Ok(name)) = (std::env::var(PATH), std::env::var(WRITER)) else { return };
    let count: u64 = std::env::var(COUNT).unwrap().parse().unwrap();
    let mut journal = Journal::open(Path::new(&path)).unwrap();
    for n in 0..count {
        let key = Key::of(&[&name, &n.to_string()]);
        let item = i64::try_from(n % 26).unwrap() + 1;
        journal.append(&Event { key, ..label(&name, 0, item, u16::try_from(n % 2).unwrap()) }).unwrap();
        // In one write, so that a line is there or not.
        std::io::stdout().lock().write_all(format!("\nacknowledged {key}.\n").as_bytes()).unwrap();
    }
}

#[test]
fn no_acknowledged_event_is_lost_or_doubled_in_200_kills() {
    let folder = Scratch::new("kill");
    let path = folder.pets(26).path().to_owned();
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let mut promised = BTreeSet::new();
    for kill in 0..200 {
        let mut child = writer(&path, &format!("writer {kill}"), u64::MAX).spawn().unwrap();
        let mut keys = acknowledged(&mut child);
        // Somewhere behind its first words, or before: a writer takes longer to start on a busy machine.
        promised.extend(keys.by_ref().take(chance.random_range(0..8)));
        std::thread::sleep(Duration::from_micros(chance.random_range(0..8_000)));
        child.kill().unwrap(); // SIGKILL
        promised.extend(keys);
        child.wait().unwrap();
    }
    assert!(promised.len() >= 300, "only {} events", promised.len());

    let journal = Journal::open(&path).unwrap();
    journal.check().unwrap();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for (_, event) in journal.events(EventId(2)).unwrap() {
        *times.entry(event.key.to_string()).or_default() += 1;
    }
    assert!(times.values().all(|&times| times == 1), "an event was doubled");
    let lost: Vec<_> = promised.iter().filter(|key| !times.contains_key(*key)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    // an event that was written and not acknowledged is the last of its writer: at most one each
    assert!(times.len() <= promised.len() + 200, "{} events, {} acknowledged", times.len(), promised.len());
}

#[test]
fn a_retry_after_a_kill_is_not_a_second_event() {
    let folder = Scratch::new("retry");
    let path = folder.pets(26).path().to_owned();
    let mut child = writer(&path, "ann", 500).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(40));
    child.kill().unwrap();
    child.wait().unwrap();
    // the same clicks again, from the first one
    let mut child = writer(&path, "ann", 500).spawn().unwrap();
    assert_eq!(acknowledged(&mut child).count(), 500);
    assert!(child.wait().unwrap().success());
    assert_eq!(Journal::open(&path).unwrap().last_event().unwrap(), EventId(502));
}

#[test]
fn processes_that_write_at_once_lose_nothing() {
    let folder = Scratch::new("at-once");
    let path = folder.pets(26).path().to_owned();
    let names = ["ann", "bo", "cy"];
    let mut children: Vec<Child> = names.iter().map(|name| writer(&path, name, 150).spawn().unwrap()).collect();
    let mut reader = EventId(0);
    let journal = Journal::open(&path).unwrap();
    let mut read = 0;
    while read < 452 {
        // somebody reads meanwhile, and sees each event once and in order
        for (id, _) in journal.events(reader).unwrap() {
            assert_eq!(id.0, reader.0 + 1);
            reader = id;
            read += 1;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    for child in &mut children {
        assert_eq!(acknowledged(child).count(), 150);
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(standing(&journal).len(), 3 * 26);
    journal.check().unwrap();
}

/// Reads what may only be read, and says what it found.
#[test]
#[ignore = "run by the others"]
fn is_a_reader() {
    let Ok(path) = std::env::var(PATH) else { return };
    let path = Path::new(&path);
    let said = match Journal::open_to_read(path) {
        Err(error) => format!("{error}"),
        Ok(mut journal) => {
            let labels = standing(&journal).len();
            let now = journal.snapshot().unwrap();
            journal.check().unwrap();
            drop(now);
            let refused = journal.append(&label("bo", 1, 1, 0)).expect_err("it may only be read");
            format!("{labels} labels; {refused}")
        }
    };
    std::io::stdout().lock().write_all(format!("\nfound {said}\n").as_bytes()).unwrap();
}

/// What somebody finds who may not write into this folder.
#[cfg(unix)]
fn read_by_another(folder: &Scratch, path: &Path, file_mode: u32) -> String {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    // A copy that everybody may run.
    let program = folder.path("reader");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    mode(&program, 0o755);
    for ending in ["", "-wal", "-shm"] {
        let file = path.with_file_name(format!("project.db{ending}"));
        if file.exists() {
            mode(&file, file_mode);
        }
    }
    mode(&folder.0, 0o555);
    let mut command = Command::new(&program);
    command.args(["--exact", "faults::is_a_reader", "--ignored", "--nocapture", "--test-threads=1"]).env(PATH, path);
    // Nothing is refused to root.
    if folder.0.metadata().unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    mode(&folder.0, 0o755);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = said.lines().find_map(|line| line.strip_prefix("found "));
    found.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr))).to_owned()
}

#[test]
#[cfg(unix)]
fn a_project_that_may_only_be_read_is_read() {
    let folder = Scratch::new("read only");
    let mut journal = folder.pets(3);
    let path = journal.path().to_owned();
    journal.append_all(&[label("ann", 1, 1, 0), label("ann", 2, 2, 1)]).unwrap();
    // While another process has it open: a log lies beside it.
    let found = read_by_another(&folder, &path, 0o444);
    assert!(found.starts_with("2 labels; "), "{found}");
    journal.close().unwrap();
    for file_mode in [0o444, 0o666] {
        let found = read_by_another(&folder, &path, file_mode);
        assert!(found.starts_with("2 labels; ") && found.contains("may not be written"), "{file_mode:o}: {found}");
    }
    // The log of a writer that was killed, without what tells where its labels are.
    let mut journal = Journal::open(&path).unwrap();
    journal.append(&label("ann", 3, 3, 1)).unwrap();
    let log = std::fs::read(folder.path("project.db-wal")).unwrap();
    let file = std::fs::read(&path).unwrap();
    journal.close().unwrap();
    std::fs::write(&path, file).unwrap();
    std::fs::write(folder.path("project.db-wal"), log).unwrap();
    let found = read_by_another(&folder, &path, 0o444);
    assert!(found.contains("may only be read, and ") && found.contains("project.db-wal holds labels"), "{found}");
}

/// A limit on the size of files stands for a full disk: writes fail half-way, as there.
#[test]
#[cfg(unix)]
fn a_file_that_may_not_grow_stays_intact_and_goes_on_when_it_may() {
    let folder = Scratch::new("full");
    let journal = folder.pets(26);
    let path = journal.path().to_owned();
    journal.close().unwrap();
    // 256 blocks, of 512 or 1,024 bytes by the shell, hold the file and some of its log. The signal would end the writer.
    let program = std::env::current_exe().unwrap();
    let command = format!(
        "trap '' XFSZ; ulimit -f 256; exec '{}' --exact faults::is_a_writer --ignored --nocapture --test-threads=1",
        program.display()
    );
    let output = Command::new("sh")
        .args(["-c", &command])
        .env(PATH, &path)
        .env(WRITER, "ann")
        .env(COUNT, "100000")
        .output()
        .unwrap();
    assert!(!output.status.success(), "the limit was never reached");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nothing of this was written"), "{said}");
    let promised: Vec<&str> =
        said.lines().filter_map(|line| line.strip_prefix("acknowledged ")?.strip_suffix('.')).collect();
    assert!(promised.len() > 5, "{} events before the limit", promised.len());

    let mut journal = Journal::open(&path).unwrap();
    journal.check().unwrap();
    let there: BTreeSet<String> =
        (journal.events(EventId(2)).unwrap().iter()).map(|(_, e)| e.key.to_string()).collect();
    assert!(promised.iter().all(|key| there.contains(*key)), "an acknowledged event is gone");
    assert!(there.len() <= promised.len() + 1, "{} events, {} acknowledged", there.len(), promised.len());
    journal.append(&label("bo", 1, 1, 0)).unwrap();
    assert_eq!(journal.last_event().unwrap().0, i64::try_from(there.len()).unwrap() + 3);
}
