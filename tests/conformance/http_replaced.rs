//! Another package replaces the package at the URL of an open session. No call may mix regions of
//! both packages.
//!
//! Both packages have the same paths, lengths and places. A region of one package therefore lies
//! where a view of the other package expects one, and its digest is right. So digests cannot show
//! that the package was replaced.

use crate::{Seen, Server, answer, content, len_field, options, packed, right};
use dacti::compact::CompactOptions;
use dacti::fetch::{HttpOptions, RemoteSource};
use dacti::publish::{Place, PublishOptions, publish, publish_whole, pull};
use dacti::seal::SecretKey;
use dacti::{AsyncPackage, Error, ErrorKind, Package, RegionName};
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use uuid::Uuid;

const REGIONS: usize = 6;

/// Returns the second package. Its regions are as long as those of the first package.
fn other() -> Vec<u8> {
    packed(REGIONS, |n| vec![n as u8 + 1; content(n).len()])
}

fn path(n: usize) -> String {
    format!("{n}.bin")
}

fn paths() -> Vec<String> {
    (0..REGIONS).map(path).collect()
}

/// Returns options with which each region takes its own request, one after the other.
fn one_by_one() -> HttpOptions {
    let mut options = HttpOptions { concurrency: 1, ..options() };
    options.limits.gap_len_max = 0;
    options.limits.read_len_max = 1;
    options
}

/// A server that replaces the package when the test sets a flag.
struct Replacing {
    server: Server,
    is_replaced: Arc<AtomicBool>,
}

impl Replacing {
    /// Starts the server. `modified` has the values of `Last-Modified` for the first and for the
    /// second package.
    fn start(modified: Option<(&'static str, &'static str)>) -> Self {
        let is_replaced = Arc::<AtomicBool>::default();
        let (switch, other) = (Arc::clone(&is_replaced), other());
        let script = move |seen: &Seen, _: usize, first: &[u8]| {
            let is_replaced = switch.load(Relaxed);
            let file = if is_replaced { &other } else { first };
            let Some((before, after)) = modified else { return right(seen, file) };
            let (first, last) = seen.range.expect("it is one");
            let time = if is_replaced { after } else { before };
            let fields = [
                ("Content-Range", format!("bytes {first}-{last}/{}", file.len())),
                ("Last-Modified", format!("Fri, 27 Nov 2026 00:00:0{time} GMT")),
                len_field(last + 1 - first),
            ];
            answer("206 Partial Content", &fields, &file[first..=last])
        };
        let server = Server::start(packed(REGIONS, content), Box::new(script));
        Self { server, is_replaced }
    }

    /// Starts a server without validators. It replaces the package after `requests` requests.
    fn after(requests: usize) -> Server {
        let other = other();
        Server::start(
            packed(REGIONS, content),
            Box::new(move |seen, n, first| right(seen, if n < requests { first } else { &other })),
        )
    }

    fn open(&self) -> (Package, Arc<RemoteSource>) {
        Package::open_url_with(&self.server.url, &one_by_one()).expect("the head is right")
    }
}

#[track_caller]
fn assert_replaced<T>(result: Result<T, Error>) {
    let error = result.map(drop).expect_err("another package is there");
    assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
}

#[test]
fn a_session_ends_for_good_when_its_file_is_replaced() {
    // spec: R-HTTP-32, R-HTTP-64
    // In the first case, the second package has the later time. In the second case, it has the
    // earlier time.
    for modified in [("1", "2"), ("2", "1")] {
        let replacing = Replacing::start(Some(modified));
        let (package, source) = replacing.open();
        assert_eq!(package.get("0.bin").expect("nothing has changed"), content(0));
        replacing.is_replaced.store(true, Relaxed);
        assert_replaced(package.get("1.bin"));
        let requests = source.stats().requests;
        for n in 0..REGIONS {
            assert_replaced(package.get(&*path(n)));
            assert_replaced(package.reader(&*path(n)).and_then(|mut reader| {
                let read = reader.read_to_end(&mut Vec::new());
                read.map_err(|error| error.downcast::<Error>().expect("it is one of ours"))
            }));
        }
        for got in package.get_many(paths().iter().map(String::as_str)) {
            assert_replaced(got);
        }
        assert_replaced(package.confirm());
        assert_eq!(source.stats().requests, requests, "nothing more is asked for");
    }
}

#[test]
fn an_async_session_ends_for_good_when_its_file_is_replaced() {
    // spec: R-HTTP-32, R-HTTP-64
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("it starts").block_on(async {
        let replacing = Replacing::start(Some(("2", "1")));
        let opened = AsyncPackage::open_url_with(&replacing.server.url, &one_by_one()).await;
        let package = opened.expect("the head is right");
        assert_eq!(package.get("0.bin").await.expect("nothing has changed"), content(0));
        replacing.is_replaced.store(true, Relaxed);
        assert_replaced(package.get("1.bin").await);
        for n in 0..REGIONS {
            assert_replaced(package.get(&*path(n)).await);
        }
        for got in package.get_many(paths().iter().map(String::as_str)).await {
            assert_replaced(got);
        }
        assert_replaced(package.confirm().await);
    });
}

