//! Ask or skip, line by line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use halfmoon_query::stream::MANAGERS;
use serde_json::Value;

use crate::support::{Place, interrupt, kill, pets, wobble};

/// A run on 40 pets.
fn trained() -> Place {
    let place = Place::with("pets.csv", pets(40));
    place.train("pets.csv --label species --model supervised");
    place
}

/// A pet that is between cat and dog, more or less.
fn pet(i: usize) -> String {
    let food = ["fish", "meat", "cake"][i % 3];
    let size = 25.0 + 35.0 * wobble(i, 3) + 0.001 * (i % 97) as f64;
    format!("{size:.4},{},{food}", if wobble(i, 5) > 0.5 { "yes" } else { "no" })
}

const HEADER: &str = "id,size,barks,food\n";

fn line(i: usize) -> String {
    // Now and then one that cannot be read.
    if i % 41 == 7 { format!("p{i},1\n") } else { format!("p{i},{}\n", pet(i)) }
}

fn table(items: std::ops::Range<usize>) -> String {
    std::iter::once(HEADER.to_owned()).chain(items.map(line)).collect()
}

/// Whether the item of each line was asked about.
fn asked(csv: &str) -> Vec<bool> {
    csv.lines().skip(1).map(|line| line.split(',').nth(1).unwrap() == "true").collect()
}

/// A stream, and whoever writes to it and waits for its answers.
struct Dialogue {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<String>,
}

impl Dialogue {
    fn begin(place: &Place, args: &str) -> Dialogue {
        let mut child = place.command(args.split_whitespace()).stdin(Stdio::piped()).spawn().unwrap();
        let (send, from) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Dialogue { to: child.stdin.take(), child, from }
    }

