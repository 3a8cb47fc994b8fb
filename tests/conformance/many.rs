//! Reads of many regions over HTTP: the number of rounds of requests that they take, and whether
//! plans state exactly the requests that are sent.
//!
//! No test depends on the clock. The server adds 30 ms to each answer. It holds answers back until
//! the allowed number of requests is in progress. So the tests can count the rounds: how often a
//! reader had to wait. The time is only printed.

use core::ops::ControlFlow;
use dacti::fetch::HttpOptions;
use dacti::fetch::RemoteSource;
use dacti::report::Difference;
use dacti::{
    AsyncPackage, BuildOptions, EncodingChoice, Limits, Located, Package, PackageBuilder, Span,
};
use dacti_tests::program::program;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The delay of each answer, which makes rounds visible in the printed times.
const DELAY: Duration = Duration::from_millis(30);
/// The longest time that the server waits for expected requests. After this time the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The requests that arrived, and the rounds in which the server answered them.
#[derive(Debug, Default)]
struct Rounds {
    /// The number of requests of a round. The server answers when this many requests are in
    /// progress.
    at_once: usize,
    /// The number of announced requests that have not arrived yet.
    left: usize,
    waiting: usize,
    rounds: usize,
    seen: Vec<Span>,
    stuck: bool,
}

/// A server that answers requests for ranges of one file. It keeps connections open.
#[derive(Debug)]
struct Server {
    url: String,
    rounds: Arc<(Mutex<Rounds>, Condvar)>,
}

impl Server {
    fn start(file: Vec<u8>, change: fn(usize, &mut [u8])) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}/p.dacti-pack", listener.local_addr().expect("it is bound"));
        let rounds = Arc::<(Mutex<Rounds>, Condvar)>::default();
        let shared = (Arc::new(file), Arc::clone(&rounds));
        // The thread ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (file, rounds) = shared.clone();
                let Ok(stream) = stream else { return };
                std::thread::spawn(move || serve(stream, &file, &rounds, change));
            }
        });
        Self { url, rounds }
    }

    /// Announces `requests` requests in rounds of `at_once`. The server answers the requests of a
    /// round only when all of them have arrived. Returns the requested spans and the number of
    /// rounds since the last call.
    fn expect(&self, requests: usize, at_once: usize) -> (Vec<Span>, usize) {
        let mut rounds = self.rounds.0.lock().expect("no thread panicked");
        assert!(!rounds.stuck, "fewer requests at once than there may be: {rounds:?}");
        assert_eq!((rounds.left, rounds.waiting), (0, 0), "requests that did not come");
        let before = core::mem::take(&mut *rounds);
        (rounds.left, rounds.at_once) = (requests, at_once);
        let mut seen = before.seen;
        seen.sort_unstable();
        (seen, before.rounds)
    }
}

/// Waits until all requests of a round have arrived. The last round has only the requests that are
/// left of the announced ones.
fn wait_for_round(shared: &(Mutex<Rounds>, Condvar), range: Span) {
    let (rounds, changed) = shared;
    let mut rounds = rounds.lock().expect("no thread panicked");
    rounds.seen.push(range);
    rounds.waiting += 1;
    let own = rounds.rounds;
    if rounds.waiting >= rounds.at_once.min(rounds.left) {
        rounds.rounds += 1;
        rounds.left = rounds.left.saturating_sub(rounds.waiting);
        rounds.waiting = 0;
        changed.notify_all();
    } else {
        let full = changed.wait_timeout_while(rounds, PATIENCE, |rounds| rounds.rounds == own);
        let (mut rounds, ended) = full.expect("no thread panicked");
        rounds.stuck |= ended.timed_out();
    }
}

