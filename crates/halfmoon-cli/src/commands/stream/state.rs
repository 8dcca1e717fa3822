//! How far a stream has come, on disk before anybody hears of it.
//!
//! The file's first line holds the stream at some item; each further line is an answer since. To go on, the utilities of
//! these are decided again, which gives the same answers. So an item costs one short `write`, however long the window is,
//! and what a `kill -9` can leave behind is a last line without its end, of an answer that nobody saw.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use halfmoon_pool::labels::grouped;
use halfmoon_pool::{Error, Result};
use halfmoon_query::stream::Stream;
use serde::{Deserialize, Serialize};

/// What becomes of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// What the item calls itself. `None`: it is known by its number in the stream.
    pub(super) id: Option<String>,
    pub(super) ask: bool,
    pub(super) likeliest: Option<String>,
    pub(super) probability: Option<f32>,
    /// As the stream sees it: in single precision, which text gives back exactly. `None` for what could not be read.
    pub(super) utility: Option<f32>,
    pub(super) reason: Option<String>,
    pub(super) problem: Option<String>,
}

/// What a stream was begun with: what it is called, and its value. It goes on with the same and nothing else.
pub(super) type Begun = Vec<(String, String)>;

/// A stream and its file, which nobody else writes meanwhile.
pub(super) struct State {
    path: PathBuf,
    file: File,
    at: Snapshot,
    /// Answers in the file.
    answers: usize,
    written: Instant,
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    begun: Begun,
    stream: Stream,
    unreadable: u64,
    last: Option<Answer>,
}

/// Answers after which the file is written anew, unless the window is longer.
const MOST_ANSWERS: usize = 4096;

/// A cut of power takes no more than what was answered in this time.
const SYNC_EVERY: Duration = Duration::from_secs(1);

impl State {
    /// What the file says, if it is there; else `stream`, of which no item has been seen. `fresh` begins anew in any case, and yet overwrites nothing but
    /// what a stream has written.
    pub(super) fn open(path: &Path, begun: Begun, stream: Stream, fresh: bool) -> Result<State> {
        let broken = |source| Error::io(path, source);
        let beginning = Snapshot { begun, stream, unreadable: 0, last: None };
        let there = match OpenOptions::new().read(true).append(true).open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(broken(error)),
        };
        if let Some(file) = &there {
            lock(file, path)?;
        }
        let Some(mut file) = there else {
            return State::begin(path, beginning);
        };
        if fresh {
            let mut first = Vec::new();
            BufReader::new(&file).read_until(b'\n', &mut first).map_err(broken)?;
            if !first.is_empty() && serde_json::from_slice::<Snapshot>(&first).is_err() {
                let hint = "name another file with --state, or remove this one yourself";
                return Err(Error::data(path, "was not written by a stream, and would be lost", hint));
            }
            return State::begin(path, beginning);
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(broken)?;
        let (at, answers, whole) = replayed(path, &text, &beginning.begun)?;
        file.set_len(whole as u64).map_err(broken)?;
        Ok(State { path: path.to_owned(), file, at, answers, written: Instant::now() })
    }

    fn begin(path: &Path, at: Snapshot) -> Result<State> {
        let file = write_anew(path, &at)?;
        Ok(State { path: path.to_owned(), file, at, answers: 0, written: Instant::now() })
    }

    /// Where it is kept.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lines that were answered, each once.
    pub(super) fn lines(&self) -> u64 {
        self.seen() + self.at.unreadable
    }

    /// Items that were read.
    pub(super) fn seen(&self) -> u64 {
        self.at.stream.seen()
    }

    pub(super) fn asked(&self) -> u64 {
        self.at.stream.asked()
    }

    /// The answer to the item of this id, if that came last. One that could be read is no copy of one that could not.
    pub(super) fn resent(&self, id: Option<&str>, is_readable: bool) -> Option<&Answer> {
        let last = self.at.last.as_ref()?;
        (id.is_some() && last.id.as_deref() == id && (last.utility.is_some() || !is_readable)).then_some(last)
    }

    /// Decides whether to ask, and writes that down before it says so.
    pub(super) fn decide(&mut self, mut answer: Answer) -> Result<&Answer> {
        self.at.follow(&mut answer);
        let mut line = serde_json::to_vec(&answer).expect("plain data");
        line.push(b'\n');
        // One call: what is in it is written or not, whenever this program is killed.
        self.file.write_all(&line).map_err(|source| Error::io(&self.path, source))?;
        self.answers += 1;
        Ok(self.at.last.insert(answer))
    }

    /// What can wait until an answer has been given: that the disk has it, and that the file stays short.
    pub(super) fn settle(&mut self) -> Result<()> {
        if self.answers >= MOST_ANSWERS.max(self.at.stream.settings().window) {
            return self.close();
        }
        if self.written.elapsed() >= SYNC_EVERY {
            self.file.sync_data().map_err(|source| Error::io(&self.path, source))?;
            self.written = Instant::now();
        }
        Ok(())
    }

