//! The one who trains: a thread that owns the model and computes whatever is computed with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use halfmoon_journal::{EventId, Model, Moment, Round};
use halfmoon_pool::dataset::Ids;
use halfmoon_pool::labels::grouped;
use halfmoon_pool::scores::{Predictions, Predictor, probs};
use halfmoon_pool::trust::evenly;
use halfmoon_pool::{Class, Dataset, Error, Result};
use halfmoon_query::{Ask, Pool, Query, Questions, Rule, keys_of_ids, rule};
use ndarray::{Array2, Axis, concatenate};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, json};

use super::clerk::{Clerk, words, words_of_panic};
use super::desk::{Answers, Data, Desk, HANDFUL, Shared};
use super::figures::{self, Judged};
use super::items::Place;
use super::queue::Pick;
use super::{Lesson, Trainer, examples, scoring};

/// Items that a rule chooses in a round: more than are labelled until the next one, also by several people.
const BUDGET: usize = 64;

/// Draws of a model whose network leaves something to chance.
const DRAWS: usize = 20;

/// How often the page hears of steps.
const TELL: Duration = Duration::from_millis(200);

pub(super) fn start(shared: &Arc<Shared>, clerk: &Clerk, trainer: Box<dyn Trainer>) -> JoinHandle<()> {
    let mut room =
        Room { shared: shared.clone(), clerk: clerk.clone(), trainer, taught: None, tried: None, has_begun: false };
    std::thread::spawn(move || room.work())
}

struct Room {
    shared: Arc<Shared>,
    clerk: Clerk,
    trainer: Box<dyn Trainer>,
    taught: Option<Taught>,
    /// Model and labels of the last training that failed or was stopped: the same once more would fail as well.
    tried: Option<(String, usize)>,
    /// The first questions are chosen.
    has_begun: bool,
}

/// A trained model, and what it was trained with.
struct Taught {
    predictor: Box<dyn Predictor>,
    /// As the user chose it.
    model: String,
    /// Its name in the journal, and its round.
    name: String,
    round: u32,
    /// [`Desk::given`] of that time.
    given: usize,
    /// The rule that chose the questions.
    rule: &'static str,
}

enum Task {
    /// Choose the first questions, without a model.
    Begin(Arc<Data>),
    Train(Arc<Data>),
    /// Choose questions by another rule.
    Query(Arc<Data>),
}

/// What people have said by the time that a training begins.
struct Said {
    classes: Vec<String>,
    /// Row and class of each item to learn from.
    learn: Vec<(usize, Class)>,
    last_event: EventId,
    given: usize,
    model: String,
    round: u32,
}

impl Room {
    fn work(&mut self) {
        while let Some(task) = self.next_task() {
            let done = catch_unwind(AssertUnwindSafe(|| self.run(&task)));
            let problem = match done {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(words(&error)),
                Err(panic) => Some(words_of_panic(&*panic)),
            };
            self.shared.change(|desk| {
                desk.model.is_training = false;
                if let Some(problem) = problem {
                    desk.model.message = problem;
                }
            });
        }
    }

    /// `None`: all is over.
    fn next_task(&mut self) -> Option<Task> {
        let shared = self.shared.clone();
        let mut desk = shared.desk();
        loop {
            if shared.is_over() {
                return None;
            }
            if let Some(task) = self.task(&desk) {
                return Some(task);
            }
            desk = shared.wait(desk);
        }
    }

    fn task(&self, desk: &Desk) -> Option<Task> {
        let data = desk.data.clone()?;
        let settings = &self.shared.settings;
        let every = settings.every.max(1);
        let is_due = match &self.taught {
            None => true,
            Some(taught) => taught.model != desk.model_name || desk.given >= taught.given + every,
        };
        let has_failed =
            self.tried.as_ref().is_some_and(|(model, given)| *model == desk.model_name && desk.given < given + every);
        // Labels that came with the data are all there by then.
        let is_read = desk.scan.state == "done";
        if is_read && is_due && !has_failed && desk.labelled >= settings.first && desk.classes_to_learn() >= 2 {
            return Some(Task::Train(data));
        }
        match &self.taught {
            Some(taught) if taught.rule != desk.rule.name => Some(Task::Query(data)),
            // Who wants chance gets it from the first question on.
            None if !self.has_begun && desk.labelled < settings.first && desk.rule.name != "random" => {
                Some(Task::Begin(data))
            }
            _ => None,
        }
    }

