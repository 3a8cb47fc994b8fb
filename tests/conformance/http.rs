//! Packages over HTTP: from correct servers on loopback, and from servers with faults that real
//! servers and caches are known to have.
//!
//! A hostile server answers by a script, so each fault is the same in every run. A reader must
//! return the right bytes or an error that names the cause. It must never return wrong bytes, and
//! never exceed the budget.

mod http_archives;
mod http_async;
mod http_hostile;
mod http_killed;
mod http_program;
mod http_replaced;
mod http_streams;
mod http_updates;
mod http_upload;

use dacti::fetch::RemoteSource;
use dacti::fetch::{HttpOptions, SessionOptions, Stats};
use dacti::update::{Update, UpdateOptions};
use dacti::{BuildOptions, Content, EncodingChoice, Error, ErrorKind, Package, PackageBuilder};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request, as it arrived at the server.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    target: String,
    range: Option<(usize, usize)>,
    fields: Vec<(String, String)>,
}

type Script = dyn Fn(&Seen, usize, &[u8]) -> Vec<u8> + Send + Sync;

/// A server that answers by a script. The script returns the bytes to send. If this answer does not
/// state that the connection stays open, the server then closes the connection.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn start(file: Vec<u8>, script: Box<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}/p.dacti-pack", listener.local_addr().expect("it is bound"));
        let (seen, connections) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::default());
        let shared = (Arc::clone(&seen), Arc::clone(&connections), Arc::new((file, script)));
        // The thread ends with the process. Each test has its own process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (seen, connections, world) = shared.clone();
                AtomicUsize::fetch_add(&connections, 1, Ordering::Relaxed);
                std::thread::spawn(move || serve(stream, &seen, &world));
            }
        });
        Self { url, seen, connections }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no thread panicked").clone()
    }
}

fn serve(stream: TcpStream, seen: &Mutex<Vec<Seen>>, (file, script): &(Vec<u8>, Box<Script>)) {
    let mut reader = BufReader::new(stream.try_clone().expect("it is open"));
    let mut stream = stream;
    while let Some(request) = read_request(&mut reader) {
        let n = {
            let mut seen = seen.lock().expect("no thread panicked");
            seen.push(request.clone());
            seen.len() - 1
        };
        let answer = script(&request, n, file);
        let sent = stream.write_all(&answer);
        if sent.is_err() || !is_framed(&answer) {
            return;
        }
    }
}

/// Returns whether an answer states the length of its body.
fn is_framed(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let len = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    len.and_then(|len| len.parse().ok()) == Some(answer.len() - end - 4)
}

fn read_request(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut fields = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        fields.push((name.to_lowercase(), value.to_owned()));
    }
    let range = fields.iter().find(|(name, _)| name == "range");
    let range = range.and_then(|(_, value)| value.strip_prefix("bytes=")?.split_once('-'));
    let range = range.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    Some(Seen { target, range, fields })
}

/// Returns an answer with this status line, these fields and this body.
fn answer(status: &str, fields: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in fields {
        answer.extend(format!("{name}: {value}\r\n").into_bytes());
    }
    answer.extend(b"\r\n");
    answer.extend(body);
    answer
}

fn len_field(len: usize) -> (&'static str, String) {
    ("Content-Length", len.to_string())
}

/// Returns the answer that a correct server gives.
fn right(seen: &Seen, file: &[u8]) -> Vec<u8> {
    let Some((first, last)) = seen.range else {
        return answer("200 OK", &[len_field(file.len())], file);
    };
    if first >= file.len() {
        let range = format!("bytes */{}", file.len());
        return answer("416 No", &[("Content-Range", range), len_field(0)], b"");
    }
    let last = last.min(file.len() - 1);
    let range = format!("bytes {first}-{last}/{}", file.len());
    let body = &file[first..=last];
    answer("206 Partial Content", &[("Content-Range", range), len_field(body.len())], body)
}

fn content(n: usize) -> Vec<u8> {
    (0..20_000 + n * 1_000).map(|i| ((i * i) >> 5) as u8 ^ (n as u8)).collect()
}

