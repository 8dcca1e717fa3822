//! What must hold of a download, against servers that misbehave.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use halfmoon_pool::Error;

use crate::get::get_by;
use crate::sets::{Set, find};
use crate::testing::{Reply, Scratch, Server, Witness, gzip, nobody, numbers, set, web};

type Got = halfmoon_pool::Result<Option<Vec<PathBuf>>>;

fn get(set: &Set, into: &Path, from: Option<&str>, witness: &mut Witness) -> Got {
    get_by(&web(), set, into, from, witness)
}

/// Gets a set from its mirrors, and expects its files.
fn got(set: &Set, into: &Scratch) -> Witness {
    let mut witness = Witness::default();
    let paths = get(set, &into.0, None, &mut witness).expect("a mirror has it").expect("nobody stops it");
    assert_eq!(paths, set.files.iter().map(|file| into.0.join(&file.name)).collect::<Vec<_>>());
    assert_eq!(witness.begun.len(), witness.ended, "what begins ends");
    witness
}

/// Gets a set from its mirrors in vain: what is said, and what to do.
fn in_vain(set: &Set, into: &Scratch) -> (String, String) {
    let error = get(set, &into.0, None, &mut Witness::default()).expect_err("no mirror has it");
    (error.to_string(), error.hint().unwrap_or_default().to_owned())
}

#[test]
fn the_files_of_a_set_come_into_the_folder() {
    let (a, b) = (numbers(200_000), b"few".to_vec());
    let server = Server::of(&[("a", a.clone()), ("b", b.clone())]);
    let into = Scratch::new();
    let nested = Scratch(into.0.join("not/yet/there"));
    let mut witness = Witness { unseen: Some(nested.0.join("a")), ..Witness::default() };
    let set = set(&[("a", &a)], &[&server.url()]);
    get(&set, &nested.0, None, &mut witness).expect("the server has it");
    assert_eq!(witness.begun, [("a".to_owned(), 0, 200_000)]);

    got(&super::testing::set(&[("a", &a), ("b", &b)], &[&server.url()]), &nested);
    assert_eq!((nested.read("a"), nested.read("b")), (a, b));
    assert_eq!(nested.names(), ["a", "b"]);
}

#[test]
fn after_a_cut_only_the_rest_is_asked_for() {
    let bytes = numbers(5000);
    let whole = bytes.clone();
    let server = Server::new(move |request| match request.range {
        None => Reply::file(&whole, request).cut(1000),
        Some(1000) => Reply::file(&whole, request).cut(3000),
        Some(_) => Reply::file(&whole, request),
    });
    let into = Scratch::new();
    let witness = got(&set(&[("a", &bytes)], &[&server.url()]), &into);
    assert_eq!(into.read("a"), bytes);
    assert_eq!(server.ranges(), [None, Some(1000), Some(4000)]);
    assert_eq!(witness.begun.iter().map(|begun| begun.1).collect::<Vec<_>>(), [0, 1000, 4000]);
    assert_eq!(into.names(), ["a"]);
}

#[test]
fn what_an_earlier_program_left_is_gone_on_with() {
    let bytes = numbers(5000);
    let server = Server::of(&[("a", bytes.clone())]);
    let into = Scratch::new();
    into.write("a.part", &bytes[..700]);
    got(&set(&[("a", &bytes)], &[&server.url()]), &into);
    assert_eq!(into.read("a"), bytes);
    assert_eq!(server.ranges(), [Some(700)]);
}

#[test]
fn a_part_that_was_whole_is_only_checked() {
    let bytes = numbers(5000);
    let server = Server::of(&[("a", bytes.clone())]);
    let into = Scratch::new();
    into.write("a.part", &bytes);
    let witness = got(&set(&[("a", &bytes)], &[&server.url()]), &into);
    assert_eq!((into.read("a"), server.ranges()), (bytes, vec![Some(5000)]));
    assert!(witness.begun.is_empty(), "no byte came");
}

