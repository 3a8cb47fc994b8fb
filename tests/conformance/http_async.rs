//! The async package sends the same requests as the blocking package. It runs on one thread, which
//! never blocks.

use crate::{
    Script, Seen, Server, answer, content, len_field, options, packed, read_request, right,
};
use dacti::fetch::HttpOptions;
use dacti::seal::SealPolicy;
use dacti::{
    AsyncPackage, BuildOptions, EncodingChoice, Error, ErrorKind, Package, PackageBuilder,
};
use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::task::JoinSet;

/// Runs a future to its end on one thread.
fn block_on<T>(future: impl Future<Output = T> + Send) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("it starts").block_on(future)
}

async fn open(server: &Server, options: &HttpOptions) -> Result<AsyncPackage, Error> {
    AsyncPackage::open_url_with(&server.url, options).await
}

fn good(file: Vec<u8>) -> Server {
    Server::start(file, Box::new(|seen, _, file| right(seen, file)))
}

/// Returns the requested ranges. Other fields of the requests differ from server to server.
fn ranges(server: &Server) -> Vec<Option<(usize, usize)>> {
    server.seen().into_iter().map(|seen| seen.range).collect()
}

#[test]
fn regions_come_by_the_requests_of_the_blocking_package() {
    // spec: R-HTTP-01
    type Make = fn() -> Vec<u8>;
    // The region lies in the head, shortly after the head, or far after it.
    let packages: [(Make, u64); 4] = [
        (|| packed(3, content), 2),
        (|| packed(1_500, |n| n.to_le_bytes().repeat(25)), 2),
        (|| packed(3_000, |n| vec![n as u8; 100]), 3),
        (|| packed(100_000, |n| n.to_le_bytes().repeat(25)), 3),
    ];
    for (make, requests) in packages {
        let (blocking, server) = (good(make()), good(make()));
        let (package, _) = Package::open_url_with(&blocking.url, &options()).expect("it is good");
        let expected = package.get("1.bin").expect("it is there");
        block_on(async {
            let package = open(&server, &options()).await.expect("it is good");
            assert_eq!(package.get("1.bin").await.expect("it is there"), expected);
            assert_eq!(package.stats().requests, requests);
            assert_eq!(ranges(&server), ranges(&blocking));
            assert_eq!(package.find("no such").await.expect("it is sound"), None);
            assert!(package.stats().requests <= requests + 1);
            let error = package.get("no such").await.expect_err("it is not there");
            assert_eq!(error.kind(), ErrorKind::NotFound);
            let located = package.locate("1.bin").await.expect("it is there");
            assert_eq!(package.get_at(located).await.expect("it is there"), expected);
        });
    }
}

#[test]
fn many_regions_come_by_few_requests_at_once() {
    let server = Server::start(
        packed(400, |n| vec![n as u8; 30_000]),
        Box::new(|seen, _, file| {
            std::thread::yield_now();
            right(seen, file)
        }),
    );
    block_on(async {
        let package = open(&server, &options()).await.expect("it is good");
        let mut paths: Vec<_> = (0..400).map(|n| format!("{n}.bin")).collect();
        paths.push("no such".into());
        let mut got = package.get_many(paths.iter().map(String::as_str)).await;
        let last = got.pop().expect("one for each key");
        assert_eq!(last.expect_err("it is not there").kind(), ErrorKind::NotFound);
        for (n, got) in got.into_iter().enumerate() {
            assert_eq!(got.expect("it is there"), vec![n as u8; 30_000]);
        }
        // The regions take 12 MB, and a request fetches at most 4 MiB.
        assert!(package.stats().requests <= 6, "{:?}", package.stats());
        assert!(server.connections.load(Ordering::Relaxed) > 1, "at once");
        let listed = package.list().await.expect("it is sound");
        // `list` leaves out the names list, and `regions` includes it.
        assert_eq!((listed.len(), package.regions().await.expect("sound").len()), (400, 401));
    });
}