fn serve(
    mut stream: TcpStream,
    file: &[u8],
    rounds: &(Mutex<Rounds>, Condvar),
    change: fn(usize, &mut [u8]),
) {
    stream.set_nodelay(true).expect("it is open");
    let mut reader = BufReader::new(stream.try_clone().expect("it is open"));
    loop {
        let mut range = None;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                let line = line.trim_end().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("range: bytes=") {
                    let (first, last) = value.split_once('-').expect("it is closed");
                    let parse = |text: &str| text.parse::<usize>().expect("it is a number");
                    range = Some((parse(first), parse(last).min(file.len() - 1)));
                }
                if line.is_empty() {
                    break;
                }
            } else {
                return;
            }
        }
        let (first, last) = range.expect("every request has one");
        wait_for_round(rounds, Span { start: first as u64, end: last as u64 + 1 });
        std::thread::sleep(DELAY);
        let mut body = file[first..=last].to_vec();
        change(first, &mut body);
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/{}\r\n\
             Content-Length: {}\r\n\r\n",
            file.len(),
            body.len()
        );
        let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        if sent.is_err() {
            return;
        }
    }
}

/// The span of the head.
const HEAD: Span = Span { start: 0, end: 65_536 };

/// Returns the content of a region: 1 KiB that differs from the content of all other regions.
fn content(n: u32) -> Vec<u8> {
    n.to_le_bytes().repeat(256)
}

/// Returns a package of `count` regions of 1 KiB.
fn packed(count: u32) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("p.dacti-pack");
    let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    for n in 0..count {
        builder.add(format!("{n:06}"), content(n)).expect("a good path");
    }
    builder.build(&out).expect("it can be built");
    std::fs::read(out).expect("it was written")
}

fn open(server: &Server, gap: u64, concurrency: usize) -> (Package, Arc<RemoteSource>) {
    server.expect(1, concurrency);
    let by_default = HttpOptions::default();
    let limits = Limits { gap_len_max: gap, ..by_default.limits };
    let options = HttpOptions { concurrency, limits, ..by_default };
    Package::open_url_with(&server.url, &options).expect("it is good")
}

/// Gets regions as planned, and checks that the requests are the planned ones. Returns the number
/// of rounds, the number of requests, and the number of bytes. All three include the requests for
/// the head.
#[track_caller]
fn get_all(server: &Server, numbers: &[u32], gap: u64, concurrency: usize) -> (usize, usize, u64) {
    let start = Instant::now();
    let (package, source) = open(server, gap, concurrency);
    let keys: Vec<_> = numbers.iter().map(|n| format!("{n:06}")).collect();
    let plan = package.plan_get(keys.iter().map(String::as_str));
    assert_eq!(source.stats().requests, 1, "a plan sends nothing");
    let (_, mut rounds) = server.expect(plan.index.len(), concurrency);
    let found = package.find_many(keys.iter().map(String::as_str));
    let found: Vec<Located> =
        found.into_iter().map(|found| found.expect("it is sound").expect("it is there")).collect();
    let told = package.plan_get_at(found.iter().copied());
    let (seen, index_rounds) = server.expect(told.reads.len(), concurrency);
    assert_eq!(seen, plan.index, "what tells where they are");
    for (n, got) in numbers.iter().zip(package.get_many_at(found)) {
        assert_eq!(got.expect("it is there"), content(*n));
    }
    let (seen, data_rounds) = server.expect(0, concurrency);
    // spec: R-HTTP-65
    let mut expected = told.reads.clone();
    expected.insert(0, HEAD);
    assert_eq!(seen, expected, "the head once more, and the regions");
    rounds += index_rounds + data_rounds;
    // Each of the two plans includes a final request for the head, but only one such request is
    // sent. No plan includes the request for the head that opens the package. So the total number
    // of planned requests equals the number of sent requests.
    let requests = plan.requests() + told.requests();
    let bytes = plan.bytes() + told.bytes();
    assert_eq!((source.stats().requests, source.stats().bytes), (requests, bytes));
    println!(
        "{} regions: {requests} requests, {bytes} bytes, {rounds} rounds, {:?}",
        numbers.len(),
        start.elapsed()
    );
    (rounds, usize::try_from(requests).expect("it is small"), bytes)
}