#[test]
fn a_part_of_something_else_is_replaced() {
    let bytes = numbers(5000);
    let set = |server: &Server| set(&[("a", &bytes)], &[&server.url()]);
    for foreign in [vec![7; 700], vec![7; 5000], vec![7; 9000]] {
        let server = Server::of(&[("a", bytes.clone())]);
        let into = Scratch::new();
        into.write("a.part", &foreign);
        let witness = got(&set(&server), &into);
        assert_eq!(into.read("a"), bytes);
        assert_eq!(server.ranges(), [Some(foreign.len()), None]);
        assert!(witness.heard("starting over"), "{:?}", witness.notes);
    }
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    let bytes = numbers(5000);
    let whole = bytes.clone();
    let server = Server::new(move |_| Reply { body: whole.clone(), ..Reply::status("200 OK") });
    let into = Scratch::new();
    into.write("a.part", [7; 700]);
    let witness = got(&set(&[("a", &bytes)], &[&server.url()]), &into);
    assert_eq!(into.read("a"), bytes);
    assert_eq!(server.ranges(), [Some(700)]);
    assert_eq!(witness.begun, [("a".to_owned(), 0, 5000)]);
}

#[test]
fn another_piece_than_was_asked_for_is_not_joined() {
    let bytes = numbers(5000);
    let whole = bytes.clone();
    let server = Server::new(move |request| {
        let mut reply = Reply::file(&whole, request);
        if request.range.is_some() {
            reply.headers = vec!["Content-Range: bytes 0-4999/5000".into()];
        }
        reply
    });
    let into = Scratch::new();
    into.write("a.part", &bytes[..700]);
    got(&set(&[("a", &bytes)], &[&server.url()]), &into);
    assert_eq!((into.read("a"), server.ranges()), (bytes, vec![Some(700), None]));
}

#[test]
fn a_corrupted_mirror_is_passed_over() {
    let bytes = numbers(5000);
    let mut spoilt = bytes.clone();
    spoilt[4321] ^= 1;
    let (bad, good) = (Server::of(&[("a", spoilt)]), Server::of(&[("a", bytes.clone())]));
    let into = Scratch::new();
    let witness = got(&set(&[("a", &bytes)], &[&bad.url(), &good.url()]), &into);
    assert_eq!(into.read("a"), bytes);
    assert!(witness.heard(&format!("{}a: the sha256", bad.url())), "{:?}", witness.notes);
    assert_eq!((bad.ranges(), good.ranges()), (vec![None], vec![None]), "nothing of the bad file is kept");
}

#[test]
fn what_one_mirror_began_another_ends() {
    let bytes = numbers(5000);
    let whole = bytes.clone();
    let breaking = Server::new(move |request| match request.range {
        None => Reply::file(&whole, request).cut(1000),
        Some(_) => Reply::status("503 Service Unavailable"),
    });
    let good = Server::of(&[("a", bytes.clone())]);
    let into = Scratch::new();
    got(&set(&[("a", &bytes)], &[&breaking.url(), &good.url()]), &into);
    assert_eq!((into.read("a"), good.ranges()), (bytes, vec![Some(1000)]));
}

#[test]
fn when_all_fail_each_is_named_with_its_reason() {
    let bytes = numbers(5000);
    let missing = Server::of(&[]);
    let tired = Server::new(|_| Reply::status("503 Service Unavailable"));
    let wrong = Server::of(&[("a", b"abc".to_vec())]);
    let into = Scratch::new();
    let set = set(&[("a", &bytes), ("b", b"")], &[&nobody(), &missing.url(), &tired.url(), &wrong.url()]);
    let (said, hint) = in_vain(&set, &into);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], format!("{}: could not be downloaded", into.0.join("a").display()));
    assert!(lines[1].contains(&set.mirrors[0]) && lines[1].to_lowercase().contains("refused"), "{said}");
    assert_eq!(lines[2], format!("  {}a: the server answers 404 Not Found", missing.url()));
    assert_eq!(lines[3], format!("  {}a: the server answers 503 Service Unavailable", tired.url()));
    // FIPS 180-2, appendix B.1: the sum of `abc`.
    let found = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert!(lines[4].contains(&set.files[0].sha256_content) && lines[4].contains(found), "{said}");
    assert_eq!(lines.len(), 5);
    assert!(hint.contains("--from URL") && hint.contains("a, b into") && hint.contains(&into.0.display().to_string()));
    assert!(into.names().is_empty(), "{:?}", into.names());
}