#[test]
fn calls_for_many_regions_look_at_the_head_before_they_report_success() {
    // spec: R-HTTP-65
    // The package is replaced between two requests: at each possible moment between the request for
    // the head and the request for the last region.
    for requests in 1..=REGIONS {
        let open = || {
            let server = Replacing::after(requests);
            let (package, _) =
                Package::open_url_with(&server.url, &one_by_one()).expect("the head is right");
            (server, package)
        };
        let (_server, package) = open();
        for got in package.get_many(paths().iter().map(String::as_str)) {
            assert_replaced(got);
        }
        let (_server, package) = open();
        let paths = paths();
        let keys = paths.iter().map(RegionName::from);
        assert_replaced(package.visit_many(keys, |_, _| ControlFlow::Continue(())));
        let (_server, package) = open();
        let found = package.regions().expect("they are in the head");
        let readers = package.readers_at(found);
        while let Some((_, reader)) = readers.next() {
            // The answers have no validators, so the reader cannot distinguish the packages before
            // the final look at the head.
            reader.expect("it is there").read_to_end(&mut Vec::new()).expect("its digest fits");
        }
        assert_replaced(readers.finish());
        let (_server, package) = open();
        assert_replaced(package.verify(None, &mut |_| ControlFlow::Continue(())));
        let server = Replacing::after(requests);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("it starts").block_on(async {
            let opened = AsyncPackage::open_url_with(&server.url, &one_by_one()).await;
            let package = opened.expect("the head is right");
            for got in package.get_many(paths.iter().map(String::as_str)).await {
                assert_replaced(got);
            }
        });
    }
}

/// Compacts, signs, pulls and publishes a package that is replaced during the transfer. The results
/// would mix two packages, so none of them may get its final name.
#[test]
fn writers_of_a_whole_package_look_at_the_head_before_they_name_the_result() {
    // spec: R-HTTP-65
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("out");
    let place = || Place::in_folder(&out).expect("a place");
    let key = SecretKey::from_seed(&[7; 32], Uuid::from_u128(7));
    type Writer<'w> = &'w dyn Fn(&Package) -> Result<(), Error>;
    let writers: [Writer<'_>; 5] = [
        &|package| {
            let options = CompactOptions::default();
            package.compact(&out, &options, &mut |_| ControlFlow::Continue(())).map(drop)
        },
        &|package| {
            let options = CompactOptions::default();
            package.sign(&out, &key, &options, &mut |_| ControlFlow::Continue(())).map(drop)
        },
        &|package| pull(package, &out, &mut |_, _| ControlFlow::Continue(())).map(drop),
        &|package| publish(package, &place(), &PublishOptions::default()).map(drop),
        &|package| publish_whole(package, &place(), &PublishOptions::default()).map(drop),
    ];
    for (n, write) in writers.iter().enumerate() {
        for requests in 1..=2 {
            let server = Replacing::after(requests);
            let (package, _) =
                Package::open_url_with(&server.url, &one_by_one()).expect("the head is right");
            let written = write(&package);
            // If the writer succeeds, the server replaced the package only after the last request,
            // and the result is the first package.
            if written.is_ok() {
                assert!(server.seen().len() <= requests, "writer {n}, {requests} requests");
            } else {
                assert_replaced(written);
                assert!(!out.exists(), "writer {n}, {requests} requests");
            }
            let _ = std::fs::remove_file(&out);
        }
    }
}

#[test]
fn a_call_for_many_regions_takes_one_request_more_and_none_if_nothing_was_fetched() {
    // spec: R-HTTP-65
    let server =
        Server::start(packed(REGIONS, content), Box::new(|seen, _, file| right(seen, file)));
    let opened = Package::open_url_with(&server.url, &one_by_one());
    let (package, source) = opened.expect("it is good");
    let got = package.get_many(paths().iter().map(String::as_str));
    assert!(got.iter().all(Result::is_ok));
    assert_eq!(source.stats().requests as usize, 1 + REGIONS + 1);
    let look = server.seen().pop().expect("it was the last");
    assert_eq!(look.range, Some((0, 65_535)));
    assert!(look.target.contains("?g=0-"), "past the caches: {}", look.target);
    package.confirm().expect("nothing was fetched since");
    let none: [&str; 0] = [];
    assert!(package.get_many(none).is_empty());
    assert_eq!(source.stats().requests as usize, 1 + REGIONS + 1);
}

#[test]
fn a_file_that_is_no_package_any_more_is_replaced() {
    // spec: R-HTTP-32
    let server = Server::start(
        packed(REGIONS, content),
        Box::new(|seen, n, file| match n {
            0..=1 => right(seen, file),
            _ => right(seen, &b"<html>gone</html>".repeat(70_000)),
        }),
    );
    let opened = Package::open_url_with(&server.url, &one_by_one());
    let (package, _) = opened.expect("the head is right");
    assert_eq!(package.get("0.bin").expect("nothing has changed"), content(0));
    assert_replaced(package.confirm());
    // After it has noticed the replacement, the session sends no further requests.
    let sent = server.seen().len();
    assert_replaced(package.get("1.bin"));
    assert_replaced(package.confirm());
    assert_eq!(server.seen().len(), sent);
}