fn packed(regions: usize, content: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("p.dacti-pack");
    // The whole package lies in one slice, so requests for all regions have the same tag.
    let (encoding, slice_len) = (EncodingChoice::None, 1 << 20);
    let options = BuildOptions { encoding, slice_len, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    for n in 0..regions {
        builder.add(format!("{n}.bin"), Content::from(content(n))).expect("the path is good");
    }
    builder.build(&out).expect("it can be built");
    std::fs::read(out).expect("it was written")
}

/// Returns options with short waits, so that the tests end soon.
fn options() -> HttpOptions {
    let session = SessionOptions {
        backoff_millis: 1,
        backoff_millis_max: 2,
        first_byte_millis_max: 300,
        silence_millis_max: 300,
        upload_waits_max: 0,
        bytes_per_second_min: 1 << 20,
        skip_len_max: 0,
        ..SessionOptions::default()
    };
    HttpOptions { session, ..HttpOptions::default() }
}

fn open(server: &Server, options: &HttpOptions) -> Result<(Package, Arc<RemoteSource>), Error> {
    Package::open_url_with(&server.url, options)
}

/// Opens a package of three regions and reads one region. `script` answers all requests. It must
/// answer the request for the head correctly.
fn get(script: Box<Script>) -> (Result<Vec<u8>, Error>, Stats, Vec<Seen>) {
    let server = Server::start(packed(3, content), script);
    let (package, source) = open(&server, &options()).expect("the head is right");
    let got = package.get("1.bin");
    if let Ok(bytes) = &got {
        assert!(*bytes == content(1), "wrong bytes");
    }
    let max = SessionOptions::default().requests_per_fetch_max();
    assert!(source.stats().requests <= max + 1, "{:?}", source.stats());
    (got, source.stats(), server.seen())
}

/// Does the same as `get`, but `script` gets only the requests for the region, numbered from 0.
fn get_behind_head(
    script: impl Fn(&Seen, usize, &[u8]) -> Vec<u8> + Send + Sync + 'static,
) -> (Result<Vec<u8>, Error>, Stats, Vec<Seen>) {
    get(Box::new(move |seen, n, file| match n {
        0 => right(seen, file),
        n => script(seen, n - 1, file),
    }))
}

#[test]
fn a_cold_region_takes_two_requests_by_one_connection() {
    // spec: R-HTTP-01, R-HTTP-02
    let server = Server::start(packed(3, content), Box::new(|seen, _, file| right(seen, file)));
    let (package, source) = open(&server, &options()).expect("it is good");
    assert_eq!(package.get("1.bin").expect("it is there"), content(1));
    assert_eq!(package.find("no such").expect("the index is in the head"), None);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(server.connections.load(Ordering::Relaxed), 1, "the connection is used again");
    assert_eq!(seen[0].range, Some((0, 65_535)));
    let span = package.locate("1.bin").expect("it is there").span;
    let last = span.end as usize + 32 - 1;
    assert_eq!(seen[1].range, Some((span.start as usize, last)), "the region with its seal");
    for seen in &seen {
        let value = |name| seen.fields.iter().find(|field| field.0 == name).map(|f| f.1.as_str());
        assert_eq!(value("accept-encoding"), Some("identity"));
        for never in ["if-range", "if-match", "if-none-match", "cache-control", "pragma"] {
            assert_eq!(value(never), None);
        }
    }
    let bytes = 65_536 + 21_000 + 32;
    assert_eq!((source.stats().requests, source.stats().bytes), (2, bytes));
}

#[test]
fn a_large_package_takes_one_request_more() {
    let file = packed(3_000, |n| vec![n as u8; 10]);
    let server = Server::start(file, Box::new(|seen, _, file| right(seen, file)));
    let (package, source) = open(&server, &options()).expect("it is good");
    assert_eq!(package.get("1234.bin").expect("it is there"), [210; 10]);
    assert_eq!(source.stats().requests, 3);
    assert_eq!(package.find("no such").expect("it is sound"), None);
    assert!(source.stats().requests <= 4);
}

/// The index of 100,000 regions has 393 groups and lies after the head. Each look-up of a random
/// region needs a block that no earlier look-up read.
#[test]
fn look_ups_one_by_one_soon_read_the_index_in_few_requests() {
    let file = packed(100_000, |n| vec![n as u8; 16]);
    let looked_up: Vec<_> = (0..100).map(|n| (n * 7919) % 100_000).collect();
    let server = Server::start(file, Box::new(|seen, _, file| right(seen, file)));
    let (package, source) = open(&server, &options()).expect("it is good");
    for n in &looked_up {
        assert_eq!(package.get(&format!("{n}.bin")).expect("it is there"), vec![*n as u8; 16]);
    }
    let asked_freely = source.stats();
    assert!(asked_freely.requests <= 110, "{asked_freely:?}");

    // If the budget limits the bytes, the reader fetches only the wanted bytes.
    let mut options = options();
    options.session.bytes_max = 1 << 24;
    let (package, source) = open(&server, &options).expect("it is good");
    for n in &looked_up {
        package.get(&format!("{n}.bin")).expect("it is there");
    }
    let asked_sparingly = source.stats();
    assert!(asked_sparingly.requests > 150, "{asked_sparingly:?}");
    assert!(asked_sparingly.bytes < asked_freely.bytes / 2, "{asked_sparingly:?}");
}

#[test]
fn what_goes_wrong_once_is_cured() {
    // spec: R-CDN-33, R-HTTP-32
    type Bad = fn(&Seen, &[u8]) -> Vec<u8>;
    let bads: &[(&str, Bad)] = &[
        ("416", |_, _| answer("416 No", &[("Content-Range", "*/9".into()), len_field(0)], b"")),
        ("no answer", |_, _| Vec::new()),
        ("garbage", |_, _| b"SSH-2.0-x\r\n".to_vec()),
        ("503", |_, _| answer("503 Later", &[len_field(0)], b"")),
        ("ignored range", |_, file| answer("200 OK", &[len_field(1 << 30)], file)),
        ("shorter file", |_, file| answer("200 OK", &[len_field(70_000)], &file[..70_000])),
        ("gzip", |seen, _| {
            let (first, last) = seen.range.expect("it is one");
            let range = format!("bytes {first}-{last}/999999");
            let gzip = ("Content-Encoding", "gzip".into());
            answer("206 Partial Content", &[("Content-Range", range), gzip], b"\x1f\x8b")
        }),
        ("shifted bytes", |seen, file| {
            let (first, last) = seen.range.expect("it is one");
            let range = format!("bytes {first}-{last}/{}", file.len());
            let body = &file[first + 1..last + 2];
            answer("206 Partial Content", &[("Content-Range", range), len_field(body.len())], body)
        }),
        ("zeros", |seen, file| {
            let (first, last) = seen.range.expect("it is one");
            let range = format!("bytes {first}-{last}/{}", file.len());
            let body = vec![0; last + 1 - first];
            answer("206 Partial Content", &[("Content-Range", range), len_field(body.len())], &body)
        }),
        ("wrong range", |seen, file| {
            let (first, last) = seen.range.expect("it is one");
            let range = format!("bytes {}-{}/{}", first - 5, last - 5, file.len());
            let body = &file[first - 5..=last - 5];
            answer("206 Partial Content", &[("Content-Range", range), len_field(body.len())], body)
        }),
        ("endless", |seen, file| {
            let (first, last) = seen.range.expect("it is one");
            let range = format!("bytes {first}-{last}/{}", file.len());
            answer("206 Partial Content", &[("Content-Range", range)], &file[first..])
        }),
    ];
    for (name, bad) in bads {
        let bad = *bad;
        let (got, stats, _) = get_behind_head(move |seen, n, file| match n {
            0 => bad(seen, file),
            _ => right(seen, file),
        });
        assert!(got.is_ok(), "{name}: {got:?}");
        assert_eq!((stats.requests, stats.retries), (3, 1), "{name}");
        // If the right bytes can be fetched only with a query, the reader uses a query.
        let (got, stats, seen) = get_behind_head(move |seen, _, file| {
            if seen.target.contains("?g=0") { right(seen, file) } else { bad(seen, file) }
        });
        assert!(got.is_ok(), "{name}: {got:?}");
        assert_eq!(stats.escalations, 1, "{name}");
        assert_eq!(seen.last().map(|seen| &*seen.target), Some("/p.dacti-pack?g=0"), "{name}");
        // If every answer is wrong, the error says so.
        for head_is_right in [true, false] {
            let (got, ..) = get_behind_head(move |seen, _, file| match seen.range {
                Some((0, _)) if head_is_right => right(seen, file),
                _ => bad(seen, file),
            });
            let error = got.expect_err("nothing helps");
            let kind = match *name {
                "no answer" | "garbage" | "503" => ErrorKind::Unavailable,
                "ignored range" | "gzip" => ErrorKind::Unsupported,
                // The bytes match no digest, so the reader fetches the head again. The answer to
                // that request is also wrong, and is no head of a package.
                "shifted bytes" | "zeros" if !head_is_right => ErrorKind::Replaced,
                _ => ErrorKind::Stale,
            };
            assert_eq!(error.kind(), kind, "{name}, {head_is_right}: {error}");
        }
    }
}

#[test]
fn odd_but_right_answers_are_taken() {
    // spec: R-HTTP-10, R-HTTP-11
    let (got, stats, _) = get_behind_head(|seen, n, file| {
        let (first, last) = seen.range.expect("it is one");
        let etag = ("ETag", format!("W/\"{n}\""));
        let range = ("Content-Range", format!("bytes {first}-{last}/*"));
        // The answer does not state its length, so its body ends when the connection ends.
        answer("206 Partial Content", &[range, etag], &file[first..=last])
    });
    assert!(got.is_ok(), "{got:?}");
    assert_eq!((stats.requests, stats.retries), (2, 0));
}

#[test]
fn redirects_are_followed_once_and_kept_and_circles_end() {
    // spec: R-HTTP-19, R-HTTP-50
    let to = |place: &str| answer("302 Found", &[("Location", place.into()), len_field(0)], b"");
    let server = Server::start(
        packed(3, content),
        Box::new(move |seen, _, file| match &*seen.target {
            "/p.dacti-pack" => to("/there"),
            "/there" => to("/final?v=1"),
            _ => right(seen, file),
        }),
    );
    let (package, source) = open(&server, &options()).expect("it is good");
    assert_eq!(package.get("1.bin").expect("it is there"), content(1));
    let targets: Vec<_> = server.seen().into_iter().map(|seen| seen.target).collect();
    assert_eq!(targets, ["/p.dacti-pack", "/there", "/final?v=1", "/final?v=1"]);
    assert_eq!((source.stats().requests, source.stats().redirects), (4, 2));

    let server = Server::start(Vec::new(), Box::new(move |_, _, _| to("/p.dacti-pack")));
    let error = open(&server, &options()).expect_err("it is a circle");
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("circle"), "{error}");
    assert_eq!(server.seen().len(), 11);
}

