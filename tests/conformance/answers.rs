//! Entry points of the fuzzers for bytes that arrive over a network: answers of an HTTP server, and
//! ranges from a transport. The input of the fuzzer is a script of these answers.
//!
//! Each result must be the right bytes or an error, and the number of requests must be bounded.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use dacti::fetch::{Doubt, Fetching, Remote, RemoteFile};
use dacti::{AsyncPackage, Error, ErrorKind, Limits, PackageBuilder};
use dacti_http::{End, Fetch, Options, Request, Response, Session, Want};
use daicon_core::Span;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The length of the scripted server's file.
const FILE_LEN: u64 = 70_000;

fn file_bytes(span: Span) -> Vec<u8> {
    let end = span.end.min(FILE_LEN);
    (span.start.min(end)..end).map(|at| 1 + ((at * 7 + at / 251) % 255) as u8).collect()
}

/// Returns scripts. Each line is one answer: its status or the way in which the attempt ends, and
/// then fields after semicolons. The words `FIRST`, `LAST`, `COUNT` and `TOTAL` stand for numbers
/// from the request.
pub fn http_seeds() -> Vec<(String, Vec<u8>)> {
    let right = "206;content-range=bytes FIRST-LAST/TOTAL;content-length=COUNT";
    let tries = [
        "206;content-range=bytes FIRST-LAST/*",
        "200;content-length=TOTAL",
        "200",
        "206;content-range=bytes 0-LAST/TOTAL",
        "206;content-range=bytes FIRST-99999999999/TOTAL",
        "206;content-range=bytes FIRST-LAST/7;etag=\"x\"",
        "206;content-length=COUNT",
        "206;content-type=multipart/byteranges; boundary=x;content-range=bytes FIRST-LAST/TOTAL",
        "206;content-encoding=gzip;content-range=bytes FIRST-LAST/TOTAL",
        "206;content-range=bytes FIRST-LAST/TOTAL;body=9",
        "206;content-range=bytes FIRST-LAST/TOTAL;body=90;end=reset",
        "206;content-range=bytes FIRST-LAST/TOTAL;content-range=bytes 0-9/10",
        "416;content-range=bytes */TOTAL",
        "416;content-range=bytes */30000",
        "503;retry-after=3",
        "404",
        "reset",
        "timeout",
        "unreachable",
    ];
    let mut seeds = vec![("right".to_owned(), right.into())];
    for (n, first) in tries.iter().enumerate() {
        let mut script = format!("{first}\n{first}\n");
        for again in tries.iter().skip(n) {
            let _ = writeln!(script, "{again}");
        }
        seeds.push((format!("{first} first"), format!("{script}{right}").into_bytes()));
        seeds.push((format!("{first} once"), format!("{first}\n{right}").into_bytes()));
    }
    seeds
}

/// Fetches the head, a short range and a long range. For each fetch, the lines of the script are
/// the answers to its requests. The last line answers all further requests.
pub fn http(script: &[u8]) {
    let script = String::from_utf8_lossy(script);
    let lines: Vec<&str> = script.lines().collect();
    let fetches: [fn(&Session) -> Fetch; 3] = [
        Fetch::head,
        |session| Fetch::range(session, Span { start: 66_000, end: 67_000 }),
        |session| Fetch::range(session, Span { start: 100, end: 69_000 }),
    ];
    let options = Options { upload_waits_max: 1, silent_retries_max: 1, ..Options::default() };
    let mut session = Session::new(options);
    for (number, fetch) in fetches.into_iter().enumerate() {
        let mut fetch = fetch(&session);
        let asked = fetch.span();
        let (mut got, mut sent) = (Vec::new(), 0);
        let fetched = loop {
            match fetch.want(&mut session, 0xa5) {
                Err(_) => break false,
                Ok(Want::Wait(_)) => {}
                Ok(Want::Nothing) => break true,
                Ok(Want::Send(request)) => {
                    sent += 1;
                    assert!(sent <= options.requests_per_fetch_max(), "{sent} requests");
                    let line = lines.get(sent as usize - 1).or(lines.last()).copied();
                    answer(&mut fetch, &mut session, &request, line.unwrap_or_default(), &mut got);
                }
            }
        };
        if fetched {
            // An answer may state that the file is shorter than the head, so the fetched head may
            // be shorter.
            let end = if number == 0 { got.len() as u64 } else { asked.end };
            assert!(got == file_bytes(Span { start: asked.start, end }), "wrong bytes: {script:?}");
        }
    }
}