#[test]
fn one_package_serves_many_tasks() {
    let server = good(packed(40, content));
    block_on(async {
        let package = Arc::new(open(&server, &options()).await.expect("it is good"));
        let mut tasks = JoinSet::new();
        for n in 0..40 {
            let package = Arc::clone(&package);
            tasks.spawn(async move { (n, package.get(&*format!("{n}.bin")).await) });
        }
        while let Some(done) = tasks.join_next().await {
            let (n, got) = done.expect("it did not panic");
            assert_eq!(got.expect("it is there"), content(n));
        }
    });
}

fn brotli(content: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("p");
    let options = BuildOptions { encoding: EncodingChoice::Brotli, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    builder.add("long", content.to_vec()).expect("the path is good");
    builder.add("empty", Vec::new()).expect("the path is good");
    builder.build(&out).expect("it can be built");
    std::fs::read(out).expect("it was written")
}

#[test]
fn an_empty_region_has_a_seal_that_is_fetched() {
    // The empty region lies after the head, so the reader fetches its seal and nothing else.
    let server = good(packed(3, |n| if n == 1 { Vec::new() } else { vec![7; 50_000] }));
    block_on(async {
        let package = open(&server, &options()).await.expect("it is good");
        let mut reader = package.reader("1.bin").await.expect("it is there");
        assert!(reader.located().span.is_empty() && reader.located().span.start > 65_536);
        assert_eq!(reader.chunk().await.expect("it is sound"), None);
        assert_eq!(reader.verdict(), Some(dacti::seal::Verdict::Digest));
    });
}

#[test]
fn a_region_is_streamed_piece_by_piece() {
    // Brotli makes these pseudo-random bytes only a little shorter.
    let long: Vec<u8> =
        (0..70_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    for file in [packed(1, |_| long.clone()), brotli(&long)] {
        let path = if file == brotli(&long) { "long" } else { "0.bin" };
        let server = good(file);
        let options = HttpOptions { read_len: 50_000, ..options() };
        block_on(async {
            let package = open(&server, &options).await.expect("it is good");
            let mut reader = package.reader(path).await.expect("it is there");
            let stored = reader.located().span.len();
            let mut read = Vec::new();
            while let Some(chunk) = reader.chunk().await.expect("it is sound") {
                assert!(reader.verdict().is_some() || read.len() + chunk.len() < long.len());
                read.extend(chunk);
            }
            assert!(read == long, "{path}");
            assert!(reader.verdict().is_some(), "it was verified");
            assert_eq!(package.stats().requests, 1 + stored.div_ceil(50_000));
            assert_eq!(reader.chunk().await.expect("it has ended"), None);
        });
    }
}

#[test]
fn stale_answers_are_escalated_and_wrong_bytes_never_come() {
    // spec: R-HTTP-20, R-HTTP-21
    let wrong: Box<Script> = Box::new(|seen: &Seen, n, file| {
        let mut whole = right(seen, file);
        if n > 0 && !seen.target.contains("?g=0") {
            *whole.last_mut().expect("it is not empty") ^= 1;
        }
        whole
    });
    let server = Server::start(packed(3, content), wrong);
    block_on(async {
        let package = open(&server, &options()).await.expect("the head is right");
        assert_eq!(package.get("1.bin").await.expect("the query helps"), content(1));
        assert_eq!(package.stats().escalations, 1);
        let mut reader = package.reader("2.bin").await.expect("it is there");
        let mut read = Vec::new();
        while let Some(chunk) = reader.chunk().await.expect("the query helps") {
            read.extend(chunk);
        }
        assert_eq!(read, content(2));
    });
    let always: Box<Script> = Box::new(|seen: &Seen, n, file| {
        let mut whole = right(seen, file);
        if n > 0 && seen.range != Some((0, 65_535)) {
            *whole.last_mut().expect("it is not empty") ^= 1;
        }
        whole
    });
    let server = Server::start(packed(3, content), always);
    block_on(async {
        let package = open(&server, &options()).await.expect("the head is right");
        let error = package.get("1.bin").await.expect_err("nothing helps");
        assert_eq!(error.kind(), ErrorKind::Stale, "{error}");
        let many = package.get_many(["0.bin", "2.bin"]).await;
        assert!(many.iter().all(Result::is_err), "{many:?}");
        let package = package.require(SealPolicy::Nothing);
        assert!(package.get("1.bin").await.is_ok(), "nobody looks at digests");
    });
}

#[test]
fn of_many_regions_the_wrong_one_alone_is_fetched_again() {
    // spec: R-HTTP-21, R-HTTP-65
    let file = packed(9, content);
    let package = Package::from_bytes(file.clone()).expect("it is good");
    let at = package.locate("4.bin").expect("it is there").span.start as usize;
    type IsWrong = fn(usize) -> bool;
    // Only the region `4.bin` is damaged, and only in some answers. In the first case, only the
    // read that covers all regions returns wrong bytes. In the second case, the later read of this
    // region alone also returns wrong bytes.
    let scripts: [(IsWrong, u64, bool); 2] = [(|n| n == 1, 4, true), (|_| true, 5, false)];
    for (is_wrong, requests, comes) in scripts {
        let script: Box<Script> = Box::new(move |seen: &Seen, n, file| {
            let mut whole = right(seen, file);
            let (first, last) = seen.range.expect("it is one");
            if n > 0 && is_wrong(n) && (first..=last).contains(&at) {
                let body = whole.len() - (last.min(file.len() - 1) + 1 - first);
                whole[body + at - first] ^= 1;
            }
            whole
        });
        let server = Server::start(file.clone(), script);
        block_on(async {
            let package = open(&server, &options()).await.expect("the head is right");
            let paths: Vec<_> = (0..9).map(|n| format!("{n}.bin")).collect();
            let many = package.get_many(paths.iter().map(String::as_str)).await;
            for (n, got) in many.into_iter().enumerate() {
                match got {
                    Ok(got) => assert!(got == content(n), "{n}"),
                    Err(error) => {
                        assert!(n == 4 && !comes, "{n}: {error}");
                        assert_eq!(error.kind(), ErrorKind::Stale, "{error}");
                    }
                }
            }
            let stats = package.stats();
            if comes {
                assert_eq!(stats.requests, requests, "head, all, one of them, and the head again");
            } else {
                assert!(stats.requests >= requests, "{stats:?}");
            }
            assert!(
                server
                    .seen()
                    .iter()
                    .filter(|seen| {
                        seen.range.is_some_and(|(first, last)| first > 0 && last - first > 100_000)
                    })
                    .count()
                    == 1,
                "the joined read is not done again: {:?}",
                server.seen()
            );
        });
    }
}

#[test]
fn of_many_regions_those_that_cannot_be_fetched_are_told_by_their_own_kind() {
    let server = Server::start(
        packed(40, |n| vec![n as u8; 200_000]),
        Box::new(|seen, _, file| match seen.range {
            Some((first, _)) if first > 3 << 20 => answer("403 No", &[len_field(0)], b""),
            _ => right(seen, file),
        }),
    );
    block_on(async {
        let package = open(&server, &options()).await.expect("the head is right");
        let paths: Vec<_> = (0..40).map(|n| format!("{n}.bin")).collect();
        let many = package.get_many(paths.iter().map(String::as_str)).await;
        let (got, failed): (Vec<_>, Vec<_>) = many.into_iter().partition(Result::is_ok);
        assert!(!got.is_empty() && !failed.is_empty(), "{} {}", got.len(), failed.len());
        for error in failed {
            assert_eq!(error.expect_err("it failed").kind(), ErrorKind::Denied);
        }
        let found = package.find_many(["0.bin", "no such"]).await;
        assert!(matches!(&found[..], [Ok(Some(_)), Ok(None)]), "{found:?}");
    });
}

#[test]
fn a_long_index_is_fetched_once() {
    let server = good(packed(100_000, |n| vec![n as u8; 3]));
    block_on(async {
        let package = open(&server, &options()).await.expect("it is good");
        let index = package.view().index().len();
        assert!(index > 2_400_000, "{index}");
        assert_eq!(package.regions().await.expect("it is sound").len(), 100_001);
        assert_eq!(package.stats().requests, 2, "in one piece of 4 MiB");
        assert_eq!(package.list().await.expect("it is sound").len(), 100_000);
    });
}

#[test]
fn heads_that_make_no_sense_are_asked_for_past_the_cache() {
    // spec: R-HTTP-30
    let server = Server::start(
        packed(3, content),
        Box::new(|seen, _, file| {
            let mut whole = right(seen, file);
            if !seen.target.contains('?') {
                let body = whole.len() - 65_536;
                whole[body..body + 100].fill(0);
            }
            whole
        }),
    );
    block_on(async {
        let opened = AsyncPackage::open_url_with(&server.url, &options()).await;
        assert!(opened.is_ok(), "{opened:?}");
    });
    assert!(server.seen()[1].target.contains("?g=0-"), "{:?}", server.seen());
    let server = good(b"not a package at all, and long enough to be one".repeat(9));
    let error = block_on(async { open(&server, &options()).await.expect_err("it is none") });
    assert!(error.to_string().contains("signature"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn budgets_and_servers_without_ranges_are_as_elsewhere() {
    // spec: R-HTTP-40, R-HTTP-50
    let server = good(packed(3, content));
    let mut frugal = options();
    frugal.session.requests_max = 1;
    block_on(async {
        let package = open(&server, &frugal).await.expect("one request is enough");
        let error = package.get("1.bin").await.expect_err("two are too many");
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    });
    let file = packed(3, content);
    let whole: Box<Script> =
        Box::new(|_, _, file| answer("200 OK", &[len_field(file.len())], file));
    let server = Server::start(file.clone(), whole);
    let mut generous = options();
    generous.session.whole_len_max = 2 << 20;
    block_on(async {
        let package = open(&server, &generous).await.expect("the head comes with the file");
        assert_eq!(package.get("1.bin").await.expect("from the file"), content(1));
        assert!(package.is_whole());
        let mut reader = package.reader("2.bin").await.expect("it is there");
        assert!(reader.chunk().await.expect("from the file").is_some());
        let mut frugal = options();
        frugal.session.whole_len_max = 1000;
        let package = open(&server, &frugal).await.expect("the head comes with the file");
        let error = package.get("1.bin").await.expect_err("the file is too long");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    });
}

#[test]
fn a_future_that_is_dropped_ends_its_requests() {
    let file = packed(3, content);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}/p", listener.local_addr().expect("it is bound"));
    let (ended, ends) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("it connects");
            let mut reader = BufReader::new(stream.try_clone().expect("it is open"));
            while let Some(seen) = read_request(&mut reader) {
                if seen.range == Some((0, 65_535)) {
                    stream.write_all(&right(&seen, &file)).expect("it is read");
                    continue;
                }
                // The server does not answer, so this read returns only when the client closes the
                // connection.
                let rest = reader.read(&mut [0]);
                ended.send(rest.is_ok_and(|read| read == 0)).expect("somebody waits");
            }
        }
    });
    block_on(async move {
        let mut options = options();
        options.session.first_byte_millis_max = 60_000;
        options.session.silence_millis_max = 60_000;
        let package = AsyncPackage::open_url_with(&url, &options).await.expect("it is good");
        let reserved = package.stats().requests;
        let get = tokio::time::timeout(Duration::from_millis(50), package.get("1.bin"));
        assert!(get.await.is_err(), "nobody answers");
        // A task on this thread owns the connection. The loop lets the thread run this task, which
        // closes the connection.
        let closed = async move {
            loop {
                if let Ok(closed) = ends.try_recv() {
                    return closed;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let closed = tokio::time::timeout(Duration::from_secs(20), closed).await;
        assert!(closed.expect("the request has ended"), "by closing the connection");
        assert_eq!(package.stats().requests, reserved + 1);
    });
}