#[test]
fn headers_are_sent_and_secrets_are_not_told() {
    let server =
        Server::start(Vec::new(), Box::new(|_, _, _| answer("403 No", &[len_field(0)], b"")));
    let url = server.url.replace("http://", "http://me:secret@") + "?sig=secret";
    let headers = vec![("X-Token".into(), "secret".into())];
    let error = Package::open_url_with(&url, &HttpOptions { headers, ..options() });
    let error = error.expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    let seen = server.seen();
    assert!(seen[0].fields.contains(&("x-token".into(), "secret".into())));
    assert!(seen[0].fields.iter().any(|field| field.0 == "authorization"));
}

#[test]
fn a_server_without_ranges_is_read_whole_where_the_file_is_short() {
    // spec: R-HTTP-13, R-HTTP-40
    let whole = |_: &Seen, _: usize, file: &[u8]| answer("200 OK", &[len_field(file.len())], file);
    let short = packed(1, |_| vec![7; 10]);
    let small = Server::start(short.clone(), Box::new(whole));
    let (package, source) = open(&small, &options()).expect("it is good");
    assert_eq!(package.get("0.bin").expect("it is there"), [7; 10]);
    assert!(source.is_whole());
    assert_eq!(source.stats().requests, 1);

    let long = packed(40, |n| vec![n as u8; 100_000]);
    let server = Server::start(long.clone(), Box::new(whole));
    let (package, source) = open(&server, &options()).expect("the head is in the answer");
    let error = package.get("39.bin").expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains(&long.len().to_string()), "{error}");
    assert!(source.stats().bytes < 1 << 20);

    let mut options = options();
    options.session.allow_whole = true;
    options.session.bytes_per_second_min = 1 << 16;
    let (package, source) = open(&server, &options).expect("the head is in the answer");
    assert_eq!(package.get("39.bin").expect("it is allowed"), [39; 100_000]);
    let requests = source.stats().requests;
    assert_eq!(package.get("38.bin").expect("it is there"), [38; 100_000]);
    assert_eq!(source.stats().requests, requests, "it is at hand");
    assert!(source.is_whole());
}