    fn run(&mut self, task: &Task) -> Result<()> {
        match task {
            Task::Begin(data) => {
                self.has_begun = true;
                self.begin(data)
            }
            Task::Train(data) => {
                let said = self.said(data);
                self.tried = Some((said.model.clone(), said.given));
                self.train(data, &said)
            }
            Task::Query(data) => {
                let mut taught = self.taught.take().expect("a rule is changed for a model");
                taught.rule = self.shared.desk().rule.name;
                let asked = self.query(data, &taught);
                self.taught = Some(taught);
                let (queue, scored) = asked?;
                self.put_queue(queue, scored);
                Ok(())
            }
        }
    }

    /// What people say by now. The lesson's labels are put in place as well.
    fn said(&self, data: &Data) -> Said {
        let said = self.shared.change(|desk| {
            let learn = desk.verdicts().filter(|(_, known, _)| !known.lot.is_judging);
            let mut learn: Vec<(usize, Class)> =
                learn.filter_map(|(_, known, class)| Some((known.row? as usize, class))).collect();
            learn.sort_unstable();
            let (mut classes, last_event, given) = (desk.classes.clone(), desk.last_event, desk.given);
            // Classes at the end, such as one that was made just now, would draw items to them before anybody gave them.
            classes.truncate(learn.iter().map(|(_, class)| class.index() + 1).max().unwrap_or(0));
            let (model, round) = (desk.model_name.clone(), desk.last_round + 1);
            desk.model.is_training = true;
            (desk.model.step, desk.model.steps) = (0, 0);
            desk.model.message.clear();
            Said { classes, learn, last_event, given, model, round }
        });
        let mut dataset = data.dataset.write().unwrap_or_else(PoisonError::into_inner);
        dataset.schema.classes.clone_from(&said.classes);
        dataset.labels.fill(None);
        for &(row, class) in &said.learn {
            dataset.labels[row] = Some(class);
        }
        said
    }

    fn train(&mut self, data: &Arc<Data>, said: &Said) -> Result<()> {
        let shared = self.shared.clone();
        let trained = {
            let items = data.read();
            let lesson = Lesson { items: &items, encoding: &data.encoding, model: &said.model, round: said.round };
            let mut told = Instant::now();
            let mut watch = |step: u64, steps: u64| {
                if told.elapsed() >= TELL {
                    told = Instant::now();
                    shared.change(|desk| (desk.model.step, desk.model.steps) = (step, steps));
                }
                // Nobody waits for a model that nobody wants any more.
                !shared.is_over() && (!step.is_multiple_of(16) || shared.desk().model_name == said.model)
            };
            self.trainer.train(&lesson, &mut watch)?
        };
        let Some(predictor) = trained else {
            if shared.desk().model_name != said.model {
                self.tried = None;
            }
            return Ok(());
        };
        if shared.is_over() {
            return Ok(());
        }
        let began = Instant::now();
        let judged = self.judged(data, &*predictor);
        let rule = shared.desk().rule.name;
        let (model, given) = (said.model.clone(), said.given);
        let mut taught = Taught { predictor, model, name: String::new(), round: said.round, given, rule };
        let (queue, scored) = self.query(data, &taught)?;
        self.record(&mut taught, said, &judged, &queue, began)?;
        shared.change(|desk| {
            desk.model = super::desk::Model {
                is_ready: true,
                is_training: false,
                round: Some(taught.round),
                labels: said.learn.len(),
                step: desk.model.steps,
                steps: desk.model.steps,
                message: String::new(),
            };
            desk.last_round = desk.last_round.max(taught.round);
        });
        let queue = Queue { round: Some(taught.round), ..queue };
        let scored = Scored { name: taught.name.clone(), ..scored };
        let answers = self.put_queue(queue, scored);
        // The queue is there: what only is looked at may take its time.
        let figures = figures::of(&shared, data, (&taught.model, &*taught.predictor), &answers, &judged);
        let mut made = examples::of_classes(data, &*taught.predictor, &said.classes, taught.round);
        let before = shared.desk().examples.clone();
        made.doubtful.clone_from(&before.doubtful);
        shared.change(|desk| {
            desk.figures = Arc::new(figures);
            desk.examples = Arc::new(made.clone());
        });
        shared.figures.send_modify(|count| *count += 1);
        let doubtful = examples::doubtful(data, &*taught.predictor, said.classes.len(), (taught.round, &taught.name));
        match doubtful {
            Ok(doubtful) => (made.doubtful, made.none_because) = (doubtful, None),
            Err(reason) => (made.doubtful, made.none_because) = (Vec::new(), Some(reason)),
        }
        shared.change(|desk| desk.examples = Arc::new(made));
        self.taught = Some(taught);
        self.tried = None;
        Ok(())
    }