/// Feeds one answer to the fetch. The fields of the answer state a position in the file, and the
/// body has the file's bytes from this position on.
fn answer(
    fetch: &mut Fetch,
    session: &mut Session,
    request: &Request,
    line: &str,
    got: &mut Vec<u8>,
) {
    let asked = request.range.unwrap_or(Span { start: 0, end: FILE_LEN });
    let last = asked.end.min(FILE_LEN).saturating_sub(1);
    let count = (last + 1).saturating_sub(asked.start);
    let line = line
        .replace("FIRST", &asked.start.to_string())
        .replace("LAST", &last.to_string())
        .replace("COUNT", &count.to_string())
        .replace("TOTAL", &FILE_LEN.to_string());
    let mut parts = line.split(';');
    let status = match parts.next().unwrap_or_default() {
        "reset" => return fetch.end(session, End::Reset),
        "timeout" => return fetch.end(session, End::Timeout),
        "unreachable" => return fetch.end(session, End::Unreachable),
        status => status.trim().parse().unwrap_or(500),
    };
    let mut response = Response::new(status);
    let (mut at, mut len, mut end) = (0_u64, FILE_LEN, End::Complete);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name {
            "body" => len = value.parse().unwrap_or(len),
            "end" => end = if value == "reset" { End::Reset } else { End::Timeout },
            _ => response = response.with_field(name, value.as_bytes()),
        }
        // `Content-Range` matters only with status 206. Bodies of other answers start at the start
        // of the file. The unit `bytes` may be in upper or lower case, or missing.
        let value = value.trim().to_ascii_lowercase();
        let range = value.strip_prefix("bytes").map_or(&*value, str::trim_start);
        if status == 206
            && name.eq_ignore_ascii_case("content-range")
            && let Some((first, rest)) = range.split_once('-')
        {
            at = first.trim().parse().unwrap_or(at);
            let last: Option<u64> =
                rest.split('/').next().and_then(|last| last.trim().parse().ok());
            len = len.min(last.map_or(len, |last| last.saturating_add(1).saturating_sub(at)));
        }
    }
    if !fetch.response(session, &response) {
        return;
    }
    let body = file_bytes(Span { start: at, end: at.saturating_add(len) });
    for piece in body.chunks(9_999) {
        let (delivery, more) = fetch.body(session, piece);
        if let Some(delivery) = delivery {
            let at = (delivery.at - fetch.span().start) as usize;
            assert!(at <= got.len(), "a hole");
            got.truncate(at);
            got.extend_from_slice(delivery.bytes);
        }
        if !more {
            return;
        }
    }
    fetch.end(session, end);
}

/// Returns a package with seals, and its contents. Its regions lie after the head.
fn sealed() -> &'static (Vec<u8>, Vec<(String, Vec<u8>)>) {
    type Regions = Vec<(String, Vec<u8>)>;
    static SEALED: OnceLock<(Vec<u8>, Regions)> = OnceLock::new();
    SEALED.get_or_init(|| {
        let content = |n: usize| format!("content {n}, ").repeat(n + 1).into_bytes();
        let files: Vec<_> = (0..6).map(|n| (format!("{n}.txt"), content(n * 97))).collect();
        let mut builder = PackageBuilder::new(dacti::BuildOptions::default());
        for (path, content) in &files {
            builder.add(path.as_str(), content.clone()).expect("the path is good");
        }
        (builder.build_to_vec().expect("it can be built").0, files)
    })
}