#[test]
fn ten_thousand_regions_come_in_as_few_rounds_as_connections_and_bytes_allow() {
    const COUNT: usize = 10_000;
    let server = Server::start(packed(20_000), |_, _| ());
    // If regions are read one by one, each region takes one round for its bytes. If its index block
    // is not in memory, it takes another round for the block. The test counts the rounds for 40
    // regions.
    let (package, source) = open(&server, 0, 16);
    let start = Instant::now();
    server.expect(0, 1);
    for n in 0..40 {
        let got = package.get(&format!("{:06}", n * 500)).expect("it is there");
        assert_eq!(got, content(n * 500));
    }
    println!("one by one: {:?} a region", start.elapsed() / 40);
    let (seen, rounds) = server.expect(0, 1);
    assert_eq!((rounds, source.stats().requests), (seen.len(), 1 + seen.len() as u64));
    assert!(rounds >= 40);
    let one_by_one = COUNT;

    // The 10,000 regions are consecutive. Each has 1,024 bytes and a digest of 32 bytes. A request
    // has at most 4 MiB, so the regions take three requests, which are sent at once. At least three
    // rounds are needed: for the head, for the index, and for the regions.
    let numbers: Vec<_> = (5_000..15_000).collect();
    let (rounds, requests, bytes) = get_all(&server, &numbers, 16 << 10, 16);
    let least = 3;
    assert_eq!((COUNT * 1_056).div_ceil(4 << 20), 3);
    assert!(rounds <= 2 * least, "{rounds}");
    assert!(rounds * 10 <= one_by_one);
    assert!(requests <= 2 * (1 + 1 + 3), "{requests}");
    // The reader must fetch the regions with their digests, and the head twice. In addition, it may
    // fetch at most the whole index.
    let needed = (COUNT * 1_056) as u64 + 2 * HEAD.len();
    assert!(bytes <= 2 * needed && bytes - needed <= 20_000 * 25, "{bytes}");

    // No two regions are adjacent, and the reader may fetch no unused bytes. So each region takes
    // one request, and at most 64 requests are in progress at once. At least two rounds are needed
    // for the head and the index, and 10,000 / 64 rounds for the regions.
    let numbers: Vec<_> = (0..20_000).step_by(2).collect();
    let (rounds, requests, bytes) = get_all(&server, &numbers, 0, 64);
    let least = 2 + COUNT.div_ceil(64);
    assert!(rounds <= 2 * least, "{rounds} rounds, {least} at the least");
    assert!(rounds * 10 <= one_by_one);
    assert!(requests >= COUNT && bytes <= 2 * needed, "{requests} {bytes}");
}

#[test]
fn a_stale_answer_to_many_costs_what_is_wrong_with_it_alone() {
    // spec: R-HTTP-25, R-HTTP-65
    // If an answer holds more than one region from after the head, its second byte is wrong.
    let server = Server::start(packed(3_000), |first, body| {
        if first > 70_000 && body.len() > 100_000 {
            body[1] ^= 1;
        }
    });
    let (package, source) = open(&server, 0, 16);
    let keys: Vec<_> = (0..3_000).map(|n| format!("{n:06}")).collect();
    let plan = package.plan_get(keys.iter().map(String::as_str));
    server.expect(plan.index.len(), 16);
    let found = package.find_many(keys.iter().map(String::as_str));
    let found: Vec<_> = found.into_iter().flatten().flatten().collect();
    let before = source.stats().requests;
    let told = package.plan_get_at(found.iter().copied());
    assert_eq!(told.reads.len(), 1);
    // Three requests are expected: for all regions, for the wrong region alone, and for the head.
    server.expect(3, 1);
    for (n, got) in package.get_many_at(found).into_iter().enumerate() {
        assert_eq!(got.expect("it is read again"), content(n as u32));
    }
    let stats = source.stats();
    assert_eq!((stats.requests - before, stats.stale, stats.retries), (3, 1, 1));
    let (seen, _) = server.expect(0, 1);
    assert_eq!(seen.iter().map(Span::len).min(), Some(1_056), "that region alone");
}

