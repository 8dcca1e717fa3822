//! `halfmoon stream`: each item as it arrives, ask or skip.

mod state;

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use halfmoon::run::{self, Asked};
use halfmoon_pool::Error;
use halfmoon_pool::dataset::Ids;
use halfmoon_pool::metric::predicted;
use halfmoon_pool::read::lines::{Lines, come_by_line};
use halfmoon_pool::read::{self, Options, Status};
use halfmoon_pool::scores::{Predictor, probs};
use halfmoon_query::stream::{Settings, Stream as Decisions, manager};
use halfmoon_query::{Ask, Questions, RULES, Rule, keys_of_ids, rule};
use ndarray::Array2;

use self::state::{Answer, Begun, State};
use crate::Failure;
use crate::args::{Stream, StreamFormat};

pub(crate) fn run(args: &Stream) -> Result<(), Failure> {
    let rule = of_streams(&args.rule)?;
    let manager = manager(&args.manager)?;
    let decisions = Decisions::new(manager, settings(args)?)?;
    if args.budget > manager.most && args.budget < 1.0 && manager.most > 0.0 {
        let most = manager.most;
        eprintln!("note: `{}` asks about a share of {most} at most; `quantile` spends any budget", manager.name);
    }
    let asked = run::open(&args.run, args.model.as_deref(), &run::device("cpu")?)?;
    if !asked.finished {
        eprintln!("note: this run was stopped before its last step");
    }
    let committee = super::query::committee(&args.run, args.model.as_deref(), &args.committee, &asked)?;
    let predictor = committee.as_ref().map_or(&*asked.predictor, |committee| committee as &dyn Predictor);
    let judge = Judge { rule, predictor, asked: &asked, draws: args.draws, seed: args.seed };
    // What the rule lacks is missing for any item: nobody should have to send one to hear of it.
    judge.judge(&Array2::zeros((1, asked.data.encoding.layout().width())), "")?;
    let options = super::options(&asked, &args.reading)?;
    let mut source = Source::open(args, &asked, options)?;
    let path = args.state.clone().unwrap_or_else(|| args.run.join("stream.jsonl"));
    let state = State::open(&path, begun(args, asked.entry.name)?, decisions, args.fresh)?;
    if state.lines() > 0 {
        eprintln!("note: {} goes on: {} (--fresh begins anew)", state.path().display(), state.summary());
    }
    let state = Arc::new(Mutex::new(state));
    end_on_interrupt(&state);
    let lines = Answers::begin(args)?;
    let end = source.each(&mut |id, item| {
        let mut state = held(&state);
        if let Some(answer) = state.resent(id.as_deref(), item.is_ok()) {
            lines.write(answer, "")?;
            return Ok(());
        }
        let number = (state.lines() + 1).to_string();
        let answer = judge.answer(id, &number, item);
        lines.write(state.decide(answer)?, &number)?;
        state.settle()?;
        Ok(())
    });
    let mut state = held(&state);
    if end.is_ok() || state.lines() > 0 {
        eprintln!("{}", state.summary());
    }
    state.close()?;
    end
}

/// The rule, if it can judge an item without the others.
fn of_streams(name: &str) -> Result<&'static Rule, Error> {
    let rule = rule(name)?;
    if rule.is_for_streams() {
        return Ok(rule);
    }
    let able: Vec<&str> = RULES.iter().filter(|rule| rule.is_for_streams()).map(|rule| rule.name).collect();
    let hint = format!("rules that judge an item by itself: {}", able.join(", "));
    Err(Error::usage(format!("`{name}` looks at all candidates, and a stream has one at a time"), hint))
}

fn settings(args: &Stream) -> Result<Settings, Error> {
    if args.threshold.is_some() && args.manager != "fixed" {
        let problem = format!("`{}` finds its threshold by itself", args.manager);
        return Err(Error::usage(problem, "leave --threshold out, or take --manager fixed"));
    }
    if args.threshold.is_some_and(|threshold| !threshold.is_finite()) {
        return Err(Error::usage("--threshold is not finite", "give a utility as the column `utility` shows it"));
    }
    let Stream { budget, window, threshold, seed, .. } = *args;
    Ok(Settings { budget, window, threshold, seed, ..Settings::default() })
}