#[test]
fn without_a_network_that_is_what_is_said() {
    let into = Scratch::new();
    let set = set(&[("a", b"abc")], &[&nobody(), "http://no-such-host.invalid/"]);
    let (said, _) = in_vain(&set, &into);
    assert!(said.contains("is there a network?") && said.lines().count() == 3, "{said}");
}

#[test]
fn what_is_there_and_right_is_kept_without_a_request() {
    let server = Server::of(&[]);
    let into = Scratch::new();
    into.write("a", b"abc");
    into.write("b.gz", gzip(b"def", 1));
    let witness = got(&set(&[("a", b"abc"), ("b.gz", b"def")], &[&server.url()]), &into);
    assert!(witness.heard("a is there already") && witness.heard("b.gz is there already"));
    assert_eq!(server.requests(), []);
}

#[test]
fn a_wrong_file_of_that_name_is_set_aside() {
    let server = Server::of(&[("a", b"abc".to_vec())]);
    let into = Scratch::new();
    into.write("a", b"mine");
    let witness = got(&set(&[("a", b"abc")], &[&server.url()]), &into);
    assert!(witness.heard("it is now"), "{:?}", witness.notes);
    assert_eq!((into.read("a"), into.read("a.wrong")), (b"abc".to_vec(), b"mine".to_vec()));
}

#[test]
fn a_mirror_may_have_packed_the_content_anew() {
    let content = numbers(100_000);
    let mut set = set(&[("a.gz", &content)], &[]);
    set.files[0].size = gzip(&content, 9).len() as u64;
    for level in [0, 1, 9] {
        let packed = gzip(&content, level);
        let server = Server::of(&[("a.gz", packed.clone())]);
        set.mirrors = vec![server.url()];
        let into = Scratch::new();
        got(&set, &into);
        assert_eq!(into.read("a.gz"), packed, "the file stays as it came");
    }
}

#[test]
fn a_stop_leaves_what_came_and_the_next_call_goes_on() {
    let bytes = numbers(5_000_000);
    let server = Server::of(&[("a", bytes.clone())]);
    let set = set(&[("a", &bytes)], &[&server.url()]);
    let into = Scratch::new();
    let mut witness = Witness { stop_at: Some(1_000_000), ..Witness::default() };
    assert_eq!(get(&set, &into.0, None, &mut witness).expect("stopping is no error"), None);
    assert_eq!(into.names(), ["a.part"]);
    let kept = into.read("a.part");
    assert!((1_000_000..2_000_000).contains(&kept.len()) && bytes.starts_with(&kept), "{} bytes", kept.len());

    got(&set, &into);
    assert_eq!((into.read("a"), into.names()), (bytes, vec!["a".to_owned()]));
    assert_eq!(server.ranges(), [None, Some(kept.len())]);
}

#[test]
fn a_silent_server_is_left_after_a_while() {
    let bytes = numbers(5000);
    let whole = bytes.clone();
    let silent = Server::new(move |request| Reply { silent_after: Some(500), ..Reply::file(&whole, request) });
    let good = Server::of(&[("a", bytes.clone())]);
    let into = Scratch::new();
    let began = Instant::now();
    let witness = got(&set(&[("a", &bytes)], &[&silent.url(), &good.url()]), &into);
    assert!(began.elapsed() < Duration::from_secs(20), "it waited 0.3 s");
    assert!(witness.heard("no answer for 0.3 s"), "{:?}", witness.notes);
    assert_eq!((into.read("a"), good.ranges()), (bytes, vec![Some(500)]));
}

#[test]
fn a_server_that_never_answers_is_left_too() {
    // Connections are made, and nobody looks at them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
    let mute = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let began = Instant::now();
    let (said, _) = in_vain(&set(&[("a", b"abc")], &[&mute]), &Scratch::new());
    assert!(began.elapsed() < Duration::from_secs(20), "it waited 0.3 s");
    assert!(said.contains("no answer for 0.3 s"), "{said}");
}