#[test]
fn the_program_unpacks_and_verifies_by_few_requests_and_tells_them_before() {
    let server = Server::start(packed(3_000), |_, _| ());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let target = dir.path().join("out");
    let run = |verb: &str, options: &[&str]| {
        server.expect(0, 1);
        let mut command = Command::new(program());
        command.args([verb, &server.url]).args(options);
        let output = command.output().expect("it runs");
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{err}");
        (String::from_utf8(output.stdout).expect("it is text"), err)
    };
    let len = |spans: &[Span]| spans.iter().map(Span::len).sum::<u64>();
    // Compares a dry run of a verb with its run. The run must send exactly the planned requests,
    // and receive the planned number of bytes.
    let planned = |verb: &str, options: &[&str]| {
        let (out, _) = run(verb, &[options, &["--dry-run", "--json"]].concat());
        let plan: serde_json::Value = serde_json::from_str(&out).expect("it is JSON");
        let (seen, _) = server.expect(0, 1);
        let spent = (plan["spent"]["requests"].as_u64(), plan["spent"]["bytes"].as_u64());
        assert_eq!(spent, (Some(seen.len() as u64), Some(len(&seen))));
        assert!(!target.exists(), "nothing is written");
        let planned = plan["ranges"].as_array().expect("it is a list");
        let mut expected = seen.clone();
        expected.extend(planned.iter().map(|range| {
            let number = |name: &str| range[name].as_u64().expect("it is a number");
            Span::new(number("at"), number("len")).expect("it is a place")
        }));
        expected.sort_unstable();
        assert_eq!(plan["requests"], planned.len());
        assert_eq!(plan["bytes"], len(&expected) - len(&seen));
        (plan, seen, expected)
    };
    let (plan, seen, expected) = planned("ls", &[]);
    assert_eq!(
        (seen.len(), &plan["refused"]),
        (2, &0.into()),
        "the head, and a block of the index"
    );
    // The dry run looks up the names list. The run reads the whole index, and finds it there.
    let without_look_up = |spans: Vec<Span>| -> Vec<Span> {
        spans.into_iter().filter(|span| *span != seen[1]).collect()
    };
    let expected = without_look_up(expected);
    run("ls", &[]);
    let (mut all, _) = server.expect(0, 1);
    all.sort_unstable();
    assert_eq!(all, expected);
    // spec: R-HTTP-65
    let (plan, _, expected) = planned("verify", &[]);
    let expected = without_look_up(expected);
    assert_eq!(expected.iter().filter(|span| **span == HEAD).count(), 2, "the last look counts");
    // The 3,001 regions include the names list.
    assert_eq!((&plan["regions"], &plan["refused"]), (&3_001.into(), &0.into()));
    run("verify", &[]);
    let (all, _) = server.expect(0, 1);
    assert_eq!(all, expected);
    assert!(all.len() <= 6, "{all:?}");
    let to = target.to_str().expect("it is text");
    let (plan, seen, expected) = planned("unpack", &["-C", to]);
    assert_eq!((&plan["regions"], &plan["refused"]), (&3_000.into(), &0.into()));
    let (_, err) = run("unpack", &["-C", to, "--stats"]);
    let (all, _) = server.expect(0, 1);
    assert_eq!(all, expected);
    let requests = format!("{} requests, {} bytes", all.len(), len(&all));
    assert!(err.contains(&requests), "{err}");
    for n in [0, 1_234, 2_999] {
        let bytes = std::fs::read(target.join(format!("{n:06}"))).expect("it was written");
        assert_eq!(bytes, content(n));
    }
    // The files of all other regions exist already, so `unpack` fetches only the removed one.
    std::fs::remove_file(target.join("001234")).expect("it is there");
    server.expect(0, 1);
    let again = Command::new(program()).args(["unpack", &server.url, "-C", to]).output();
    assert_eq!(again.expect("it runs").status.code(), Some(3), "the others exist");
    let (again, _) = server.expect(0, 1);
    assert_eq!(len(&again) - len(&seen), 1_056 + HEAD.len());
    assert_eq!(std::fs::read(target.join("001234")).expect("it was written"), content(1_234));

    let (out, _) = run("get", &["001234", "--dry-run"]);
    assert!(out.contains("\nto fetch    1 request, 1056 bytes"), "{out}");
}