/// All that decides what becomes of an item.
fn begun(args: &Stream, model: &str) -> Result<Begun, Error> {
    let short = |print: String| print[..16].to_owned();
    let mut committee = Vec::new();
    for folder in &args.committee {
        committee.push(short(run::fingerprint(folder, None)?));
    }
    let some_or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let parameters = short(run::fingerprint(&args.run, args.model.as_deref())?);
    let named = [
        ("the model", format!("{model} {parameters}")),
        ("the committee", some_or_none(committee.join(","))),
        ("--rule", args.rule.clone()),
        ("--manager", args.manager.clone()),
        ("--budget", args.budget.to_string()),
        ("--window", args.window.to_string()),
        ("--threshold", some_or_none(args.threshold.map_or(String::new(), |threshold| threshold.to_string()))),
        ("--draws", args.draws.to_string()),
        ("--seed", args.seed.to_string()),
    ];
    Ok(named.map(|(name, value)| (name.to_owned(), value)).to_vec())
}

/// One row, and what training never saw of it; or why it cannot be read.
type Item = Result<(Array2<f32>, Option<String>), String>;

/// Where items come from.
enum Source<'a> {
    Lines { lines: Box<Lines>, asked: &'a Asked },
    Whole { args: &'a Stream, asked: &'a Asked, options: Box<Options> },
}

impl Source<'_> {
    fn open<'a>(args: &'a Stream, asked: &'a Asked, options: Options) -> Result<Source<'a>, Error> {
        Ok(if come_by_line(&args.input, &options) {
            Source::Lines { lines: Box::new(Lines::open(&args.input, &asked.data.schema, &options)?), asked }
        } else {
            Source::Whole { args, asked, options: Box::new(options) }
        })
    }

    /// Passes each item on, with what it calls itself, before the next is waited for.
    fn each(&mut self, take: &mut dyn FnMut(Option<String>, Item) -> Result<(), Failure>) -> Result<(), Failure> {
        match self {
            Source::Lines { lines, asked } => {
                while let Some(line) = lines.next_line()? {
                    let encoded = line.item.map(|item| (asked.data.encoding.encode(&item.inputs, &[0]), item.unseen));
                    take(line.id, encoded)?;
                }
                Ok(())
            }
            Source::Whole { args, asked, options } => {
                // A reader's sink can only fail with the reader's error, so what the output said waits here.
                let mut broken = None;
                let end = read::stream(&args.input, &asked.data.schema, options, &mut |chunk| {
                    for (row, (id, status)) in chunk.ids.into_iter().zip(chunk.status).enumerate() {
                        let encoded = || asked.data.encoding.encode(&chunk.inputs, &[row]);
                        let item = match status {
                            Status::Ok => Ok((encoded(), None)),
                            Status::Unseen(what) => Ok((encoded(), Some(what))),
                            Status::Unreadable(why) => Err(format!("item {id}: {why}")),
                        };
                        if let Err(failure) = take(Some(id), item) {
                            broken = Some(failure);
                            return Err(Error::usage("the output ended", ""));
                        }
                    }
                    Ok(())
                });
                broken.map_or_else(|| end.map_err(Failure::from), Err)
            }
        }
    }
}

/// What says how much an item is worth.
struct Judge<'a> {
    rule: &'static Rule,
    predictor: &'a dyn Predictor,
    asked: &'a Asked,
    draws: usize,
    seed: u64,
}

struct Judged {
    likeliest: String,
    probability: f32,
    utility: f32,
    reason: String,
}