/// The number of reports of wrong bytes after which the scripted transport gives up. Before that,
/// it offers another way to fetch the bytes each time.
const DOUBTS_MAX: u64 = 3;

/// A transport whose answers follow a script. Each byte of the script decides one answer.
#[derive(Debug)]
struct Scripted {
    file: RemoteFile,
    script: Vec<u8>,
    fetches: AtomicU64,
    doubts: AtomicU64,
}

impl Remote for Scripted {
    fn file(&self) -> &RemoteFile {
        &self.file
    }

    fn fetch(self: Arc<Self>, span: Span) -> Fetching<Vec<u8>> {
        let n = self.fetches.fetch_add(1, Ordering::Relaxed);
        let act = self.script.get(n as usize).copied().unwrap_or_default();
        let whole = &sealed().0;
        let from = |at: u64| {
            let len = (span.end - span.start) as usize;
            let start = (at as usize).min(whole.len());
            whole[start..whole.len().min(start + len)].to_vec()
        };
        let mut bytes = from(span.start);
        match act % 8 {
            0..3 => {}
            3 => bytes.fill(0),
            4 => bytes.truncate(bytes.len() / 2),
            5 => bytes = from(span.start + u64::from(act)),
            6 => bytes.iter_mut().step_by(7).for_each(|byte| *byte ^= act),
            _ => {
                let (place, kind) = ("script".into(), ErrorKind::Unavailable);
                let error = Error::Remote { place, kind, source: "no answer".into() };
                return Box::pin(core::future::ready(Err(error)));
            }
        }
        Box::pin(core::future::ready(Ok(bytes)))
    }

    fn is_final(&self, _span: Span) -> bool {
        false
    }

    fn doubt(&self, _span: Span, _why: Doubt) -> Result<bool, Error> {
        Ok(self.doubts.fetch_add(1, Ordering::Relaxed) < DOUBTS_MAX)
    }
}

pub fn remote_seeds() -> Vec<(String, Vec<u8>)> {
    let acts = (0..8_u8).map(|act| (format!("act {act}"), vec![act, 0, act, act, 0, act]));
    acts.chain([("right".to_owned(), vec![0; 8])]).collect()
}

/// Reads every region of a package through a transport that follows a script.
pub fn remote(script: &[u8]) {
    let (whole, files) = sealed();
    let file = RemoteFile::new(whole[..65_536].to_vec(), whole.len() as u64);
    let (fetches, doubts) = (AtomicU64::new(0), AtomicU64::new(0));
    let remote = Arc::new(Scripted { file, script: script.to_vec(), fetches, doubts });
    // After a wrong digest, a reader can search the index for the region that has this digest.
    // These limits forbid the search. The default limits over HTTP forbid it, too.
    let limits = Limits { explained_entries_max: 0, ..Limits::default() };
    let opened = ready(AsyncPackage::from_remote(Arc::clone(&remote) as _, limits));
    let package = opened.expect("the head is right");
    for (path, content) in files {
        if let Ok(found) = ready(package.get(path.as_str())) {
            assert!(found == *content, "wrong bytes of {path}");
        }
    }
    let paths = files.iter().map(|(path, _)| path.as_str());
    for (found, (path, content)) in ready(package.get_many(paths)).into_iter().zip(files) {
        assert!(found.is_err() || found.is_ok_and(|found| found == *content), "{path}");
    }
    // Each region is read alone, and then together with all others. Each of these reads fetches an
    // index block and the region, and may have to fetch both of them twice. Each report of wrong
    // bytes can cause all of these fetches again.
    let fetched = remote.fetches.load(Ordering::Relaxed);
    let max = 20 * (files.len() as u64 + DOUBTS_MAX);
    assert!(fetched <= max, "{fetched} fetches");
}

/// Returns the output of a future that never has to wait.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing has to be waited for"),
    }
}