    fn say(&mut self, text: &str) {
        self.to.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[track_caller]
    fn hear(&self) -> String {
        self.from.recv_timeout(Duration::from_mins(1)).expect("an answer before the next line is written")
    }

    /// `kill -9`; what had been answered and not been heard.
    fn kill(self) -> Vec<String> {
        kill(self.child);
        self.from.iter().collect()
    }

    /// The end of the input; what was said on standard error.
    fn end(mut self) -> String {
        self.to = None;
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn over_ten_thousand_items_the_budget_is_spent() {
    let place = trained();
    let items: String = (0..10_000).map(pet).collect::<Vec<_>>().join("\n") + "\n";
    place.write("items.csv", format!("size,barks,food\n{items}"));
    for manager in MANAGERS.iter().filter(|manager| manager.most > 0.05).map(|manager| manager.name) {
        let args = format!("stream run items.csv --budget 0.05 --manager {manager} --state {manager}.jsonl");
        let said =
            place.run(&args).exits(0).tells(&["10,000 items seen, ", " asked: a share of 0.0", "; 0 unreadable"]);
        assert!(said.out.starts_with("id,ask,likeliest,probability,utility,problem\n1,"), "{}", &said.out[..200]);
        let asked = asked(&said.out);
        assert_eq!(asked.len(), 10_000);
        let spent = asked.iter().filter(|asks| **asks).count() as f64 / 10_000.0;
        assert!((spent - 0.05).abs() <= 0.01, "{manager}: {spent}");
    }
}

#[test]
fn each_line_is_answered_before_the_next_is_written() {
    let place = trained();
    let mut stream = Dialogue::begin(&place, "stream run --budget 0.3 --explain");
    assert_eq!(stream.hear(), "id,ask,likeliest,probability,utility,reason,problem");
    stream.say(HEADER);
    for i in 0..100 {
        stream.say(&line(i));
        let answer = stream.hear();
        assert!(answer.starts_with(&format!("p{i},")), "{answer}");
    }
    assert!(stream.end().contains("97 items seen, "));

    let mut stream = Dialogue::begin(&place, "stream run - --budget 0.3 --as jsonl --state other.jsonl");
    for i in 0..100 {
        stream.say(&format!("{{\"id\": {i}, \"size\": {i}, \"barks\": null, \"food\": \"fish\"}}\n"));
        let answer: Value = serde_json::from_str(&stream.hear()).unwrap();
        assert_eq!(answer["id"], i.to_string());
        assert!(answer["ask"].is_boolean() && answer["utility"].is_number() && answer["problem"].is_null());
        assert!(answer["likeliest"] == "cat" || answer["likeliest"] == "dog");
        assert!(answer.get("reason").is_none());
    }
    stream.end();
}

#[test]
fn a_stream_that_was_killed_goes_on_as_if_it_had_not_been() {
    let place = trained();
    place.write("items.csv", table(0..600));
    for (round, rules) in ["", " --rule random --manager random_variable"].into_iter().enumerate() {
        let args = |input: &str, state: &str| {
            format!("stream run {input} --budget 0.2 --window 40 --explain --state {state}{round}.jsonl{rules}")
        };
        let whole = place.run(&args("items.csv", "whole")).exits(0).out;
        let whole: Vec<&str> = whole.lines().skip(1).collect();
        let mut heard: Vec<String> = Vec::new();
        for attempt in 0.. {
            let mut stream = Dialogue::begin(&place, &args("-", "killed"));
            stream.hear();
            stream.say(HEADER);
            let after = heard.len() + 1 + attempt * 13 % 29;
            while heard.len() < after.min(600) {
                stream.say(&line(heard.len()));
                heard.push(stream.hear());
            }
            if heard.len() == 600 {
                stream.end();
                break;
            }
            // Some lines whose answers nobody waits for, and at some moment the end.
            for i in heard.len()..(heard.len() + attempt * 7 % 40 + 1).min(600) {
                stream.say(&line(i));
            }
            std::thread::sleep(Duration::from_micros((attempt as u64 * 811) % 9_000));
            heard.extend(stream.kill());
        }
        // Lines are counted from the start of each sitting.
        let without_place = |answer: &str| answer.split(",line ").next().unwrap().to_owned();
        assert_eq!(heard.len(), 600);
        for (heard, whole) in heard.iter().zip(&whole) {
            assert_eq!(without_place(heard), without_place(whole));
        }
        let state = |name: &str| place.read(&format!("{name}{round}.jsonl"));
        assert_eq!(state("killed"), state("whole"));
    }
}

#[test]
fn items_without_ids_are_numbered_through_two_sittings() {
    let place = trained();
    let rows = |items: std::ops::Range<usize>| {
        std::iter::once("size,barks,food\n".to_owned()).chain(items.map(|i| pet(i) + "\n")).collect::<String>()
    };
    place.write("whole.csv", rows(0..300));
    place.write("one.csv", rows(0..117));
    place.write("two.csv", rows(117..300));
    let line = |input: &str, state: &str| format!("stream run {input} --budget 0.1 --rule random --state {state}");
    let whole = place.run(&line("whole.csv", "w.jsonl")).exits(0).out;
    let one = place.run(&line("one.csv", "s.jsonl")).exits(0).tells_not("goes on").out;
    let two = place.run(&line("two.csv", "s.jsonl")).exits(0).tells(&["goes on: 117 items seen", "300 items seen"]).out;
    assert_eq!(format!("{one}{}", two.split_once('\n').unwrap().1), whole);
}

#[test]
fn an_item_that_is_sent_again_is_answered_again_and_counted_once() {
    let place = trained();
    let mut stream = Dialogue::begin(&place, "stream run --budget 0.5");
    stream.hear();
    stream.say(HEADER);
    for i in 0..20 {
        stream.say(&line(i));
        let answer = stream.hear();
        stream.say(&line(i));
        assert_eq!(stream.hear(), answer);
    }
    let said = stream.end();
    assert!(said.contains("19 items seen, ") && said.contains("; 1 unreadable"), "{said}");
    let mut stream = Dialogue::begin(&place, "stream run --budget 0.5");
    stream.hear();
    stream.say(&format!("{HEADER}{}", line(19)));
    stream.hear();
    assert!(stream.end().contains("19 items seen, "));
}

#[test]
fn a_stream_goes_on_with_its_settings_and_no_others() {
    let place = trained();
    place.write("items.csv", table(0..50));
    place.run("stream run items.csv --budget 0.1").exits(0);
    let state = place.read("run/stream.jsonl");
    for (other, told) in [
        ("--budget 0.2", "--budget 0.1, which is 0.2 here"),
        ("--budget 0.1 --rule entropy", "--rule margin, which is entropy here"),
        ("--budget 0.1 --manager split", "--manager quantile, which is split here"),
        ("--budget 0.1 --window 9", "--window 250, which is 9 here"),
        ("--budget 0.1 --seed 5", "--seed 1, which is 5 here"),
        ("--budget 0.1 --manager fixed --threshold -0.5", "--threshold none, which is -0.5 here"),
    ] {
        place.run(&format!("stream run items.csv {other}")).fails(2).tells(&["run/stream.jsonl", told, "--fresh"]);
        assert_eq!(place.read("run/stream.jsonl"), state);
    }
    place.train("pets.csv --label species --model supervised --seed 2 --out run2");
    place
        .run("stream run2 items.csv --budget 0.1 --state run/stream.jsonl")
        .fails(2)
        .tells(&["the model supervised ", "--fresh"]);
    place.run("stream run items.csv --budget 0.2 --fresh").exits(0).tells(&["48 items seen"]);
    place.write("run/stream.jsonl", "{\"begun\"");
    place.run("stream run items.csv --budget 0.2").fails(3).tells(&["run/stream.jsonl", "damaged", "--fresh"]);
}

#[test]
fn a_line_that_cannot_be_read_is_told_with_its_number_and_the_next_is_answered() {
    let place = trained();
    place.write("items.csv", "size,barks,food\n24,no,fish\n70,yes\n\n30,no,caviar\n\"31,no,fish\n62,yes,meat\n");
    let said = place.run("stream run items.csv --budget 0.5").exits(0);
    let said = said.tells(&["3 items seen, ", "; 3 unreadable"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines[2], "2,false,,,,line 3: 2 fields instead of 3");
    assert_eq!(lines[3], "3,false,,,,line 4: the line is empty");
    assert!(lines[4].starts_with("4,") && lines[4].ends_with(",unseen: `caviar` in column food"), "{}", lines[4]);
    assert_eq!(lines[5], "5,false,,,,line 6: a quote opens and does not close on this line");
    assert!(lines[6].starts_with("6,") && lines[6].ends_with(','), "{}", lines[6]);
    let json = "{\"id\": \"a\", \"size\": 24, \"barks\": \"no\"}\n{\"id\"\n";
    let said = place.run_with_input("stream run --as jsonl --budget 0.5 --fresh", json).exits(0);
    let lines: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["id"], &lines[0]["ask"]), (&"a".into(), &false.into()));
    assert!(lines[0]["problem"].as_str().unwrap().starts_with("line 1: column food is missing"), "{}", lines[0]);
    assert!(lines[1]["problem"].as_str().unwrap().starts_with("line 2: no JSON object"), "{}", lines[1]);
    // Without its columns no line could ever be read.
    place
        .run_with_input("stream run --budget 0.5", "size,food\n1,fish\n")
        .fails(3)
        .tells(&["standard input", "barks is missing"]);
    place.run("stream run nowhere.csv").exits(3).tells(&["nowhere.csv"]);
}

#[test]
fn a_rule_that_cannot_judge_an_item_by_itself_or_lacks_something_is_refused_at_once() {
    let place = trained();
    let line = |rest: &str| format!("stream run --state s.jsonl {rest}");
    place.run(&line("--rule k_center")).fails(2).tells(&["`k_center` looks at all candidates", "margin, entropy"]);
    place.run(&line("--rule marging")).fails(2).tells(&["did you mean `margin`?"]);
    place.run(&line("--rule bald")).fails(2).tells(&["`bald` needs several draws"]);
    place.run(&line("--rule vaal")).fails(2).tells(&["`vaal` needs a sampler"]);
    place.run(&line("--budget 0")).fails(2).tells(&["a budget of 0"]);
    place.run(&line("--window 0")).fails(2).tells(&["a window of no items"]);
    place.run(&line("--threshold 0.5")).fails(2).tells(&["`quantile` finds its threshold by itself"]);
    assert!(!place.path("s.jsonl").exists());
    place.train("pets.csv --label species --model supervised --seed 2 --out run2");
    place.write("items.csv", table(0..60));
    for rule in ["bald --committee run2", "vote_entropy --committee run2", "gradient_length", "least_confident"] {
        let args = format!("stream run items.csv --budget 0.3 --fresh --explain --rule {rule}");
        let said = place.run(&args).exits(0).tells(&["58 items seen"]);
        assert!(asked(&said.out).contains(&true), "{rule}");
    }
    let args = "stream run items.csv --budget 0.5 --fresh --manager fixed --threshold -0.2";
    let said = place.run(args).exits(0);
    for line in said.out.lines().skip(1).filter(|line| line.contains(",true,")) {
        assert!(line.split(',').nth(4).unwrap().parse::<f64>().unwrap() > -0.2, "{line}");
    }
}

#[test]
fn pictures_come_as_pixels_and_whole_data_item_by_item() {
    let place = Place::new();
    place.train("digits --labels 50 --model supervised");
    let whole = place.run("stream run digits --budget 0.1 --as jsonl").exits(0).tells(&["1,797 items seen"]);
    assert_eq!(whole.out.lines().count(), 1797);
    let pixels = |i: usize| (0..64).map(|at| ((i * at) % 17).to_string()).collect::<Vec<_>>().join(",");
    let table: String = (0..30).map(|i| pixels(i) + "\n").collect();
    let json: String = (0..30).map(|i| format!("{{\"x\": [{}]}}", pixels(i))).collect::<Vec<_>>().join("\n") + "\n";
    let table = place.run_with_input("stream run --fresh", &table).exits(0).tells(&["30 items seen"]).out;
    assert_eq!(place.run_with_input("stream run --fresh", &json).exits(0).out, table);
}

#[test]
fn ctrl_c_ends_it_after_the_item_at_hand() {
    let place = trained();
    let mut stream = Dialogue::begin(&place, "stream run --budget 0.3");
    stream.hear();
    stream.say(&format!("{HEADER}{}", line(0)));
    stream.hear();
    let busy = place.run_with_input("stream run --budget 0.3", "");
    busy.fails(2).tells(&["run/stream.jsonl is in use by another stream", "--state FILE"]);
    let to = stream.to.take();
    interrupt(stream.child).exits(0).tells(&["1 items seen, "]);
    drop(to);
    assert_eq!(place.read("run/stream.jsonl").lines().count(), 1);
}