    /// Writes the file anew, with nothing in it but where the stream stands.
    pub(super) fn close(&mut self) -> Result<()> {
        self.file = write_anew(&self.path, &self.at)?;
        self.answers = 0;
        self.written = Instant::now();
        Ok(())
    }

    /// For the end, and for whoever looks on.
    pub(super) fn summary(&self) -> String {
        let (seen, asked) = (self.seen(), self.asked());
        let share = if seen > 0 { asked as f64 / seen as f64 } else { 0.0 };
        let count = |count: u64| grouped(usize::try_from(count).unwrap_or(usize::MAX));
        format!(
            "{} items seen, {} asked: a share of {share:.4}; {} unreadable",
            count(seen),
            count(asked),
            count(self.at.unreadable)
        )
    }
}

impl Snapshot {
    /// The stream after this item; the answer is told whether to ask.
    fn follow(&mut self, answer: &mut Answer) {
        answer.ask = answer.utility.is_some_and(|utility| self.stream.decide(utility.into()));
        self.unreadable += u64::from(answer.utility.is_none());
    }
}

/// The stream that a file tells of, the answers in it, and the bytes up to the end of the last whole one.
fn replayed(path: &Path, text: &[u8], begun: &[(String, String)]) -> Result<(Snapshot, usize, usize)> {
    let hint = "--fresh begins anew, and --state FILE keeps a stream elsewhere";
    let damaged = |line: usize, why: &str| Error::data(path, format!("line {line} is damaged: {why}"), hint);
    let mut lines = text.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let first = lines.next().ok_or_else(|| damaged(1, "it has no end"))?;
    let mut at: Snapshot = serde_json::from_slice(first).map_err(|error| damaged(1, &error.to_string()))?;
    refuse_others(path, &at.begun, begun, hint)?;
    let (mut answers, mut whole) = (0, first.len());
    for line in lines {
        let mut answer: Answer = match serde_json::from_slice(line) {
            Ok(answer) => answer,
            // Without power, the end of a file may be anything.
            Err(_) if whole + line.len() == text.len() => break,
            Err(error) => return Err(damaged(answers + 2, &error.to_string())),
        };
        let ask = answer.ask;
        at.follow(&mut answer);
        if answer.ask != ask {
            return Err(damaged(answers + 2, "the stream before it decides otherwise"));
        }
        at.last = Some(answer);
        answers += 1;
        whole += line.len();
    }
    Ok((at, answers, whole))
}

/// A stream that goes on with other settings would be neither this one nor that.
fn refuse_others(path: &Path, before: &[(String, String)], now: &[(String, String)], hint: &str) -> Result<()> {
    let others: Vec<String> = before
        .iter()
        .filter_map(|(name, value)| {
            let (_, typed) = now.iter().find(|(known, _)| known == name)?;
            (typed != value).then(|| format!("{name} {value}, which is {typed} here"))
        })
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let problem = format!("{} holds a stream that was begun with {}", path.display(), others.join("; with "));
    Err(Error::usage(problem, format!("go on with the same; {hint}")))
}

/// A new file in the place of the old one: at every moment one of them is there, whole.
fn write_anew(path: &Path, at: &Snapshot) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".aside");
    let aside = PathBuf::from(name);
    let mut text = serde_json::to_vec(at).expect("plain data");
    text.push(b'\n');
    let broken = |source| Error::io(&aside, source);
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&aside).map_err(broken)?;
    // Before anything is written: another stream that begins at this moment has the same file.
    lock(&file, path)?;
    file.set_len(0).and_then(|()| file.write_all(&text)).and_then(|()| file.sync_all()).map_err(broken)?;
    std::fs::rename(&aside, path).map_err(|source| Error::io(path, source))?;
    Ok(file)
}