impl Judge<'_> {
    /// An item's answer, but for whether to ask.
    fn answer(&self, id: Option<String>, number: &str, item: Item) -> Answer {
        let judged = item.and_then(|(row, unseen)| {
            let judged = self.judge(&row, id.as_deref().unwrap_or(number));
            judged.map(|judged| (judged, unseen)).map_err(|error| format!("the model has no answer: {error}"))
        });
        match judged {
            Ok((Judged { likeliest, probability, utility, reason }, unseen)) => Answer {
                id,
                ask: false,
                likeliest: Some(likeliest),
                probability: Some(probability),
                utility: Some(utility),
                reason: Some(reason),
                problem: unseen.map(|what| format!("unseen: {what}")),
            },
            Err(problem) => Answer {
                id,
                ask: false,
                likeliest: None,
                probability: None,
                utility: None,
                reason: None,
                problem: Some(problem),
            },
        }
    }

    /// Of one row `[1, d]`; the id breaks the ties of chance.
    fn judge(&self, row: &Array2<f32>, id: &str) -> Result<Judged, Error> {
        let row = row.view();
        let ask = Ask { budget: 1, seed: self.seed, apart: 0.0, ..Ask::default() };
        let said = Questions::of(self.rule, &ask, self.draws).ask(self.predictor, row);
        let keys = keys_of_ids(&Ids::Names(vec![id.to_owned()]));
        let classes = &self.asked.data.schema.classes;
        let query = self.rule.query(&said.pool(&keys, None, classes), &ask)?;
        let pick = query.picks.into_iter().next().expect("the only candidate is chosen");
        let probs = probs(&said.scores.log_probs);
        let class = predicted(probs.row(0));
        #[expect(clippy::cast_possible_truncation, reason = "a stream sees utilities in this precision and range")]
        let utility = pick.utility.clamp(-1e30, 1e30) as f32;
        Ok(Judged {
            likeliest: classes[class.index()].clone(),
            probability: probs[[0, class.index()]],
            utility,
            reason: pick.reason,
        })
    }
}

/// Answers on standard output: a line each, there before the next item is waited for.
struct Answers {
    written: StreamFormat,
    explain: bool,
}

impl Answers {
    /// With the header, where there is one.
    fn begin(args: &Stream) -> Result<Answers, Failure> {
        let answers = Answers { written: args.written, explain: args.explain };
        if matches!(args.written, StreamFormat::Csv) {
            let reason = args.explain.then_some("reason");
            let columns = ["id", "ask", "likeliest", "probability", "utility"].into_iter().chain(reason);
            record(columns.chain(["problem"]))?;
        }
        Ok(answers)
    }

    /// `number` is what an item is known by that has no id.
    fn write(&self, answer: &Answer, number: &str) -> Result<(), Failure> {
        let Answer { id, ask, likeliest, probability, utility, reason, problem } = answer;
        let id = id.as_deref().unwrap_or(number);
        match self.written {
            StreamFormat::Csv => {
                let probability = probability.map_or(String::new(), |probability| probability.to_string());
                let utility = utility.map_or(String::new(), |utility| utility.to_string());
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                let reason = self.explain.then(|| text(reason));
                let cells = [id.to_owned(), ask.to_string(), text(likeliest), probability, utility];
                record(cells.into_iter().chain(reason).chain([text(problem)]))
            }
            StreamFormat::Jsonl => {
                let mut line = serde_json::json!({
                    "id": id, "ask": ask, "likeliest": likeliest, "probability": probability, "utility": utility,
                });
                if self.explain {
                    line["reason"] = reason.clone().into();
                }
                line["problem"] = problem.clone().into();
                said(format!("{line}\n").as_bytes())
            }
        }
    }
}

/// Writes a line of a table.
fn record<T: AsRef<[u8]>>(cells: impl Iterator<Item = T>) -> Result<(), Failure> {
    let broken = |error: &dyn std::fmt::Display| Failure::Message(error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).map_err(|error| broken(&error))?;
    said(&writer.into_inner().map_err(|error| broken(&error))?)
}

/// Puts it on standard output at once.
fn said(text: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text)?;
    out.flush()?;
    Ok(())
}

fn held(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// With Ctrl-C the item at hand is answered, and no other is waited for.
fn end_on_interrupt(state: &Arc<Mutex<State>>) {
    let state = Arc::clone(state);
    let _ = ctrlc::set_handler(move || {
        let asked = Instant::now();
        // Whoever has left may not take the answer at hand; that it was given is on disk.
        while asked.elapsed() < Duration::from_secs(1) {
            if let Ok(mut state) = state.try_lock() {
                eprintln!("{}", state.summary());
                if state.close().is_err() {
                    eprintln!("note: {} is as the last answer left it", state.path().display());
                }
                std::process::exit(0);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        std::process::exit(130);
    });
}
