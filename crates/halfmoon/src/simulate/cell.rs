//! One contender on one seed: train, judge, ask, label, and again.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::Device;
use halfmoon_journal::{
    Action, Asked, Event, EventId, Item, ItemId, Journal, Key, Model, Moment, Project, Round, Said, Split,
};
use halfmoon_pool::dataset::Ids;
use halfmoon_pool::metric::predicted;
use halfmoon_pool::scores::{Predictor, probs};
use halfmoon_pool::{Class, Dataset, Error, Result, split};
use halfmoon_query::{Ask, Ensemble, Pick, Questions, keys_of_ids, rule};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, json};

use super::{Contender, Ground, Point, Points, Recipe, Simulation, Told, seed_of};
use crate::checkpoint::Checkpoint;
use crate::experiment::predictions;
use crate::fit::Task;
use crate::loss::Loss;
use crate::train::{Then, Watch};

/// Whose labels these are.
const ORACLE: &str = "oracle";

pub(super) struct Cell<'a> {
    pub(super) simulation: &'a Simulation,
    pub(super) ground: &'a Ground,
    pub(super) contender: &'a Contender,
    pub(super) seed: u64,
    pub(super) device: &'a Device,
    pub(super) out: &'a Path,
}

impl Cell<'_> {
    /// How many labels there were at each of its points.
    pub(super) fn known(&self, points: &Mutex<Points>) -> HashSet<usize> {
        let points = points.lock().expect("nobody panicked with it");
        let own = points.all.iter().filter(|point| point.seed == self.seed && point.contender == self.contender.name);
        own.map(|point| point.labels).collect()
    }

    fn file(&self, ending: &str) -> PathBuf {
        // A colon is no part of a file's name everywhere.
        let name = self.contender.name.replace(':', ".");
        self.out.join("cells").join(format!("{}-{name}.{ending}", self.seed))
    }

    /// Plays on from what the journal holds. Whether nothing is left to play.
    pub(super) fn play(&self, points: &Mutex<Points>, stop: &AtomicBool, tell: &dyn Fn(Told)) -> Result<bool> {
        let known = self.known(points);
        if known.len() > self.simulation.rounds {
            return Ok(true);
        }
        let mut journal = self.journal()?;
        let mut answers = self.answers(&journal)?;
        // The last round, unless a point before it is missing.
        let count = |answers: &[Answers]| answers.iter().map(Vec::len).sum::<usize>();
        let is_missing = |round: &usize| !known.contains(&count(&answers[..=*round]));
        let mut round = (0..answers.len()).find(is_missing).unwrap_or(answers.len() - 1);
        let mut asked_for = 0.0;
        let mut items = self.ground.train.clone();
        loop {
            let History { labels, new_classes } = self.history(&answers[..=round]);
            let count = labels.iter().flatten().count();
            let began = Instant::now();
            items.labels = labels;
            let Some(trained) = self.trained(&items, round, stop)? else { return Ok(false) };
            let trained_for = began.elapsed().as_secs_f64();
            let (accuracy, nll) = self.judge(trained.measured());
            if !known.contains(&count) {
                points.lock().expect("nobody panicked with it").add(Point {
                    seed: self.seed,
                    contender: self.contender.name.clone(),
                    labels: count,
                    accuracy,
                    nll,
                    new_classes,
                    seconds: (trained_for, asked_for),
                })?;
                tell(Told::Point { accuracy });
            }
            let Some(predictor) = trained.asks.filter(|_| round < self.simulation.rounds) else { return Ok(true) };
            if round + 1 < answers.len() {
                round += 1; // The next questions were answered before.
                continue;
            }
            let began = Instant::now();
            let (candidates, picks) = self.query(&*predictor, &items, round)?;
            asked_for = began.elapsed().as_secs_f64();
            if picks.is_empty() {
                tell(Told::Note(format!(
                    "{}, seed {}: no candidate is left after {count} labels",
                    self.contender.name, self.seed
                )));
                return Ok(true);
            }
            let model = format!("round-{round}");
            // A round that was interrupted may have written its model down.
            if journal.models()?.iter().all(|other| other.name != model) {
                journal.add_model(&Model {
                    name: model.clone(),
                    run: None,
                    learned: Some(journal.last_event()?),
                    at: Moment::now(),
                    about: Map::from_iter([
                        ("accuracy".into(), json!(accuracy)),
                        ("nll".into(), json!(nll)),
                        ("measured".into(), json!(self.ground.successor.as_ref().map(|recipe| recipe.entry.name))),
                    ]),
                })?;
            }
            let rows: Vec<usize> = picks.iter().map(|pick| candidates[pick.item]).collect();
            let said = self.said(&*predictor, &rows, &model);
            let why = picks.iter().map(|pick| Some(pick.reason.clone())).collect();
            self.answer(&mut journal, round + 1, self.contender.rule.name, &rows, said, why)?;
            answers = self.answers(&journal)?;
            round += 1;
        }
    }

    /// The journal, with the first labels in it.
    fn journal(&self) -> Result<Journal> {
        let path = self.file("db");
        if !path.is_file() {
            let about = Map::from_iter([("seed".into(), json!(self.seed))]);
            let project = Project { name: self.contender.name.clone(), data: None, at: Moment::now(), about };
            // Under another name until it is whole.
            let aside = self.file("db.partial");
            for leftover in ["", "-wal", "-shm"] {
                let mut name = aside.clone().into_os_string();
                name.push(leftover);
                drop(std::fs::remove_file(name));
            }
            let mut journal = Journal::create(&aside, &project, &self.ground.train.schema.classes, ORACLE)?;
            let rows = self.first_rows()?;
            let (nothing, no_reason) = (vec![Said::default(); rows.len()], vec![None; rows.len()]);
            let rule = self.simulation.start_rule.as_deref().unwrap_or("random");
            self.answer(&mut journal, 0, rule, &rows, nothing, no_reason)?;
            journal.close()?;
            std::fs::rename(&aside, &path).map_err(|source| Error::io(&path, source))?;
        }
        Journal::open(&path)
    }

    /// What is labelled before any question.
    fn first_rows(&self) -> Result<Vec<usize>> {
        let Simulation { start, start_classes, start_rule, .. } = self.simulation;
        let classes = &self.ground.train.schema.classes;
        let is_of_start = |class: &Class| start_classes.is_empty() || start_classes.contains(&classes[class.index()]);
        let open = |class: &Option<Class>| class.filter(is_of_start);
        let mut labels: Vec<Option<Class>> = self.ground.truth.iter().map(open).collect();
        let Some(name) = start_rule else {
            split::keep_labels(&mut labels, classes, *start, self.seed)?;
            return Ok((0..labels.len()).filter(|&row| labels[row].is_some()).collect());
        };
        let rule = rule(name)?;
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels[row].is_some()).collect();
        let inputs = self.ground.encoding.encode(&self.ground.train.inputs, &rows);
        let (said, keys) = (halfmoon_query::Said::nothing(inputs, classes.len()), self.keys(&rows));
        let ask = Ask { budget: *start, ..self.simulation.ask(self.seed, 0) };
        Ok(rule.query(&said.pool(&keys, None, classes), &ask)?.picks.iter().map(|pick| rows[pick.item]).collect())
    }

    fn keys(&self, rows: &[usize]) -> Vec<u64> {
        keys_of_ids(&Ids::Names(rows.iter().map(|&row| self.ground.ids[row].clone()).collect()))
    }

    /// What was answered in each round that is whole, the initial labels first.
    fn answers(&self, journal: &Journal) -> Result<Vec<Answers>> {
        let id_of: HashMap<ItemId, String> = journal.items()?.into_iter().map(|(id, item)| (id, item.id)).collect();
        let mut by_round = vec![Answers::new(); journal.rounds()?.len()];
        let path = journal.path();
        let foreign = || {
            let hint = "restore the data, or play it anew in another folder";
            Error::data(path, "holds items that the data do not", hint)
        };
        journal.each_event(EventId(0), &mut |_, event| {
            // The first round of a journal is 1.
            let round = event.asked.round.map_or(usize::MAX, |round| round as usize - 1);
            if let (Action::Label(item, class), Some(answers)) = (&event.action, by_round.get_mut(round)) {
                let id = id_of.get(item).ok_or_else(foreign)?;
                answers.push((*self.ground.row_of.get(id).ok_or_else(foreign)?, *class));
            }
            Ok(())
        })?;
        Ok(by_round)
    }

    /// What is known after the last of these rounds.
    fn history(&self, answers: &[Answers]) -> History {
        let mut labels = vec![None; self.ground.ids.len()];
        let mut new_classes = None;
        for (round, answers) in answers.iter().enumerate() {
            let seen: HashSet<Class> = labels.iter().flatten().copied().collect();
            let new = answers.iter().filter(|(_, class)| !seen.contains(class)).count();
            new_classes = (round > 0).then(|| new as f64 / answers.len().max(1) as f64);
            for &(row, class) in answers {
                labels[row] = Some(class);
            }
        }
        History { labels, new_classes }
    }

    /// The models of a round. `None`: it was stopped.
    fn trained(&self, items: &Dataset, round: usize, stop: &AtomicBool) -> Result<Option<Trained>> {
        let own = &self.contender.asks;
        let mut trained = Trained { asks: None, succeeds: None };
        if let Some(recipe) = self.ground.successor.as_ref().filter(|recipe| !recipe.is(own)) {
            trained.succeeds = self.train(recipe, "successor.", items, round, stop)?;
            if trained.succeeds.is_none() || round >= self.simulation.rounds {
                return Ok(trained.succeeds.is_some().then_some(trained));
            }
        }
        trained.asks = self.train(own, "", items, round, stop)?;
        Ok(trained.asks.is_some().then_some(trained))
    }

    /// A model, or a committee of them; `role` begins the names of its files. `None`: it was stopped.
    fn train(
        &self,
        Recipe { entry, settings }: &Recipe,
        role: &str,
        items: &Dataset,
        round: usize,
        stop: &AtomicBool,
    ) -> Result<Option<Box<dyn Predictor>>> {
        let Cell { simulation, ground, seed, device, .. } = *self;
        let mut members = Vec::new();
        for member in 0..simulation.committee {
            let file = |round: usize| self.file(&format!("{role}{member}.{round}.safetensors"));
            let before = if simulation.warm && round > 0 { Some(model_before(&file(round - 1))?) } else { None };
            let seed = seed_of(seed, round, member);
            let task = Task { dataset: items, encoding: &ground.encoding, seed, device };
            let ended = (entry.fit)(settings, &task, before.map(Checkpoint::as_a_start), &mut Stop(stop))
                .map_err(|error| self.with_place(error))?;
            if ended.stopped {
                return Ok(None);
            }
            if simulation.warm {
                ended.checkpoint.write(&file(round))?;
                // The one before is what an interrupted round begins with.
                if round > 1 {
                    drop(std::fs::remove_file(file(round - 2)));
                }
            }
            let kept = ended.checkpoint.at_its_best();
            let classes = items.schema.classes.len();
            members.push((entry.load)(settings, &ground.encoding.layout(), classes, &kept, device)?);
        }
        if members.len() > 1 {
            return Ok(Some(Box::new(Ensemble::new(members)?)));
        }
        Ok(members.pop())
    }

    fn with_place(&self, error: Error) -> Error {
        match error {
            Error::Usage { problem, hint } => {
                Error::Usage { problem: format!("{}, seed {}: {problem}", self.contender.name, self.seed), hint }
            }
            other => other,
        }
    }

    /// Accuracy, and mean −log p(y | x).
    fn judge(&self, predictor: &dyn Predictor) -> (f64, f64) {
        let found = predictions(predictor, &self.ground.encoding, &self.ground.test);
        let n = found.classes.len().max(1) as f64;
        let rows = || found.probs.rows().into_iter().zip(&found.classes);
        let right = rows().filter(|(probs, class)| predicted(*probs) == **class).count();
        let nll =
            rows().map(|(probs, class)| -f64::from(probs[class.index()]).max(f64::MIN_POSITIVE).ln()).sum::<f64>();
        (right as f64 / n, nll / n)
    }

    /// The candidates of a round, as rows, and which of them are asked about.
    fn query(&self, predictor: &dyn Predictor, items: &Dataset, round: usize) -> Result<(Vec<usize>, Vec<Pick>)> {
        let Cell { simulation, ground, contender, seed, .. } = *self;
        let rule = contender.rule;
        let is_candidate = |&row: &usize| items.labels[row].is_none() && ground.truth[row].is_some();
        let mut candidates: Vec<usize> = (0..items.len()).filter(is_candidate).collect();
        if simulation.candidates > 0 && simulation.candidates < candidates.len() {
            let mut rng = ChaCha8Rng::seed_from_u64(seed_of(seed, round, 255));
            let (drawn, _) = candidates.partial_shuffle(&mut rng, simulation.candidates);
            candidates = drawn.to_vec();
            candidates.sort_unstable();
        }
        if candidates.is_empty() {
            return Ok((candidates, Vec::new()));
        }
        let ask = simulation.ask(seed, round);
        let questions = Questions::of(rule, &ask, simulation.draws);
        let asks = |rows: &[usize]| questions.ask(predictor, ground.encoding.encode(&ground.train.inputs, rows).view());
        let (said, labelled, keys) = (asks(&candidates), asks(&items.labelled()), self.keys(&candidates));
        let pool = said.pool(&keys, Some(&labelled), &items.schema.classes);
        Ok((candidates, rule.query(&pool, &ask)?.picks))
    }

    /// What the model says of the items that are asked about.
    fn said(&self, predictor: &dyn Predictor, rows: &[usize], model: &str) -> Vec<Said> {
        let inputs = self.ground.encoding.encode(&self.ground.train.inputs, rows);
        let of = |row: ndarray::ArrayView1<f32>| {
            let class = predicted(row);
            Said { model: Some(model.to_owned()), class: Some(class), confidence: Some(f64::from(row[class.index()])) }
        };
        probs(&predictor.log_probs(inputs.view())).rows().into_iter().map(of).collect()
    }

    /// The oracle's answers about these rows, as a round of the journal.
    fn answer(
        &self,
        journal: &mut Journal,
        round: usize,
        rule: &str,
        rows: &[usize],
        said: Vec<Said>,
        why: Vec<Option<String>>,
    ) -> Result<()> {
        let ground = self.ground;
        let at = Moment::now();
        let id = |row: usize| ground.ids[row].clone();
        let item = |&row: &usize| Item { id: id(row), path: None, content: ground.contents[row], split: Split::Train };
        journal.add_items(&rows.iter().map(item).collect::<Vec<_>>())?;
        let number = u32::try_from(round + 1).expect("fewer rounds than that");
        let mut events = Vec::new();
        for ((&row, said), why) in rows.iter().zip(said).zip(why) {
            let item = journal.find(&ground.ids[row])?.expect("it was added just now");
            let class = ground.truth[row].expect("candidates are items whose class the oracle knows");
            let key = Key::of(&[ORACLE, &number.to_string(), &ground.ids[row]]);
            let asked = Asked { rule: Some(rule.to_owned()), why, round: Some(number) };
            events.push(Event { key, said, asked, ..Event::new(ORACLE, at, Action::Label(item, class)) });
        }
        let model = (round > 0).then(|| format!("round-{}", round - 1));
        let size = u32::try_from(rows.len()).expect("fewer items than that");
        let seed = Some(seed_of(self.seed, round, 0));
        let round = Round { round: number, model, rule: rule.to_owned(), size, seed, at, about: Map::new() };
        journal.answer_round(&events, &round)?;
        Ok(())
    }
}