/// Goes with the process, however that ends. Where a file system knows no locks, nothing is locked.
fn lock(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::usage(
            format!("{} is in use by another stream", path.display()),
            "wait until that ends, or keep this one elsewhere with --state FILE",
        )),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use halfmoon_query::stream::{MANAGERS, Settings};

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let folder = std::env::temp_dir().join(format!("halfmoon-state-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).expect("a temporary folder");
            Folder(folder)
        }

        fn open(&self, fresh: bool) -> Result<State> {
            let settings = Settings { budget: 0.2, window: 30, ..Settings::default() };
            let stream = Stream::new(&MANAGERS[0], settings).expect("sound settings");
            State::open(&self.0.join("s.jsonl"), vec![("--budget".into(), "0.2".into())], stream, fresh)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn item(i: u64) -> Answer {
        // Every seventh line cannot be read; the others jump about between 0 and 1.
        let utility = (i % 7 != 3).then_some((i * 7919 % 1009) as f32 / 1009.0);
        let problem = utility.is_none().then(|| "a problem".to_owned());
        let id = Some(i.to_string());
        Answer { id, ask: false, likeliest: None, probability: None, utility, reason: None, problem }
    }

    fn asked(state: &mut State, items: impl Iterator<Item = u64>) -> Vec<bool> {
        let asked = items.map(|i| {
            let ask = state.decide(item(i)).expect("a disk").ask;
            state.settle().expect("a disk");
            ask
        });
        asked.collect()
    }

    #[test]
    fn a_file_that_ends_anywhere_goes_on_with_the_answers_that_are_whole() {
        let folder = Folder::new("cut");
        let path = folder.0.join("s.jsonl");
        let whole = asked(&mut folder.open(true).expect("a state"), 0..300);
        assert!(whole.iter().any(|asks| *asks));
        let text = fs::read(&path).expect("the state");
        let first = text.iter().position(|&byte| byte == b'\n').expect("a line") + 1;
        for cut in (first..=text.len()).step_by(173).chain([text.len()]) {
            for tail in [&b""[..], b"\0\0\0\n"] {
                fs::write(&path, [&text[..cut], tail].concat()).expect("a disk");
                let mut state = folder.open(false).expect("a state");
                let done = text[first..cut].split(|&byte| byte == b'\n').count() - 1;
                assert_eq!(state.lines(), done as u64, "{cut}");
                assert_eq!(asked(&mut state, done as u64..300), whole[done..], "{cut}");
            }
        }
    }

    #[test]
    fn what_a_stream_has_not_written_is_not_overwritten() {
        let folder = Folder::new("foreign");
        let path = folder.0.join("s.jsonl");
        for foreign in [&b"size,barks\n1,yes\n"[..], b"SQLite format 3\0\xff\xfe", b"{\"begun\":1}\n"] {
            fs::write(&path, foreign).expect("a disk");
            let error = folder.open(true).err().expect("it is no state");
            assert!(error.to_string().contains("was not written by a stream"), "{error}");
            assert_eq!(fs::read(&path).expect("the file"), foreign);
        }
        fs::write(&path, b"").expect("a disk");
        assert_eq!(folder.open(true).expect("nothing is lost").lines(), 0);
        assert_eq!(folder.open(true).expect("its own").lines(), 0);
    }

    #[test]
    fn a_long_stream_keeps_a_short_file() {
        let folder = Folder::new("long");
        let mut state = folder.open(true).expect("a state");
        let whole = asked(&mut state, 0..10_000);
        let lines = |folder: &Folder| fs::read_to_string(folder.0.join("s.jsonl")).expect("text").lines().count();
        assert!(lines(&folder) < 4_200, "{}", lines(&folder));
        drop(state);
        let mut state = folder.open(false).expect("a state");
        let asks = whole.iter().filter(|asks| **asks).count() as u64;
        assert_eq!((state.lines(), state.asked()), (10_000, asks));
        state.close().expect("a disk");
        assert_eq!(lines(&folder), 1);
    }

    #[test]
    fn what_is_damaged_or_in_use_or_of_another_stream_is_told() {
        let folder = Folder::new("damaged");
        let path = folder.0.join("s.jsonl");
        let state = folder.open(false).expect("a state");
        let said = |opened: Result<State>| opened.err().expect("a problem").to_string();
        assert!(said(folder.open(true)).contains("in use"));
        drop(state);
        let text = fs::read_to_string(&path).expect("the state");
        fs::write(&path, text.replace("\"0.2\"", "\"0.3\"")).expect("a disk");
        assert!(said(folder.open(false)).contains("begun with --budget 0.3, which is 0.2 here"));
        for broken in ["", "{}\n", "no\n"] {
            fs::write(&path, broken).expect("a disk");
            assert!(said(folder.open(false)).contains("line 1 is damaged"), "{broken}");
        }
        fs::write(&path, format!("{text}no\n{}\n", serde_json::to_string(&item(0)).expect("text"))).expect("a disk");
        assert!(said(folder.open(false)).contains("line 2 is damaged"));
        fs::write(&path, &text).expect("a disk");
        let mut state = folder.open(false).expect("a state");
        let answer = state.decide(item(0)).expect("a disk").clone();
        drop(state);
        let turned = Answer { ask: !answer.ask, ..answer };
        fs::write(&path, format!("{text}{}\n", serde_json::to_string(&turned).expect("text"))).expect("a disk");
        assert!(said(folder.open(false)).contains("line 2 is damaged: the stream before it decides otherwise"));
        assert_eq!(folder.open(true).expect("a state").lines(), 0);
    }

    #[test]
    fn the_last_item_is_known_by_its_id() {
        let folder = Folder::new("resent");
        let mut state = folder.open(true).expect("a state");
        assert!(state.resent(Some("0"), true).is_none() && state.resent(None, true).is_none());
        let answer = state.decide(item(0)).expect("a disk").clone();
        assert_eq!(state.resent(Some("0"), true), Some(&answer));
        assert!(state.resent(Some("1"), true).is_none());
        state.decide(item(3)).expect("a disk");
        // Mended, it is another item.
        assert!(state.resent(Some("3"), true).is_none() && state.resent(Some("3"), false).is_some());
    }
}
