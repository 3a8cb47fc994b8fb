//! The program over HTTP: the messages that it prints while it waits, and the servers to which it
//! sends credentials.

use crate::{Seen, Server, answer, content, len_field, packed, right};
use dacti::Package;
use dacti_tests::program::program;
use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

fn dacti(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().expect("the program runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

#[test]
fn on_a_terminal_it_is_said_what_is_waited_for() {
    // spec: R-HTTP-52
    // The test accepts no connection of this listener, so no answer ever arrives.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let place = listener.local_addr().expect("it is bound");
    let url = format!("http://me:secret@{place}/p");
    let line = format!("'{}' ls '{url}' --timeout 3", program().display());
    let start = Instant::now();
    // `script` runs a command on a terminal of its own, and returns the command's exit code.
    let on_terminal = |line: &str| {
        let arguments = ["--quiet", "--return", "--command", line, "/dev/null"];
        Command::new("script").args(arguments).output().expect("it runs")
    };
    let shown = on_terminal(&line);
    let text = told(&shown);
    assert_eq!(shown.status.code(), Some(1), "{text}");
    let expected = format!("dacti: http://{place}/p: the server has not answered yet; waiting for");
    assert!(text.contains(&expected) && !text.contains("secret"), "{text}");
    let quiet = told(&on_terminal(&format!("{line} --quiet")));
    assert!(!quiet.contains("waiting for") && quiet.contains("error"), "{quiet}");
    let roots = format!("'{}' dar roots '{url}' --timeout 3", program().display());
    let text = told(&on_terminal(&roots));
    assert!(text.contains(&expected) && !text.contains("secret"), "{text}");
    let quiet = told(&on_terminal(&format!("{roots} --quiet")));
    assert!(!quiet.contains("waiting for") && quiet.contains("error"), "{quiet}");
    // If standard error is no terminal, the program does not print the message about the wait.
    let piped = told(&dacti(&["ls", &url, "--timeout", "3"]));
    assert!(!piped.contains("waiting for") && piped.lines().count() == 1, "{piped}");
    // The five runs have three steps each, and a step takes at most 3 s. The limit of 100 s leaves
    // time for a busy machine.
    assert!(start.elapsed() < Duration::from_secs(100), "{:?}", start.elapsed());
}

#[test]
fn fields_go_to_servers_that_are_named() {
    let file = packed(3, content);
    let server = Server::start(file.clone(), Box::new(|seen, _, file| right(seen, file)));
    let to = server.url.clone();
    let moved = move |_: &Seen, _: usize, _: &[u8]| {
        answer("302 Found", &[("Location", to.clone()), len_field(0)], b"")
    };
    let first = Server::start(Vec::new(), Box::new(moved));
    let copy = Server::start(file, Box::new(|seen, _, file| right(seen, file)));
    let origin = |url: &str| url.trim_end_matches("/p.dacti-pack").to_owned();
    let token = ("x-token".to_owned(), "secret".to_owned());
    let has_token = |server: &Server| {
        let seen = server.seen();
        assert!(!seen.is_empty());
        seen.iter().filter(|seen| seen.fields.contains(&token)).count()
    };
    let get = |more: &[&str]| {
        let base = ["get", &*first.url, "1.bin", "--header", "X-Token: secret"];
        let output = dacti(&[&base[..], more].concat());
        assert_eq!(output.stdout, content(1), "{}", told(&output));
    };
    get(&[]);
    assert!(has_token(&first) > 0 && has_token(&server) == 0, "the redirect leads elsewhere");
    get(&["--head", &copy.url]);
    assert_eq!((has_token(&server), has_token(&copy)), (0, 0));
    get(&["--head", &copy.url, "--header-to", &origin(&copy.url)]);
    assert_eq!((has_token(&server), has_token(&copy)), (0, 1));
    let before = server.seen().len();
    get(&["--header-to", &origin(&server.url)]);
    assert!(server.seen()[before..].iter().all(|seen| seen.fields.contains(&token)));
    let alone = dacti(&["ls", &first.url, "--header-to", &origin(&server.url)]);
    assert_eq!(alone.status.code(), Some(2), "{}", told(&alone));
}

/// Returns the ranges of all requests since the last call.
fn asked(server: &Server) -> Vec<(usize, usize)> {
    let seen = std::mem::take(&mut *server.seen.lock().expect("no thread panicked"));
    seen.iter().map(|seen| seen.range.expect("it is a range")).collect()
}

/// Returns the ranges that a listing requests: the head, the rest of the index if there is one, and
/// the names list with its seal. Ends are inclusive, as in requests.
fn listing(file: &[u8]) -> Vec<(usize, usize)> {
    let package = Package::from_bytes(file.to_vec()).expect("it is sound");
    let index = package.view().index();
    let names = package.names().expect("it has names").places()[0].span;
    let mut ranges = vec![(0, 65_535)];
    if index.end > 65_536 {
        ranges.push((65_536, index.end as usize - 1));
    }
    ranges.push((names.start as usize, names.end as usize + 32 - 1));
    ranges
}

#[test]
fn a_listing_and_a_comparison_ask_for_no_range_twice() {
    let served = |file: &[u8]| {
        Server::start(file.to_vec(), Box::new(|seen: &Seen, _, file: &[u8]| right(seen, file)))
    };
    // The index of 3 regions is in the head, and most of the index of 3,000 regions is after it.
    for regions in [3, 3_000] {
        let old = packed(regions, |n| n.to_le_bytes().to_vec());
        let new = packed(regions, |n| if n == 1 { vec![9; 8] } else { n.to_le_bytes().to_vec() });
        let (old_server, new_server) = (served(&old), served(&new));
        let dir = tempfile::tempdir().expect("a temporary directory");
        let old_path = dir.path().join("old.dacti-pack");
        std::fs::write(&old_path, &old).expect("it can be written");

        let listed = dacti(&["ls", &new_server.url]);
        assert!(listed.status.success(), "{}", told(&listed));
        assert_eq!(asked(&new_server), listing(&new), "{regions} regions");

        let compared = dacti(&["diff", &old_path.display().to_string(), &new_server.url]);
        assert!(told(&compared).contains("~ 1.bin"), "{}", told(&compared));
        check_compared(&asked(&new_server), &new);

        let compared = dacti(&["diff", &old_server.url, &new_server.url]);
        assert!(told(&compared).contains("~ 1.bin"), "{}", told(&compared));
        check_compared(&asked(&old_server), &old);
        check_compared(&asked(&new_server), &new);
    }
}

/// Checks the requests of a comparison. First come the requests of a listing, and then one read of
/// all digests. The last request is for the head, past the caches, because another file may have
/// replaced the package meanwhile.
#[track_caller]
fn check_compared(asked: &[(usize, usize)], file: &[u8]) {
    let listing = listing(file);
    let [listed @ .., digests, again] = asked else { panic!("{asked:?}") };
    assert_eq!((listed, *again), (&listing[..], (0, 65_535)), "{asked:?}");
    let package = Package::from_bytes(file.to_vec()).expect("it is sound");
    let ends = package.list().expect("it is sound").into_iter().map(|listed| listed.located.span);
    let (first, last) = (ends.clone().map(|span| span.end).min(), ends.map(|span| span.end).max());
    let (first, last) = (first.expect("it has regions"), last.expect("it has regions"));
    assert_eq!(*digests, (first as usize, last as usize + 32 - 1), "{asked:?}");
}
