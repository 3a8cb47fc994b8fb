//! The program over HTTP: the messages that it prints while it waits, and the servers to which it
//! sends credentials.

use crate::{Server, answer, content, len_field, packed, right};
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
    let moved = move |_: &crate::Seen, _: usize, _: &[u8]| {
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