#[test]
fn a_redirect_is_followed_with_the_range() {
    let bytes = numbers(5000);
    let target = Server::of(&[("elsewhere/a", bytes.clone())]);
    let to = format!("Location: {}elsewhere/a", target.url());
    let server = Server::new(move |_| Reply { headers: vec![to.clone()], ..Reply::status("302 Found") });
    let into = Scratch::new();
    into.write("a.part", &bytes[..700]);
    got(&set(&[("a", &bytes)], &[&server.url()]), &into);
    assert_eq!((into.read("a"), target.ranges()), (bytes, vec![Some(700)]));
}

#[test]
fn endless_redirects_end() {
    let server = Server::new(|_| Reply { headers: vec!["Location: /again".into()], ..Reply::status("302 Found") });
    let (said, _) = in_vain(&set(&[("a", b"abc")], &[&server.url()]), &Scratch::new());
    assert!(said.contains("redirect"), "{said}");
    assert!(server.requests().len() < 20);
}

#[test]
fn a_length_that_promises_too_much_does_no_harm() {
    let bytes = numbers(5000);
    let whole = bytes.clone();
    let server = Server::new(move |request| {
        let reply = Reply::file(&whole, request);
        Reply { announced: Some(reply.body.len() + 10), ..reply }
    });
    let into = Scratch::new();
    got(&set(&[("a", &bytes)], &[&server.url()]), &into);
    assert_eq!(into.read("a"), bytes);
}

#[test]
fn a_length_that_promises_too_little_is_noticed() {
    let bytes = numbers(5000);
    let whole = bytes.clone();
    let server = Server::new(move |request| Reply { announced: Some(4000), ..Reply::file(&whole, request) });
    let into = Scratch::new();
    let (said, _) = in_vain(&set(&[("a", &bytes)], &[&server.url()]), &into);
    assert!(said.contains("sha256"), "{said}");
    assert!(into.names().is_empty());
}

#[test]
fn more_than_the_file_can_have_is_not_stored() {
    let server = Server::of(&[("a", numbers(1_000_000))]);
    let into = Scratch::new();
    let (said, _) = in_vain(&set(&[("a", b"abc")], &[&server.url()]), &into);
    assert!(said.contains("more than the 1027 bytes"), "{said}");
    assert!(into.names().is_empty());
}

#[test]
fn a_connection_that_breaks_at_once_is_not_tried_forever() {
    let server = Server::new(|request| Reply::file(b"abc", request).cut(0));
    in_vain(&set(&[("a", b"abc")], &[&server.url()]), &Scratch::new());
    assert_eq!(server.ranges(), [None]);

    let count = AtomicUsize::new(0);
    let drop_by_drop = Server::new(move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        Reply::file(&numbers(5000), request).cut(1)
    });
    let into = Scratch::new();
    in_vain(&set(&[("a", &numbers(5000))], &[&drop_by_drop.url()]), &into);
    assert!(drop_by_drop.requests().len() < 30);
    assert_eq!(into.names(), ["a.part"], "what came is kept");
}

#[test]
fn a_mirror_of_ones_own_is_asked_alone() {
    let theirs = Server::of(&[("a", b"abc".to_vec())]);
    let mine = Server::of(&[("sets/a", b"abc".to_vec())]);
    let set = set(&[("a", b"abc")], &[&theirs.url()]);
    for from in [format!("{}sets", mine.url()), format!("{}sets/", mine.url())] {
        let into = Scratch::new();
        get(&set, &into.0, Some(&from), &mut Witness::default()).expect("it has it").expect("nobody stops it");
        assert_eq!(into.read("a"), b"abc");
    }
    assert_eq!((theirs.requests().len(), mine.requests().len()), (0, 2));
}

