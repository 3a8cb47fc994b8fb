//! Servers that damage a head, that end a body at any byte, or that answer very slowly.

use crate::{Seen, Server};
use crate::{answer, content, get_behind_head, len_field, open, options, packed, right};
use dacti::{ErrorKind, Package};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Returns the right answer with only the first `keep` bytes of the body.
fn cut(seen: &Seen, file: &[u8], keep: usize) -> Vec<u8> {
    let mut whole = right(seen, file);
    let (first, last) = seen.range.expect("every request has a range");
    let body = last.min(file.len() - 1) + 1 - first;
    whole.truncate(whole.len() - body + keep.min(body));
    whole
}

#[test]
fn a_region_cut_at_every_hundredth_byte_is_taken_up_there() {
    // spec: R-HTTP-16
    let server = Server::start(
        packed(3, content),
        Box::new(|seen, n, file| match seen.range {
            // Each region takes two requests. The first answer ends early, and the second answer
            // has the remaining bytes.
            Some((first, _)) if first > 0 && n % 2 == 1 => cut(seen, file, (n - 1) / 2 * 100),
            _ => right(seen, file),
        }),
    );
    let (package, source) = open(&server, &options()).expect("the head is right");
    let cuts = 21_032_usize.div_ceil(100);
    for n in 0..cuts {
        assert_eq!(package.get("1.bin").expect("it is taken up"), content(1), "{}", n * 100);
    }
    let stats = source.stats();
    assert_eq!(stats.requests, 1 + 2 * cuts as u64);
    // One of the cut answers has no byte of the body. After that answer, the request is retried
    // instead of resumed.
    assert_eq!((stats.resumes, stats.retries), (cuts as u64 - 1, 1));
    assert_eq!(stats.bytes, 65_536 + 21_032 * cuts as u64, "no byte came twice");
}

#[test]
fn a_head_cut_at_every_thousandth_byte_is_asked_for_again() {
    // spec: R-HTTP-30
    let file = packed(3, content);
    for keep in (0..65_536).step_by(1_000) {
        let server = Server::start(
            file.clone(),
            Box::new(move |seen, n, file| match n {
                0 => cut(seen, file, keep),
                _ => right(seen, file),
            }),
        );
        let (package, source) = open(&server, &options()).expect("the second head is right");
        assert_eq!(package.get("1.bin").expect("it is there"), content(1));
        assert_eq!(source.stats().resumes, 0, "{keep}: no head is put together");
        assert!(server.seen()[..2].iter().all(|seen| seen.range == Some((0, 65_535))), "{keep}");
        assert_eq!(source.stats().requests, 3, "{keep}");
    }
}

#[test]
fn a_head_that_comes_wrong_is_cured_or_told() {
    // spec: R-HTTP-12, R-HTTP-20, R-HTTP-22, R-HTTP-30
    type Bad = fn(&Seen, &[u8]) -> Vec<u8>;
    let bads: &[(&str, Bad, ErrorKind)] = &[
        ("416", |_, _| answer("416 No", &[len_field(0)], b""), ErrorKind::Stale),
        ("nothing", |_, _| Vec::new(), ErrorKind::Unavailable),
        ("503", |_, _| answer("503 Later", &[len_field(0)], b""), ErrorKind::Unavailable),
        (
            "zeros",
            |seen, file| {
                let mut whole = right(seen, file);
                let start = whole.len() - 65_536;
                whole[start..].fill(0);
                whole
            },
            ErrorKind::Corrupt,
        ),
        (
            "gzip",
            |_, file| {
                let range = ("Content-Range", format!("bytes 0-65535/{}", file.len()));
                answer("206 X", &[range, ("Content-Encoding", "gzip".into())], b"\x1f\x8b")
            },
            ErrorKind::Unsupported,
        ),
        (
            "other place",
            |_, file| {
                let range = ("Content-Range", format!("bytes 1-65535/{}", file.len()));
                answer("206 X", &[range, len_field(65_535)], &file[1..65_536])
            },
            ErrorKind::Stale,
        ),
    ];
    for (name, bad, kind) in bads {
        let bad = *bad;
        let cured = Server::start(
            packed(3, content),
            Box::new(move |seen, n, file| match n {
                0 => bad(seen, file),
                _ => right(seen, file),
            }),
        );
        let (package, _) =
            open(&cured, &options()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(package.get("1.bin").expect("it is there"), content(1), "{name}");
        let told =
            Server::start(packed(3, content), Box::new(move |seen, _, file| bad(seen, file)));
        let error = open(&told, &options()).expect_err(name);
        assert_eq!(error.kind(), *kind, "{name}: {error}");
        let max = options().session.requests_per_fetch_max();
        assert!(told.seen().len() as u64 <= 2 * max, "{name}: {}", told.seen().len());
    }
}

#[test]
fn bursts_of_failures_are_waited_out_as_long_as_retries_last() {
    // spec: R-HTTP-17
    for status in ["408 A", "425 B", "429 C", "500 D", "502 E", "503 F", "504 G"] {
        let retries = options().session.retries_max as usize;
        let (got, stats, _) = get_behind_head(move |seen, n, file| {
            if n < retries { answer(status, &[len_field(0)], b"") } else { right(seen, file) }
        });
        assert!(got.is_ok(), "{status}: {got:?}");
        assert_eq!(stats.retries, retries as u64, "{status}");
        let (got, ..) = get_behind_head(move |_, _, _| answer(status, &[len_field(0)], b""));
        let error = got.expect_err("it never ends");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{status}: {error}");
        assert!(error.to_string().contains(&status[..3]), "{error}");
    }
}

#[test]
fn validators_that_change_with_each_answer_are_no_fault() {
    // spec: R-HTTP-11, R-HTTP-64
    let server = Server::start(
        packed(12, content),
        Box::new(|seen, n, file| {
            let (first, last) = seen.range.expect("it is one");
            let fields = [
                ("Content-Range", format!("bytes {first}-{last}/{}", file.len() + n * 4096)),
                ("ETag", format!("\"{n}\"")),
                ("Last-Modified", format!("Fri, 27 Nov 2026 00:00:{n:02} GMT")),
                len_field(last + 1 - first),
            ];
            answer("206 Partial Content", &fields, &file[first..=last])
        }),
    );
    let (package, source) = open(&server, &options()).expect("it is good");
    // Each answer shows a new state of the file, so another file may be at the URL. The reader
    // checks this by another request for the head, at most eight times in a session.
    for (n, requests) in (0..12).zip([3, 5, 7, 9, 11, 13, 15, 17, 18, 19, 20, 21]) {
        assert_eq!(package.get(&*format!("{n}.bin")).expect("it is there"), content(n));
        assert_eq!((source.stats().requests, source.stats().retries), (requests, 0));
    }
}

/// Starts a server. For each connection, it reads at most `read` bytes and then calls `serve`.
fn raw_server(read: usize, serve: fn(TcpStream)) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}/p", listener.local_addr().expect("it is bound"));
    let connections = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            count.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                let mut request = vec![0; read];
                let _ = stream.read(&mut request);
                serve(stream);
            });
        }
    });
    (url, connections)
}