#[test]
fn a_budget_ends_in_an_error_before_it_is_passed() {
    // spec: R-HTTP-50
    let server = Server::start(packed(3, content), Box::new(|seen, _, file| right(seen, file)));
    let mut options = options();
    options.session.bytes_max = 65_536 + 21_031;
    let (package, source) = open(&server, &options).expect("that much is allowed");
    assert_eq!(package.get("1.bin").expect_err("one byte too many").kind(), ErrorKind::Limit);
    assert_eq!(package.get("0.bin").expect("it is shorter"), content(0));
    assert_eq!(source.stats().requests, 2);
    options.session.requests_max = 1;
    let (package, _) = open(&server, &options).expect("that much is allowed");
    assert_eq!(package.get("0.bin").expect_err("it is the second").kind(), ErrorKind::Limit);
}

#[test]
fn a_head_that_makes_no_sense_is_asked_for_past_the_cache() {
    // spec: R-HTTP-30
    let server = Server::start(
        packed(3, content),
        Box::new(|seen, _, file| {
            if seen.target.contains("?g=0-") {
                return right(seen, file);
            }
            right(seen, &vec![0; file.len()])
        }),
    );
    let (package, source) = open(&server, &options()).expect("it is good");
    assert_eq!(package.get("0.bin").expect("a nonce brings it"), content(0));
    assert_eq!((source.stats().stale, source.stats().escalations), (3, 2));
}