#[test]
fn a_folder_is_a_mirror_too() {
    let (from, into) = (Scratch::new(), Scratch::new());
    from.write("a", b"abc");
    let path = from.0.to_str().expect("UTF-8");
    let set = set(&[("a", b"abc")], &[]);
    for from in [path.to_owned(), format!("file://{}", path.replace(' ', "%20"))] {
        into.write("a.part", b"something from before");
        get(&set, &into.0, Some(&from), &mut Witness::default()).expect("it has it").expect("nobody stops it");
        assert_eq!((into.read("a"), into.names()), (b"abc".to_vec(), vec!["a".to_owned()]));
        std::fs::remove_file(into.0.join("a")).expect("it is there");
    }
    assert_eq!(from.names(), ["a"], "the mirror stays as it is");

    from.write("a", b"abd");
    let error = get(&set, &into.0, Some(path), &mut Witness::default()).expect_err("another content");
    assert!(error.to_string().contains("sha256"), "{error}");
}

#[test]
fn a_mirror_that_is_none_is_told_before_anything_is_made() {
    let parent = Scratch::new();
    let file = parent.write("file", b"");
    let into = parent.0.join("into");
    let refused = |from: &str| {
        get(&set(&[("a", b"abc")], &[]), &into, Some(from), &mut Witness::default()).expect_err("it is no mirror")
    };
    assert!(refused("ftp://example.org/mnist").to_string().contains("`ftp`"));
    assert!(refused("no/such/folder").to_string().starts_with("no/such/folder: "));
    assert!(refused(file.to_str().expect("UTF-8")).to_string().ends_with("is not a folder"));
    assert!(!into.exists());
    assert!(matches!(refused("http://"), Error::Data { .. }), "an address without a host");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let parent = Scratch::new();
    let into = parent.write("file", b"").join("into");
    let server = Server::of(&[("a", b"abc".to_vec())]);
    let error = get(&set(&[("a", b"abc")], &[&server.url()]), &into, None, &mut Witness::default());
    let Err(Error::Io { path, .. }) = error else { panic!("{error:?}") };
    assert_eq!((path, server.requests().len()), (into, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_at_once_and_with_its_path() {
    let into = Scratch::new();
    // What is written there finds no space.
    std::os::unix::fs::symlink("/dev/full", into.0.join("a.part")).expect("Linux has links");
    let (first, second) = (Server::of(&[("a", b"abc".to_vec())]), Server::of(&[]));
    let set = set(&[("a", b"abc")], &[&first.url(), &second.url()]);
    let error = get(&set, &into.0, None, &mut Witness::default());
    let Err(Error::Io { path, source }) = error else { panic!("{error:?}") };
    assert_eq!((path, source.kind()), (into.0.join("a.part"), std::io::ErrorKind::StorageFull));
    assert_eq!(second.requests(), [], "another mirror has no other disk");
}

#[test]
fn two_downloads_of_one_file_do_not_mix() {
    let into = Scratch::new();
    let first = crate::part::Part::open(&into.0, "a").expect("nobody else is there");
    let server = Server::of(&[("a", b"abc".to_vec())]);
    let set = set(&[("a", b"abc")], &[&server.url()]);
    let error = get(&set, &into.0, None, &mut Witness::default()).expect_err("somebody else is there");
    assert!(error.to_string().contains("another halfmoon"), "{error}");
    drop(first);
    got(&set, &into);
}

#[test]
fn a_built_in_set_needs_no_file() {
    let mut witness = Witness::default();
    let into = Path::new("/no/folder/is/made");
    let digits = find("digits").expect("it is listed");
    assert_eq!(get(digits, into, None, &mut witness).expect("no mistake"), Some(Vec::new()));
    assert!(witness.heard("built in"));
}

/// The published files, as this machine has them.
#[test]
fn the_checksums_are_those_of_the_data() {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    for (name, folder) in [
        ("mnist", format!("{shared}/mnist")),
        ("adult", format!("{shared}/adult")),
        ("fashion-mnist", "/usr/share/datasets/fashion-mnist".to_owned()),
    ] {
        if !Path::new(&folder).exists() {
            eprintln!("SKIPPED: {folder} is not there");
            continue;
        }
        let into = Scratch::new();
        let set = find(name).expect("it is listed");
        let got = get(set, &into.0, Some(&folder), &mut Witness::default());
        assert_eq!(got.expect("right").expect("not stopped").len(), set.files.len());
    }
}