    /// What the model says of the items to judge by that have a label.
    fn judged(&self, data: &Data, predictor: &dyn Predictor) -> Judged {
        let mut found: Vec<(usize, Class)> = {
            let desk = self.shared.desk();
            let judging = desk.verdicts().filter(|(_, known, _)| known.lot.is_judging);
            judging.filter_map(|(_, known, class)| Some((known.row? as usize, class))).collect()
        };
        found.sort_unstable();
        let rows: Vec<usize> = found.iter().map(|(row, _)| *row).collect();
        let truths: Vec<Class> = found.iter().map(|(_, class)| *class).collect();
        let questions = Questions { needs: &[], near: false, draws: 0, seed: 0 };
        let dataset = data.read();
        let said = scoring::ask(predictor, &questions, (&dataset, &data.encoding), &rows);
        let least = truths.iter().map(|class| class.index() + 1).max().unwrap_or(0);
        Judged {
            rows,
            predictions: Predictions { probs: widened(probs(&said.scores.log_probs), least), classes: truths },
        }
    }

    /// Writes down that there is a model and a round, under the next number that no other process took.
    fn record(&self, taught: &mut Taught, said: &Said, judged: &Judged, queue: &Queue, began: Instant) -> Result<()> {
        let settings = &self.shared.settings;
        let mut about = judged.about();
        about.insert("model".into(), json!(said.model));
        about.insert("labels".into(), json!(said.learn.len()));
        let about_round = Map::from_iter([("seconds".to_owned(), json!(began.elapsed().as_secs_f64()))]);
        // The rule that chose: another one than was asked for, where the model lacks what that needs.
        let (model, rule, seed) = (said.model.clone(), queue.rule.to_owned(), settings.seed);
        let size = queue.picks.len();
        let (first, learned) = (said.round, said.last_event);
        let (round, name) = self.clerk.wait_for(move |journal| {
            let at = Moment::now();
            let round = journal.rounds()?.last().map_or(1, |last| last.round + 1).max(first);
            let name = format!("{model}-{round}");
            let (learned, name_of_model) = (Some(learned), name.clone());
            journal.add_model(&Model { name: name_of_model, run: None, learned, at, about: about.clone() })?;
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            let (model, seed) = (Some(name.clone()), Some(seed));
            journal.add_round(&Round { round, model, rule, size, seed, at, about: about_round })?;
            Ok((round, name))
        })?;
        (taught.round, taught.name) = (round, name);
        Ok(())
    }

    /// The first questions: the middles of clusters of what is there.
    fn begin(&self, data: &Data) -> Result<()> {
        let rule = rule("cold_start")?;
        let width = data.encoding.layout().width();
        let (rows, keys) = self.candidates(data, scoring::most_rows(width), 0);
        if rows.is_empty() || width == 0 {
            return Ok(());
        }
        let inputs = data.encoding.encode(&data.read().inputs, &rows);
        let said = halfmoon_query::Said::nothing(inputs, 1);
        let budget = (2 * self.shared.settings.first).clamp(1, BUDGET);
        let query = rule
            .query(&said.pool(&keys, None, &[]), &Ask { budget, seed: self.shared.settings.seed, ..Ask::default() })?;
        let picks = picks(data, &rows, &query);
        self.shared.change(|desk| {
            (desk.queue.picks, desk.queue.rule, desk.queue.round) = (picks, rule.name, None);
        });
        self.shared.queue.send_replace(0);
        Ok(())
    }

    /// Rows that nobody has labelled and that are not to judge by, in ascending order.
    fn open_rows(&self, data: &Data) -> Vec<usize> {
        let mut rows = Vec::new();
        // A handful at a time, so that nobody waits until a million were looked at.
        for (places, first) in data.places.chunks(HANDFUL).zip((0..).step_by(HANDFUL)) {
            let desk = self.shared.desk();
            let is_open = |place: Place| {
                let known = desk.items.get(place);
                let has_class = || desk.standing.get(&place).is_some_and(|standing| standing.class.is_some());
                known.is_asked() && !known.lot.is_judging && !has_class()
            };
            rows.extend((first..).zip(places).filter(|(_, place)| is_open(**place)).map(|(row, _)| row));
        }
        rows
    }