#[test]
fn another_file_in_its_place_is_told() {
    // spec: R-HTTP-32, R-CDN-32
    let other = packed(4, |n| content(n + 7));
    let server = Server::start(
        packed(3, content),
        Box::new(move |seen, n, file| right(seen, if n == 0 { file } else { &other })),
    );
    let (package, _) = open(&server, &options()).expect("the head is right");
    let error = package.get("1.bin").expect_err("it is not there any more");
    assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
}

#[test]
fn another_file_of_the_same_shape_is_told_by_the_state_that_its_answers_are_of() {
    // spec: R-HTTP-64, R-HTTP-32
    // Both packages have the same lengths and places, and their digests are right. Only the state
    // of the file (`Last-Modified`) shows the difference.
    let other = packed(4, |n| vec![n as u8; content(n).len()]);
    let grown = packed(4, content);
    for (file, is_same) in [(grown, true), (other, false)] {
        let server = Server::start(
            packed(4, content),
            Box::new(move |seen, n, first| {
                let file = if n < 2 { first } else { &file };
                let (first, last) = seen.range.expect("it is one");
                let fields = [
                    ("Content-Range", format!("bytes {first}-{last}/{}", file.len())),
                    ("Last-Modified", format!("Fri, 27 Nov 2026 00:00:0{} GMT", (n / 2).min(1))),
                    len_field(last + 1 - first),
                ];
                answer("206 Partial Content", &fields, &file[first..=last])
            }),
        );
        let (package, source) = open(&server, &options()).expect("the head is right");
        assert_eq!(package.get("0.bin").expect("nothing has changed"), content(0));
        assert_eq!(source.stats().requests, 2);
        match package.get("1.bin") {
            Ok(got) => assert!(is_same && got == content(1)),
            Err(error) => {
                assert!(!is_same, "{error}");
                assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
            }
        }
        assert_eq!(source.stats().requests, 4, "the range, and one look at the head");
        if is_same {
            assert_eq!(package.get("2.bin").expect("it is there"), content(2));
            assert_eq!(source.stats().requests, 5, "of a state that is known");
        }
    }
}