#[test]
fn an_index_is_read_whole_by_few_requests_at_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("p.dacti-pack");
    let (encoding, share) = (EncodingChoice::None, false);
    let options = BuildOptions { encoding, share, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    for n in 1..=30_000_u64 {
        let id = uuid::Uuid::from_u64_pair(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n);
        builder.add(id, vec![1; 8]).expect("a good id");
    }
    builder.build(&out).expect("it can be built");
    let server = Server::start(std::fs::read(out).expect("it was written"), |_, _| ());
    // The index has 118 groups of 6,136 bytes: 724,048 bytes.
    for (read_len, requests) in [(256 << 10, 3), (4 << 20, 1)] {
        server.expect(1, 1);
        let options = HttpOptions { read_len, ..HttpOptions::default() };
        let (package, _) = Package::open_url_with(&server.url, &options).expect("it is good");
        server.expect(requests, requests);
        assert_eq!(package.regions().expect("it is good").len(), 30_000);
        let (seen, rounds) = server.expect(0, 1);
        assert_eq!((seen.len(), rounds), (requests, 1));
        assert_eq!(package.plan_list().index[..requests], seen);
        // An `AsyncPackage` makes the same reads.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let (again, rounds) = runtime.expect("it starts").block_on(async {
            server.expect(1, 1);
            let opened = AsyncPackage::open_url_with(&server.url, &options).await;
            let package = opened.expect("it is good");
            server.expect(requests, requests);
            assert_eq!(package.regions().await.expect("it is good").len(), 30_000);
            server.expect(0, 1)
        });
        assert_eq!((again, rounds), (seen, 1));
    }
}

#[test]
fn regions_without_digests_are_compared_by_many_requests_at_once() {
    let packed = |changed: u32| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let out = dir.path().join("p.dacti-pack");
        let (encoding, seals) = (EncodingChoice::None, false);
        let options = BuildOptions { encoding, seals, ..BuildOptions::default() };
        let mut builder = PackageBuilder::new(options);
        for n in 0..48_u32 {
            let content = content(if n == changed { 99 } else { n });
            builder.add(format!("{n:06}"), content).expect("a good path");
        }
        builder.build(&out).expect("it can be built");
        Server::start(std::fs::read(out).expect("it was written"), |_, _| ())
    };
    let servers = [packed(48), packed(7)];
    let [(old, _), (new, _)] = servers.each_ref().map(|server| open(server, 0, 16));
    for (server, package) in servers.iter().zip([&old, &new]) {
        server.expect(1, 1);
        assert_eq!(package.names().expect("it is good").all().len(), 48);
        server.expect(48, 16);
    }
    let found = Difference::between(&old, &new, &mut |_| ControlFlow::Continue(()));
    let found = found.expect("both are good");
    assert_eq!((found.unchanged, found.changed.len()), (47, 1));
    for server in &servers {
        let (seen, rounds) = server.expect(0, 1);
        // After all reads of regions, the reader requests the head once more.
        assert_eq!((seen.len(), rounds), (49, 4));
    }
}

#[test]
fn packages_of_many_regions_are_compared_by_few_requests() {
    let (old, new) = (packed(3_000), packed(2_999));
    let [old, new] = [old, new].map(|file| Server::start(file, |_, _| ()));
    let output = Command::new(program()).args(["diff", &old.url, &new.url, "--json"]).output();
    let output = output.expect("it runs");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(found["unchanged"], 2_999, "{output:?}");
    assert_eq!(found["evidence"]["by_digest"], 2_999);
    for server in [&old, &new] {
        let (seen, _) = server.expect(0, 1);
        assert!(seen.len() <= 6, "{seen:?}");
    }
}