const PARTIAL: &[u8] = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-65535/99999\r\n\
    Content-Length: 65536\r\n\r\n";

#[test]
fn a_slow_drip_ends_in_an_error() {
    // spec: R-HTTP-52
    // The server is never silent for long, and never ends its answer. The time limit for the whole
    // answer must end the fetch.
    let (url, connections) = raw_server(4096, |mut stream| {
        let _ = stream.write_all(PARTIAL);
        while stream.write_all(&[0xff]).is_ok() {
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let mut options = options();
    options.session.silence_millis_max = 100;
    options.session.retries_max = 1;
    let error = Package::open_url_with(&url, &options).expect_err("it never ends");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("too long"), "{error}");
    let max = options.session.requests_per_fetch_max() as usize;
    assert!((1..=max).contains(&connections.load(Ordering::Relaxed)));
}

#[test]
fn resets_end_in_an_error_that_says_so() {
    // spec: R-HTTP-17, R-HTTP-51
    // The server does not read the whole request. In this case, the system resets the connection
    // when the server closes it.
    let resets: [fn(TcpStream); 2] = [drop, |mut stream| {
        let _ = stream.write_all(PARTIAL);
        let _ = stream.write_all(&[0xff; 1000]);
    }];
    for serve in resets {
        let (url, connections) = raw_server(1, serve);
        let error = Package::open_url_with(&url, &options()).expect_err("nothing comes");
        let kinds = [ErrorKind::Unavailable, ErrorKind::Stale];
        assert!(kinds.contains(&error.kind()), "{error}");
        let max = options().session.requests_per_fetch_max() as usize;
        assert!((2..=max).contains(&connections.load(Ordering::Relaxed)), "{error}");
    }
}

#[test]
fn an_endless_body_takes_no_more_than_the_budget() {
    // spec: R-HTTP-50
    let server = Server::start(
        packed(3, content),
        Box::new(|seen, n, file| match n {
            0 => right(seen, file),
            _ => {
                let (first, last) = seen.range.expect("it is one");
                let range = format!("bytes {first}-{last}/{}", file.len());
                let body = file[first..].iter().copied().cycle().take(8 << 20).collect::<Vec<_>>();
                answer("206 Partial Content", &[("Content-Range", range)], &body)
            }
        }),
    );
    let mut options = options();
    options.session.bytes_max = 100_000;
    let (package, source) = open(&server, &options).expect("the head is right");
    let error = package.get("1.bin").expect_err("it goes on behind the range");
    assert!(matches!(error.kind(), ErrorKind::Limit | ErrorKind::Stale), "{error}");
    assert!(source.stats().bytes <= 100_000, "{:?}", source.stats());
}