#[test]
fn another_file_that_comes_while_the_first_is_opened_is_opened_in_its_place() {
    // spec: R-HTTP-64, R-HTTP-32
    // An update of each package removed one region and added another one. So the index was folded,
    // and lies after the head. Opening the package reads this index together with its fences.
    let folded = |byte: u8| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("p");
        std::fs::write(&path, packed(3_000, |_| vec![byte; 8])).expect("it is written");
        let mut update = Update::open(&path, UpdateOptions::default()).expect("it is good");
        update.remove("3.bin").expect("the path is good");
        update.put("new", vec![byte; 8]).expect("the path is good");
        update.plan().expect("there is room").apply().expect("it is written");
        std::fs::read(&path).expect("it was updated")
    };
    let (file, other) = (folded(1), folded(2));
    assert_eq!(file.len(), other.len());
    let server = Server::start(
        file,
        Box::new(move |seen, n, first| {
            let file = if n == 0 { first } else { &other };
            let (first, last) = seen.range.expect("it is one");
            let fields = [
                ("Content-Range", format!("bytes {first}-{last}/{}", file.len())),
                ("ETag", format!("\"{}\"", n.min(1))),
                len_field(last + 1 - first),
            ];
            answer("206 Partial Content", &fields, &file[first..=last])
        }),
    );
    let (package, source) = open(&server, &options()).expect("the other one is as good");
    // The reader sends five requests. First it fetches the head of the first file, and the index
    // with the fences. Then it looks at the head again, and finds the head of the other file. So it
    // fetches this head and the other index with its fences.
    assert_eq!(source.stats().requests, 5, "{:?}", server.seen());
    let region = |n: u32| package.get(&*format!("{n}.bin")).expect("it is there");
    assert_eq!((region(1), region(2)), (vec![2; 8], vec![2; 8]), "of the file that is open");
}

#[test]
fn many_regions_come_by_few_requests_at_once() {
    let file = packed(400, |n| vec![n as u8; 30_000]);
    let server = Server::start(
        file,
        Box::new(|seen, _, file| {
            std::thread::yield_now();
            right(seen, file)
        }),
    );
    let (package, source) = open(&server, &options()).expect("it is good");
    let paths: Vec<_> = (0..400).map(|n| format!("{n}.bin")).collect();
    let got = package.get_many(paths.iter().map(String::as_str));
    for (n, got) in got.into_iter().enumerate() {
        assert_eq!(got.expect("it is there"), vec![n as u8; 30_000]);
    }
    // The regions take 12 MB, and a request fetches at most 4 MiB.
    assert!(source.stats().requests <= 6, "{:?}", source.stats());
    assert!(server.connections.load(Ordering::Relaxed) > 1, "at once");
}

#[test]
fn a_source_is_dropped_and_read_within_another_runtime() {
    let server = Server::start(packed(3, content), Box::new(|seen, _, file| right(seen, file)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
    runtime.block_on(async {
        let (package, _) = open(&server, &options()).expect("it is good");
        assert_eq!(package.get("1.bin").expect("it is there"), content(1));
    });
}

#[test]
fn a_server_that_says_nothing_is_left_in_time() {
    // spec: R-HTTP-52
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}/p", listener.local_addr().expect("it is bound"));
    let mut options = options();
    options.session.first_byte_millis_max = 20;
    options.session.retries_max = 1;
    options.connect_timeout = Duration::from_millis(500);
    let error = Package::open_url_with(&url, &options).expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("too long"), "{error}");
    drop(listener);
    let error = Package::open_url_with(&url, &options).expect_err("nobody is there");
    assert!(error.to_string().contains("could not be reached"), "{error}");
}
