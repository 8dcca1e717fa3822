//! Which items to label next.

use serde_json::Value;

use crate::support::Place;

/// Two runs on 40 labelled rows of two overlapping groups, and 30 candidates, one in the middle of both.
fn place() -> Place {
    let row = |n: u32, label: &str| {
        let side = if n.is_multiple_of(2) { -1.0 } else { 1.0 };
        let shift = f64::from(n * 7919 % 101) / 101.0;
        format!("{},{},{label}\n", side + shift, side - shift)
    };
    let named = |n: u32| if n.is_multiple_of(2) { "left" } else { "right" };
    let header = "a,b,side\n".to_owned();
    let train: String = std::iter::once(header.clone()).chain((0..40).map(|n| row(n, named(n)))).collect();
    let pool: String =
        std::iter::once(header).chain((100..129).map(|n| row(n, ""))).chain(["0,0,\n".to_owned()]).collect();
    let place = Place::with("train.csv", train);
    place.write("pool.csv", pool);
    for seed in [1, 2] {
        place.run(&format!("train train.csv --label side --model supervised --set supervised.hidden=[8] --set supervised.train.steps=600 --set run.folds=2 --set run.repeats=1 --seed {seed} --out run{seed}")).exits(0);
    }
    place
}

fn ids(csv: &str) -> Vec<String> {
    csv.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn the_item_between_two_classes_is_asked_first_and_says_why() {
    let place = place();
    let said = place.run("query run1 pool.csv -n 3 --explain").exits(0).tells(&["3 of 30 candidates"]);
    assert!(said.out.starts_with("rank,id,likeliest,probability,utility,reason\n"), "{}", said.out);
    assert_eq!(ids(&said.out)[0], "30");
    assert!(said.out.contains("left") && said.out.contains("right"), "{}", said.out);
    // The same seed says the same, and chance says something else.
    assert_eq!(place.run("query run1 pool.csv -n 3 --explain").exits(0).out, said.out);
    let random =
        |seed: u32| ids(&place.run(&format!("query run1 pool.csv -n 9 --rule random --seed {seed}")).exits(0).out);
    assert_eq!(random(1), random(1));
    assert_ne!(random(1), random(2));
}

#[test]
fn whatever_the_rule_of_copies_and_of_near_copies_one_is_asked() {
    let place = place();
    // The item in the middle five times over, and twice nearly so.
    let pool = place.read("pool.csv");
    place.write("copies.csv", format!("{pool}{}0.001,0,\n0,0.001,\n", "0,0,\n".repeat(4)));
    for rule in ["margin", "entropy", "random", "least_confident", "cold_start", "badge"] {
        let asked = |apart: &str, n: usize| {
            let said = place.run(&format!("query run1 copies.csv -n {n} --rule {rule} --apart {apart}")).exits(0);
            ids(&said.out).iter().filter(|id| id.parse::<usize>().unwrap() >= 30).count()
        };
        assert_eq!((asked("0.05", 36), asked("0", 36)), (1, 3), "{rule}");
    }
    let said = place.run("query run1 copies.csv -n 36 --apart 0.05").exits(0);
    said.tells(&["candidates were passed over: as good as copies of chosen ones"]);
    for apart in ["-1", "nan", "inf"] {
        place.run(&format!("query run1 pool.csv --apart={apart}")).exits(2).tells(&["write a distance from 0 up"]);
    }
}

#[test]
fn a_project_is_not_written_over() {
    let place = place();
    place.run("init train.csv --label side --out p.db").exits(0);
    let before = std::fs::read(place.path("p.db")).unwrap();
    place.run("query run1 pool.csv -o p.db").exits(3).tells(&["is a project"]);
    place.run("predict run1 pool.csv -o p.db").exits(3).tells(&["is a project"]);
    place.run("export p.db --format csv -o p.db").exits(2).tells(&["would overwrite the project"]);
    place.run("stream run1 pool.csv --state p.db --fresh").exits(3).tells(&["was not written by a stream"]);
    place.run("init pool.csv --label side --classes left,right --out q.db").exits(0);
    for (command, what) in [
        ("query run1 q.db -o pool.csv", "the pool"),
        ("query run1 pool.csv -o train.csv", "the run's data"),
        ("predict run1 pool.csv -o train.csv", "the run's data"),
        ("export q.db --format csv -o pool.csv", "the project's data"),
        ("review q.db -o pool.csv", "the project's data"),
    ] {
        place.run(command).exits(2).tells(&[&format!("would overwrite {what}")]);
    }
    std::os::unix::fs::symlink(place.path("p.db"), place.path("link.csv")).unwrap();
    place.run("query run1 pool.csv -o link.csv").exits(3).tells(&["is a project"]);
    place.run("export q.db --format csv -o p.db").exits(3).tells(&["is a project"]);
    place.run("stream run1 pool.csv --state pool.csv --fresh").exits(3).tells(&["was not written by a stream"]);
    assert_eq!(std::fs::read(place.path("p.db")).unwrap(), before);
}

#[test]
fn every_rule_answers_or_says_what_it_needs() {
    let place = place();
    for rule in [
        "least_confident",
        "entropy",
        "k_center",
        "badge",
        "bait",
        "density_weighted",
        "cold_start",
        "error_reduction",
        "gradient_length",
    ] {
        let picked = ids(&place.run(&format!("query run1 pool.csv -n 5 --rule {rule}")).exits(0).out);
        assert_eq!(picked.len(), 5, "{rule}");
    }
    place.run("query run1 pool.csv --rule bald").exits(2).tells(&["`bald` needs several draws"]);
    for rule in ["bald", "batch_bald", "vote_entropy"] {
        place.run(&format!("query run1 pool.csv -n 4 --rule {rule} --committee run2")).exits(0);
    }
    place.run("query run1 pool.csv --rule vaal").exits(2).tells(&["`vaal` needs a sampler"]);
    place.run("query run1 pool.csv --rule magic").exits(2);
}

#[test]
fn labelled_items_and_what_cannot_be_read_are_no_candidates() {
    let place = place();
    place.run("query run1 train.csv -n 5").exits(3).tells(&["holds no candidate"]);
    let (pool, train) = (place.read("pool.csv"), place.read("train.csv"));
    let both: Vec<&str> = pool.lines().chain(train.lines().skip(1).take(6)).collect();
    place.write("both.csv", both.join("\n"));
    let said = place.run("query run1 both.csv -n 50 --apart 0").exits(0);
    said.tells(&["6 items are copies of labelled ones"]);
    place.run("query run1 pool.csv -o pool.csv").exits(2).tells(&["would overwrite the pool"]);
}

#[test]
fn tasks_for_label_studio_name_the_item_and_what_the_model_says() {
    let place = place();
    place
        .run("query run1 pool.csv -n 2 --as label-studio -o tasks.json")
        .exits(0)
        .prints(&["tasks.json"])
        .tells(&[r#"<Table name="item" value="$row"/><Choices name="label" toName="item"><Choice value="left"/>"#]);
    let tasks: Value = serde_json::from_str(&place.read("tasks.json")).unwrap();
    let first = &tasks[0];
    assert_eq!(first["data"]["halfmoon_id"], "30");
    assert_eq!(first["data"]["row"], serde_json::json!({"a": "0", "b": "0"}));
    assert_eq!(first["meta"]["rule"], "margin");
    assert!(first["predictions"][0]["score"].as_f64().unwrap() <= 1.0);
}

#[test]
fn of_a_project_what_people_labelled_is_not_asked_again() {
    let place = place();
    place.run("init pool.csv --label side --classes left,right --out p.db").exits(0);
    let first = ids(&place.run("query run1 p.db -n 3").exits(0).out);
    assert_eq!(first, ids(&place.run("query run1 pool.csv -n 3").exits(0).out));
    place.write("labels.csv", format!("id,label\n{},left\n", first[0]));
    place.run("import labels.csv --project p.db").exits(0);
    let next = ids(&place.run("query run1 p.db -n 2").exits(0).tells(&["of 29 candidates"]).out);
    assert_eq!(next, first[1..]);
}

#[test]
fn a_run_finds_its_data_from_another_folder_too() {
    let place = place();
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    let both = format!("{}{}", place.read("train.csv"), place.read("pool.csv").split_once('\n').unwrap().1);
    place.write("both.csv", both);
    let here = place.run("query run1 both.csv -n 50 --apart 0").exits(0);
    let mut command = place.command("query ../run1 ../both.csv -n 50 --apart 0".split_whitespace());
    let there = command.current_dir(place.path("elsewhere")).output().unwrap();
    assert!(there.status.success());
    assert_eq!(String::from_utf8_lossy(&there.stdout), here.out);
    assert!(String::from_utf8_lossy(&there.stderr).contains("40 items are copies of labelled ones"));
}

#[test]
fn a_committee_holds_no_run_twice() {
    let place = place();
    place.run("query run1 pool.csv --rule vote_entropy --committee run2,./run1").exits(2).tells(&["in it twice"]);
}

#[test]
fn a_query_names_items_as_a_project_of_the_same_table_does() {
    let place = place();
    let rows = place.read("pool.csv");
    let with_ids = |id: &dyn Fn(usize) -> String| {
        let row = |(number, row): (usize, &str)| {
            if number == 0 { format!("id,{row}\n") } else { format!("{},{row}\n", id(number)) }
        };
        rows.lines().enumerate().map(row).collect::<String>()
    };
    place.write("named.csv", with_ids(&|number| format!("p{number}")));
    assert_eq!(ids(&place.run("query run1 named.csv -n 3").exits(0).out)[0], "p30");
    place.write("shared.csv", with_ids(&|number| (number / 2).to_string()));
    let said = place.run("query run1 shared.csv -n 3").exits(0);
    let said = said.tells(&["column `id` does not name the items, since rows 3 and 4 share `1`"]);
    assert_eq!(ids(&said.out)[0], "30");
}