    /// Rows that may be asked about, in ascending order, and what they are known by.
    fn candidates(&self, data: &Data, most: usize, round: u32) -> (Vec<usize>, Vec<u64>) {
        let settings = &self.shared.settings;
        let mut rows = self.open_rows(data);
        let most = most.min(if settings.candidates == 0 { usize::MAX } else { settings.candidates });
        if rows.len() > most {
            let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
            rng.set_stream(u64::from(round));
            let (drawn, _) = rows.partial_shuffle(&mut rng, most);
            rows = drawn.to_vec();
            rows.sort_unstable();
        }
        let desk = self.shared.desk();
        let names = rows.iter().map(|row: &usize| desk.items.get(data.places[*row]).id.to_string()).collect();
        drop(desk);
        (rows, keys_of_ids(&Ids::Names(names)))
    }

    /// What the rule chooses by this model, and what the model says of all that it was asked about.
    fn query(&self, data: &Data, taught: &Taught) -> Result<(Queue, Scored)> {
        let settings = &self.shared.settings;
        let (by, class_names) = (rule(taught.rule)?, self.shared.desk().classes.clone());
        let predictor = &*taught.predictor;
        let dataset = data.read();
        let source: (&Dataset, _) = (&dataset, &data.encoding);
        let seed = settings.seed.wrapping_add(u64::from(taught.round));
        let ask = Ask { budget: BUDGET, seed, ..Ask::default() };
        let questions = Questions::of(by, &ask, DRAWS);
        let keeps = questions.keeps_inputs();
        let most = if keeps { scoring::most_rows(data.encoding.layout().width()) } else { usize::MAX };
        let (rows, keys) = self.candidates(data, most, taught.round);
        let labelled = evenly(&dataset.labelled(), settings.candidates.max(1));
        let of_labelled = scoring::ask(predictor, &questions, source, &labelled);
        let said = scoring::ask(predictor, &questions, source, &rows);
        let (query, used, note) = choose(by, &said.pool(&keys, Some(&of_labelled), &class_names), &ask)?;
        let queue = Queue { picks: picks(data, &rows, &query), rule: used, round: Some(taught.round), note };
        let both = [&said, &of_labelled].map(|said| probs(&said.scores.log_probs));
        let probs = concatenate(Axis(0), &both.each_ref().map(|part| part.view())).expect("of one model");
        let rows = rows.into_iter().chain(labelled).collect();
        Ok((queue, Scored { name: taught.name.clone(), rows, probs, data_places: data.places.clone() }))
    }

    fn put_queue(&self, queue: Queue, scored: Scored) -> Arc<Answers> {
        let rows = scored.rows.iter().enumerate().map(|(at, row)| (scored.data_places[*row], at)).collect();
        let answers = Arc::new(Answers { model: scored.name, probs: scored.probs, rows });
        let round = queue.round.unwrap_or(0);
        self.shared.change(|desk| {
            (desk.queue.picks, desk.queue.rule, desk.queue.round) = (queue.picks, queue.rule, queue.round);
            desk.answers = Some(answers.clone());
            desk.model.message = queue.note;
        });
        self.shared.queue.send_replace(round);
        answers
    }
}

/// What is to be asked, and what a reader should know of it.
struct Queue {
    picks: Vec<Pick>,
    rule: &'static str,
    round: Option<u32>,
    note: String,
}

/// Probabilities of rows.
struct Scored {
    name: String,
    rows: Vec<usize>,
    probs: Array2<f32>,
    data_places: Vec<Place>,
}

/// By the rule; at random where the model lacks what the rule needs, with a sentence that says so.
fn choose(by: &'static Rule, pool: &Pool, ask: &Ask) -> Result<(Query, &'static str, String)> {
    match by.query(pool, ask) {
        Ok(query) => {
            let near = match query.too_near {
                0 => String::new(),
                n => format!("{} items are as good as copies of chosen ones and were passed over", grouped(n)),
            };
            Ok((query, by.name, near))
        }
        Err(error @ Error::Usage { .. }) => {
            let random = rule("random")?;
            Ok((random.query(pool, ask)?, random.name, format!("asked at random: {}", words(&error))))
        }
        Err(error) => Err(error),
    }
}

fn picks(data: &Data, rows: &[usize], query: &Query) -> Vec<Pick> {
    let pick = |pick: &halfmoon_query::Pick| Pick { place: data.places[rows[pick.item]], reason: pick.reason.clone() };
    query.picks.iter().map(pick).collect()
}

/// With columns of 0 for classes that came after the training.
fn widened(probs: Array2<f32>, classes: usize) -> Array2<f32> {
    if probs.ncols() >= classes {
        return probs;
    }
    let more = Array2::zeros((probs.nrows(), classes - probs.ncols()));
    concatenate(Axis(1), &[probs.view(), more.view()]).expect("as many rows")
}