/// Returns a package of regions of 1 KiB that share most of their bytes with the dictionary. All
/// regions lie after the head.
fn packed_with_dictionary(count: u32) -> Vec<u8> {
    let mut shared = vec![0; 900];
    blake3::Hasher::new().finalize_xof().fill(&mut shared);
    let options = BuildOptions { encoding: EncodingChoice::Brotli, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    builder.set_dictionary(shared.clone()).expect("it is short enough");
    for n in 0..count {
        let content = [&shared[..], &n.to_le_bytes()].concat();
        builder.add(format!("{n:06}"), content).expect("a good path");
    }
    builder.build_to_vec().expect("it can be built").0
}

#[test]
fn the_dictionary_comes_once_in_the_round_of_the_first_region_that_needs_it() {
    let tail = |got: Vec<u8>| got[900..].to_vec();
    let server = Server::start(packed_with_dictionary(100), |_, _| ());
    let (package, source) = open(&server, 0, 16);
    let place = package.view().dictionary().expect("it has one").expect("it is inside");
    let sealed = Span { start: place.start, end: place.end + 32 };
    // The server answers only when both requests have arrived: for the dictionary and for the
    // region.
    server.expect(2, 2);
    assert_eq!(tail(package.get("000003").expect("it is sound")), 3_u32.to_le_bytes());
    let (seen, rounds) = server.expect(1, 1);
    assert_eq!((rounds, seen.len(), seen[0]), (1, 2, sealed));
    assert_eq!(tail(package.get("000070").expect("it is sound")), 70_u32.to_le_bytes());
    let (seen, _) = server.expect(0, 1);
    assert_eq!((seen.len(), source.stats().requests), (1, 4));

    // A stream also reads the dictionary and the region in one round.
    let (package, _) = open(&server, 0, 16);
    server.expect(2, 2);
    let mut content = Vec::new();
    let mut reader = package.reader("000009").expect("it is there");
    std::io::Read::read_to_end(&mut reader, &mut content).expect("it is sound");
    assert_eq!(tail(content), 9_u32.to_le_bytes());
    let (seen, rounds) = server.expect(0, 1);
    assert_eq!((rounds, seen.len(), seen[0]), (1, 2, sealed));

    // A plan for many regions includes the read of the dictionary. The reader sends it together
    // with the others.
    let (package, source) = open(&server, 0, 16);
    let keys = ["000001", "000050", "000099"];
    let plan = package.plan_get(keys);
    assert_eq!((plan.reads.len(), plan.reads[0]), (4, sealed));
    server.expect(4, 4);
    for (key, got) in keys.iter().zip(package.get_many(keys)) {
        let n: u32 = key.parse().expect("it is a number");
        assert_eq!(tail(got.expect("it is sound")), n.to_le_bytes());
    }
    let (seen, rounds) = server.expect(1, 1);
    // The final request for the head takes a round of its own.
    assert_eq!((rounds, seen.len()), (2, 5));
    assert_eq!(source.stats().bytes, plan.bytes() + HEAD.len());
    drop((package, source));

    // An `AsyncPackage` makes the same requests.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("it starts").block_on(async {
        let package = AsyncPackage::open_url(&server.url).await.expect("it is good");
        server.expect(2, 2);
        let got = package.get("000003").await.expect("it is sound");
        assert_eq!(tail(got), 3_u32.to_le_bytes());
        let (seen, rounds) = server.expect(1, 1);
        assert_eq!((rounds, seen.len(), seen[0]), (1, 2, sealed));
        package.get("000004").await.expect("it is sound");
        assert_eq!(package.stats().requests, 4);
        server.expect(0, 1);
    });
}