/// The model of the round before.
fn model_before(file: &Path) -> Result<Checkpoint> {
    if !file.is_file() {
        let hint = "play it anew in another folder: with --warm a round cannot be played again by itself";
        return Err(Error::data(file, "is gone, and the next round's training goes on from it", hint));
    }
    Checkpoint::read(file)
}

/// The models of a round.
struct Trained {
    /// `None` after the last question, where another one is measured.
    asks: Option<Box<dyn Predictor>>,
    /// What is measured, where that is another one.
    succeeds: Option<Box<dyn Predictor>>,
}

impl Trained {
    fn measured(&self) -> &dyn Predictor {
        self.succeeds.as_deref().or(self.asks.as_deref()).expect("one of the two is trained in every round")
    }
}

/// Rows and their classes.
type Answers = Vec<(usize, Class)>;

/// What is known after a round.
struct History {
    /// Of the items to learn from.
    labels: Vec<Option<Class>>,
    new_classes: Option<f64>,
}

/// Stops when it is asked to.
struct Stop<'a>(&'a AtomicBool);

impl Watch for Stop<'_> {
    fn step(&mut self, _: u64, _: &Loss) -> Result<Then> {
        Ok(if self.0.load(Ordering::Relaxed) { Then::Stop } else { Then::Continue })
    }

    fn checkpoint(&mut self, _: &Checkpoint) -> Result<()> {
        Ok(())
    }
}
