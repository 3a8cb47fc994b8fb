//! Tests of fetches from scripted servers: the requests that a fetch sends, and its result.
//!
//! No socket is involved: the tests call the machine of `dacti-http` directly.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "the numbers in tests are small, and fail by panics"
)]

use dacti_http::{
    Coding, Doubt, End, Error, Fault, Fetch, Grid, Identity, News, Options, Request, Response,
    Session, Stats, Tag, Want,
};
use daicon_core::Span;
use proptest::prelude::*;
use std::sync::LazyLock;

const LEN: u64 = 200_000;
const MANY: u64 = 1 << 16;

/// How the server answers one request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Right,
    /// The requested range, without a `Content-Length`.
    Unframed,
    /// The requested range. Its `Content-Range` gives the total as `*`.
    Star,
    /// A body with only this many bytes, from the start of the range. The `Content-Range` gives the
    /// total as `*`.
    StarOf(u64),
    /// The right bytes, from a state of the file with a different `ETag` and a total that is larger
    /// by this number.
    Grown(u64),
    /// The whole file, with status 200.
    Whole,
    WholeUnframed,
    /// The whole file, with status 200. Its length is this number of bytes.
    WholeOf(u64),
    WholeCut(u64, End),
    /// The right headers, and a wrong body: bytes that lie this many positions later in the file.
    Shifted(u64),
    /// The right headers, with zeros as the body.
    Zeros,
    /// A range that starts and ends this many bytes later. The headers state that range.
    Elsewhere(u64),
    NoContentRange,
    Multipart,
    Gzip,
    GzipWhole,
    /// The right headers, and a body that ends after this many bytes.
    Cut(u64, End),
    /// A body with only this many bytes, from the start of the range. The `Content-Range` states
    /// this shorter range.
    Fewer(u64),
    /// A body that is this many bytes too long. The `Content-Length` states its real length.
    Longer(u64),
    /// A body without a stated length that is longer than the requested range.
    Endless,
    /// A range that is this many bytes too long. The `Content-Range` states this longer range.
    Wider(u64),
    NotSatisfiable,
    /// Status 416, which states that the file has this length.
    NotSatisfiableOf(u64),
    /// Status 416 if the range exceeds the end of the file, and the right answer otherwise.
    Strict,
    Status(u16),
    Later(u16, u64),
    None(End),
}
use Act::{
    Cut, Elsewhere, Endless, Fewer, Grown, Gzip, GzipWhole, Later, Longer, Multipart,
    NoContentRange, NotSatisfiable, NotSatisfiableOf, Right, Shifted, Star, StarOf, Status, Strict,
    Unframed, Whole, WholeCut, WholeOf, WholeUnframed, Wider, Zeros,
};

struct Reply {
    answer: Option<Response>,
    body: Vec<u8>,
    end: End,
}

/// A file without zero bytes, in which nearby bytes differ.
static FILE: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..LEN).map(|at| 1 + ((at * 7 + at / 251) % 255) as u8).collect());

fn reply(act: Act, request: &Request, file: &[u8]) -> Reply {
    let len = file.len() as u64;
    let asked = request.range.unwrap_or(Span { start: 0, end: len });
    let span = Span { start: asked.start, end: asked.end.min(len) };
    let bytes = |span: Span| {
        let end = span.end.min(len) as usize;
        file[(span.start as usize).min(end)..end].to_vec()
    };
    let further = |n| Span { start: span.start + n, end: span.end + n };
    let longer = |n| Span { end: span.end + n, ..span };
    let fewer = |n: u64| Span { end: span.end.min(span.start + n), ..span };
    let to = |end| Span { start: 0, end };
    let (total, whole) = (len.to_string(), Response::new(200));
    let right = framed(partial(span, &total), span.len());
    let (answer, body, end) = match act {
        Right if request.range.is_none() => (framed(whole, len), bytes(to(len)), End::Complete),
        Unframed => (partial(span, &total), bytes(span), End::Complete),
        StarOf(n) => {
            let span = Span { end: span.start + n, ..span };
            (framed(partial(span, "*"), span.len()), bytes(span), End::Complete)
        }
        Star => (framed(partial(span, "*"), span.len()), bytes(span), End::Complete),
        Grown(n) => {
            let answer = framed(partial(span, &(len + n).to_string()), span.len());
            (answer.with_field("ETag", n.to_string().as_bytes()), bytes(span), End::Complete)
        }
        Whole => (framed(whole, len), bytes(to(len)), End::Complete),
        WholeUnframed => (whole, bytes(to(len)), End::Complete),
        WholeOf(n) => (framed(whole, n), bytes(to(n)), End::Complete),
        WholeCut(n, end) => (framed(whole, len), bytes(to(n)), end),
        Shifted(n) => (right, bytes(further(n)), End::Complete),
        Zeros => (right, vec![0; span.len() as usize], End::Complete),
        Elsewhere(n) => (framed(partial(further(n), "*"), span.len()), bytes(span), End::Complete),
        NoContentRange => (framed(Response::new(206), span.len()), bytes(span), End::Complete),
        Multipart => {
            let kind = b"Multipart/ByteRanges; boundary=x";
            (right.with_field("Content-Type", kind), b"--x".to_vec(), End::Complete)
        }
        Gzip => (right.with_field("Content-Encoding", b"gzip"), vec![31; 9], End::Complete),
        GzipWhole => (whole.with_field("Content-Encoding", b"gzip"), vec![31; 9], End::Complete),
        Cut(n, end) => (right, bytes(fewer(n)), end),
        Fewer(n) => {
            let span = fewer(n);
            (framed(partial(span, &total), span.len()), bytes(span), End::Complete)
        }
        Longer(n) => {
            (framed(partial(span, &total), span.len() + n), bytes(longer(n)), End::Complete)
        }
        Endless => (partial(span, &total), bytes(longer(len)), End::Timeout),
        Wider(n) => {
            let span = longer(n);
            (framed(partial(span, "*"), span.len()), bytes(span), End::Complete)
        }
        NotSatisfiable => (not_satisfiable("*/77"), b"no".to_vec(), End::Complete),
        NotSatisfiableOf(len) => {
            (not_satisfiable(&format!("bytes */{len}")), b"no".to_vec(), End::Complete)
        }
        Strict if request.range.is_some_and(|range| range.end > len) => {
            return reply(NotSatisfiableOf(len), request, file);
        }
        Right | Strict => (right, bytes(span), End::Complete),
        Status(status) => (Response::new(status), b"no".to_vec(), End::Complete),
        Later(status, secs) => {
            let answer = Response::new(status);
            (answer.with_field("Retry-After", secs.to_string().as_bytes()), vec![], End::Complete)
        }
        Act::None(end) => return Reply { answer: None, body: Vec::new(), end },
    };
    Reply { answer: Some(answer), body, end }
}

fn not_satisfiable(range: &str) -> Response {
    Response::new(416).with_field("Content-Range", range.as_bytes())
}

fn partial(span: Span, total: &str) -> Response {
    // For an empty span, this gives an invalid range. Tests need such answers, too.
    let last = span.end.wrapping_sub(1);
    let range = format!("bytes {}-{last}/{total}", span.start);
    Response::new(206).with_field("content-range", range.as_bytes())
}

fn framed(answer: Response, len: u64) -> Response {
    answer.with_field("Content-Length", len.to_string().as_bytes())
}

/// The requests, waits and result of a fetch.
#[derive(Debug)]
struct Run {
    result: Result<Vec<u8>, Error>,
    /// Each request as `FIRST-LAST`, and its tag after a space.
    sent: Vec<String>,
    waits: Vec<u64>,
}

/// Runs a fetch to its end. For each request, `act` chooses the answer of the server. `doubt`
/// judges the received bytes.
fn run(
    fetch: &mut Fetch,
    session: &mut Session,
    file: &[u8],
    mut act: impl FnMut(&Request, usize) -> Act,
    doubt: impl Fn(&[u8]) -> Option<Doubt>,
) -> Run {
    let (mut sent, mut waits, mut got) = (Vec::new(), Vec::new(), Vec::new());
    let bound = session.options().requests_per_fetch_max();
    let result = loop {
        match fetch.want(session, 0xa5) {
            Err(error) => break Err(error),
            Ok(Want::Wait(millis)) => waits.push(millis),
            Ok(Want::Nothing) => match doubt(&got) {
                None => break Ok(got),
                Some(why) => fetch.doubt(session, why),
            },
            Ok(Want::Send(request)) => {
                sent.push(shown(&request));
                assert!(sent.len() as u64 <= bound, "{sent:?}");
                let reply = reply(act(&request, sent.len() - 1), &request, file);
                feed(fetch, session, &reply, &mut got);
            }
        }
    };
    assert_eq!(fetch.want(session, 0).is_ok(), result.is_ok(), "an end is an end");
    Run { result, sent, waits }
}

fn feed(fetch: &mut Fetch, session: &mut Session, reply: &Reply, got: &mut Vec<u8>) {
    let Some(answer) = &reply.answer else { return fetch.end(session, reply.end) };
    if !fetch.response(session, answer) {
        return;
    }
    for piece in reply.body.chunks(999) {
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
    fetch.end(session, reply.end);
}

fn shown(request: &Request) -> String {
    let range = request.range.map_or("whole".to_owned(), |r| format!("{}-{}", r.start, r.end - 1));
    let resolve = if request.resolve { " anew" } else { "" };
    let tag = match request.tag {
        Tag::Nonce { slice, .. } => format!(" g={slice}-N"),
        Tag::Slice(slice) => format!(" g={slice}"),
        Tag::None => String::new(),
    };
    format!("{range}{tag}{resolve}")
}

/// Options that allow three retries after timeouts, and no waits for an upload.
fn options() -> Options {
    Options {
        skip_len_max: 70_000,
        whole_len_max: 100_000,
        silent_retries_max: 3,
        upload_waits_max: 0,
        ..Options::default()
    }
}

fn counted(count: impl Fn(&mut Stats)) -> Stats {
    let mut stats = Stats::default();
    count(&mut stats);
    stats
}

fn session() -> Session {
    let mut session = Session::new(options());
    session.set_grid(Grid { slice_len: MANY, fresh_end: MANY });
    session
}

/// Fetches 1,000 bytes from position 100,000 on. The server follows `acts`, and repeats the last
/// act.
fn play(session: &mut Session, acts: &[Act]) -> Run {
    play_span(session, acts, Span { start: 100_000, end: 101_000 })
}

fn play_span(session: &mut Session, acts: &[Act], span: Span) -> Run {
    let act = |_: &Request, n: usize| *acts.get(n).or(acts.last()).unwrap();
    let truth = FILE[span.start as usize..span.end as usize].to_vec();
    let doubt = |got: &[u8]| match got {
        _ if got == truth => None,
        _ if got.iter().all(|byte| *byte == 0) => Some(Doubt::Zeros),
        _ => Some(Doubt::Digest),
    };
    let mut fetch = Fetch::range(session, span);
    let run = run(&mut fetch, session, &FILE, act, doubt);
    if let Ok(bytes) = &run.result {
        assert!(*bytes == truth);
    }
    run
}

fn unavailable(fault: Fault, requests: u32, tags: bool) -> Error {
    Error::Unavailable { span: Span { start: 100_000, end: 101_000 }, fault, requests, tags }
}

const P: &str = "100000-100999";
/// The same range as `P`. Tests of sessions with slices of 1 MiB use this name, because such
/// sessions make other tags than `G` and `N`.
const P_OF_MIB: &str = P;
const G: &str = "100000-100999 g=65536";
const N: &str = "100000-100999 g=65536-N";

#[track_caller]
fn check(acts: &[Act], sent: &[&str]) -> Stats {
    let mut session = session();
    let run = play(&mut session, acts);
    assert_eq!(run.result.map(|bytes| bytes.len()), Ok(1_000));
    assert_eq!(run.sent, sent);
    session.stats()
}

#[track_caller]
fn check_error(acts: &[Act], sent: &[&str], expected: Error) -> Stats {
    let mut session = session();
    let run = play(&mut session, acts);
    assert_eq!(run.result, Err(expected));
    assert_eq!(run.sent, sent);
    session.stats()
}

fn stale(fault: Fault) -> Error {
    Error::Stale { span: Span { start: 100_000, end: 101_000 }, fault, tags: true }
}

#[test]
fn a_right_answer_is_taken_at_once() {
    // spec: R-HTTP-10
    for act in [Right, Unframed, Star, Grown(7)] {
        let stats = check(&[act], &[P]);
        assert_eq!(stats, counted(|stats| (stats.requests, stats.bytes) = (1, 1_000)));
    }
}

#[test]
fn other_validators_and_totals_are_a_hint_and_no_error() {
    // spec: R-HTTP-11, R-HTTP-64
    let mut session = session();
    // The session takes the state of the first answer as the file's state. The answers with
    // `Grown(0)` and `Grown(2)` are of other states.
    let acts = [(Grown(1), false), (Star, false), (Grown(1), false), (Right, true)];
    for (act, wants_look) in acts.into_iter().chain([(Grown(0), true), (Grown(2), true)]) {
        let mut fetch = Fetch::range(&session, Span { start: 100_000, end: 101_000 });
        let run = run(&mut fetch, &mut session, &FILE, |_, _| act, |_| None);
        assert_eq!((run.result.unwrap().len(), run.sent.len()), (1_000, 1));
        assert_eq!(fetch.wants_look(&session), wants_look, "{act:?}");
    }
}

#[test]
fn a_state_that_was_looked_at_is_known_and_looks_have_an_end() {
    // spec: R-HTTP-64
    let mut session = session();
    assert!(run_head(&mut Fetch::head(&session), &mut session, &[Grown(0)]).result.is_ok());
    let mut wanted = Vec::new();
    for n in 1..=10 {
        for _ in 0..2 {
            let mut fetch = Fetch::range(&session, Span { start: 100_000, end: 101_000 });
            // The first answer ends early. The fetch takes the rest from the second answer, which
            // is of another state, and remembers that state.
            let acts = [Cut(10, End::Reset), Grown(n)];
            let run = run(&mut fetch, &mut session, &FILE, |_, n| acts[n], |_| None);
            assert!(run.result.is_ok());
            wanted.push(fetch.wants_look(&session));
            if fetch.wants_look(&session) {
                fetch.looked(&mut session);
            }
        }
    }
    let expected: Vec<_> = (0..20).map(|n| n % 2 == 0 && n < 16).collect();
    assert_eq!(wanted, expected, "each state once, and eight at most");
    // The session has fetched a fresh head of the state `Grown(5)`, so an answer of this state
    // needs no further look.
    let mut session = self::session();
    assert!(run_head(&mut Fetch::head(&session), &mut session, &[Grown(0)]).result.is_ok());
    assert!(run_head(&mut Fetch::fresh_head(&session), &mut session, &[Grown(5)]).result.is_ok());
    let mut fetch = Fetch::range(&session, Span { start: 100_000, end: 101_000 });
    assert!(run(&mut fetch, &mut session, &FILE, |_, _| Grown(5), |_| None).result.is_ok());
    assert!(!fetch.wants_look(&session));
}

#[test]
fn what_is_not_the_range_is_asked_for_again_then_with_a_tag_then_with_a_nonce() {
    // spec: R-HTTP-12, R-HTTP-13, R-HTTP-14, R-HTTP-15, R-HTTP-10, R-HTTP-20
    let span = Span { start: 100_000, end: 101_000 };
    let no_ranges = |len| Error::NoRanges { span, len };
    let encoded = Error::Encoded { span, coding: Coding::Gzip };
    let faults = [
        (NotSatisfiable, stale(Fault::NotSatisfiable { len: Some(77) })),
        (Whole, no_ranges(Some(LEN))),
        (WholeUnframed, no_ranges(None)),
        (WholeOf(100_500), stale(Fault::Whole { len: Some(100_500) })),
        (Elsewhere(9), stale(Fault::OtherRange { found: Span { start: 100_009, end: 101_009 } })),
        (Wider(1), stale(Fault::OtherRange { found: Span { start: 100_000, end: 101_001 } })),
        (Longer(5), stale(Fault::OtherLength { expected: 1_000, found: 1_005 })),
        (NoContentRange, stale(Fault::NoRange)),
        (Multipart, stale(Fault::NoRange)),
        (Gzip, encoded),
        (GzipWhole, encoded),
        (Status(204), stale(Fault::Status(204))),
    ];
    for (act, error) in faults {
        check(&[act, Right], &[P, P]);
        check(&[act, act, Right], &[P, P, G]);
        check(&[act, act, act, Right], &[P, P, G, N]);
        let stats = check_error(&[act], &[P, P, G, N], error);
        assert_eq!((stats.retries, stats.escalations, stats.bytes), (1, 2, 0), "{act:?}");
    }
}

#[test]
fn bytes_that_the_caller_finds_wrong_are_fetched_past_the_cache() {
    // spec: R-HTTP-21
    for (act, doubt) in [(Shifted(1), Doubt::Digest), (Zeros, Doubt::Zeros)] {
        check(&[act, Right], &[P, P]);
        check(&[act, act, Right], &[P, P, G]);
        let stats = check(&[act, act, act, Right], &[P, P, G, N]);
        assert_eq!((stats.stale, stats.bytes), (3, 4_000));
        check_error(&[act], &[P, P, G, N], stale(Fault::Doubt(doubt)));
    }
}

#[test]
fn a_range_found_wrong_later_is_fetched_past_the_cache_from_then_on() {
    // spec: R-HTTP-21
    let mut session = session();
    let span = Span { start: 100_000, end: 101_000 };
    for sent in [P, P, G, N] {
        assert_eq!(play(&mut session, &[Right]).sent, [sent]);
        let doubt = session.doubt(span, Doubt::Digest);
        assert_eq!(doubt.is_err(), sent == N, "{doubt:?}");
    }
    // The fetch of a range that overlaps a range found wrong begins with the tag of that range.
    // Other fetches begin without a tag.
    session.doubt(span, Doubt::Digest).unwrap();
    session.doubt(span, Doubt::Digest).unwrap();
    let part = Span { start: 100_999, end: 101_009 };
    let sent = play_span(&mut session, &[Right], part).sent;
    assert_eq!(sent, ["100999-101008 g=65536"]);
    let behind = Span { start: 101_000, end: 101_009 };
    assert_eq!(play_span(&mut session, &[Right], behind).sent, ["101000-101008"]);
    let stats = session.stats();
    assert_eq!((stats.stale, stats.retries, stats.escalations), (6, 2, 3));
    // The session remembers a limited number of wrong ranges, and forgets the oldest.
    for start in 0..1_000 {
        session.doubt(Span { start, end: start + 1 }, Doubt::Zeros).unwrap();
    }
    assert_eq!(play(&mut session, &[Right]).sent, [P]);
}

#[test]
fn a_signed_url_is_asked_again_and_no_more() {
    // spec: R-HTTP-07, R-HTTP-21
    let mut session = Session::new(Options { tags: false, retries_max: 2, ..options() });
    let span = Span { start: 100_000, end: 101_000 };
    assert!(session.doubt(span, Doubt::Digest).is_ok());
    assert!(session.doubt(span, Doubt::Digest).is_ok());
    assert_eq!(play(&mut session, &[Right]).sent, [P]);
    let fault = Fault::Doubt(Doubt::Digest);
    let stale = Error::Stale { span, fault, tags: false };
    assert_eq!(session.doubt(span, Doubt::Digest), Err(stale));
}

#[test]
fn a_body_that_goes_on_behind_the_range_is_cut_off_and_not_believed() {
    // spec: R-HTTP-15
    let stats = check(&[Endless, Right], &[P, P]);
    assert_eq!(stats.bytes, 1_999, "999 came before it was seen, and were fetched anew");
    let found = stale(Fault::OtherLength { expected: 1_000, found: 1_998 });
    check_error(&[Endless], &[P, P, G, N], found);
}

#[test]
fn an_answer_cut_short_is_taken_up_at_the_next_missing_byte() {
    // spec: R-HTTP-16
    for end in [End::Complete, End::Reset, End::Timeout] {
        for cut in (100..1_000).step_by(100) {
            let rest = format!("{}-100999", 100_000 + cut);
            let stats = check(&[Cut(cut, end), Right], &[P, &rest]);
            assert_eq!((stats.resumes, stats.bytes, stats.retries), (1, 1_000, 0));
        }
    }
    check(&[Fewer(300), Right], &[P, "100300-100999"]);
    // The cache has an old state of the file, which ends within the range. So it answers the
    // request for the rest with 416.
    let sent = [P, "100300-100999", "100300-100999", "100300-100999 g=65536"];
    check(&[Fewer(300), NotSatisfiable, NotSatisfiable, Right], &sent);
}

#[test]
fn a_server_that_cuts_every_answer_is_not_asked_for_ever() {
    // spec: R-HTTP-16, R-HTTP-51
    let mut session = session();
    let run = play(&mut session, &[Cut(1, End::Reset)]);
    let requests = run.sent.len() as u32;
    assert_eq!(run.result, Err(unavailable(Fault::Reset, requests, true)));
    assert_eq!(requests, 3 * (1 + 3 + 16));
}

#[test]
fn resets_and_silence_are_retried_with_longer_and_longer_waits_and_then_escalated() {
    // spec: R-HTTP-17, R-HTTP-18, R-HTTP-20
    for end in [End::Reset, End::Timeout] {
        for act in [Act::None(end), Cut(0, end)] {
            let stats = check(&[act, act, act, Right], &[P, P, P, P]);
            assert_eq!((stats.retries, stats.escalations), (3, 0));
            check(&[act, act, act, act, Right], &[P, P, P, P, G]);
            let sent = [P, P, P, P, G, G, G, G, N, N, N, N];
            let fault = if end == End::Reset { Fault::Reset } else { Fault::Timeout };
            check_error(&[act], &sent, unavailable(fault, 12, true));
        }
    }
    let mut session = session();
    let waits = play(&mut session, &[Act::None(End::Reset)]).waits;
    let random = 0xa5;
    let wait = |full: u64| full / 2 + random % (full / 2 + 1);
    let once = [wait(100), wait(200), wait(400)];
    assert_eq!(waits, [once, once, once].concat());
}

#[test]
fn a_status_that_may_pass_is_retried() {
    // spec: R-HTTP-17
    for status in [408, 425, 429] {
        check(&[Status(status), Status(status), Right], &[P, P, P]);
        let error = unavailable(Fault::Status(status), 4, false);
        check_error(&[Status(status)], &[P, P, P, P], error);
    }
    let unreachable = unavailable(Fault::Unreachable, 4, false);
    check_error(&[Act::None(End::Unreachable)], &[P, P, P, P], unreachable);
}

#[test]
fn a_server_error_is_retried_and_then_escalated() {
    // spec: R-HTTP-17, R-HTTP-20, R-HTTP-22
    for status in [500, 502, 503, 504, 520] {
        let act = Status(status);
        check(&[act, act, Right], &[P, P, P]);
        // The cache in front answers with an error, because it cannot reach the next cache. With
        // the tag, the request reaches the origin.
        check(&[act, act, act, act, Right], &[P, P, P, P, G]);
        let error = unavailable(Fault::Status(status), 12, true);
        let stats = check_error(&[act], &[P, P, P, P, G, G, G, G, N, N, N, N], error);
        assert_eq!((stats.retries, stats.escalations), (9, 2));
        let text = error.to_string();
        assert!(text.contains("even with ?g= in the URL"), "{text}");
        assert!(text.contains("not to compare validators between slices"), "{text}");
        // If the server refuses the query, the error states the fault of the requests without the
        // query.
        let acts = [act, act, act, act, Status(404)];
        check_error(&acts, &[P, P, P, P, G], unavailable(Fault::Status(status), 5, false));
    }
}

#[test]
fn a_fault_of_tls_is_told_at_once() {
    // spec: R-HTTP-22
    let error = unavailable(Fault::Tls, 1, false);
    check_error(&[Act::None(End::Tls)], &[P], error);
    assert!(error.to_string().contains("failed at TLS"), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[test]
fn a_silent_server_gets_one_request_in_each_step() {
    // spec: R-HTTP-20, R-HTTP-52
    let mut session = Session::new(Options::default());
    let run = play(&mut session, &[Act::None(End::Timeout)]);
    assert_eq!(run.sent, [P_OF_MIB, &format!("{P_OF_MIB} g=0"), &format!("{P_OF_MIB} g=0-N")]);
    assert_eq!(run.result, Err(unavailable(Fault::Timeout, 3, true)));
    // With the default limits of time, three requests wait at most 30 seconds for their first
    // bytes.
    let mut fetch = Fetch::range(&session, Span { start: 0, end: 1 });
    let Ok(Want::Send(request)) = fetch.want(&mut session, 0) else { panic!("it sends") };
    assert!(request.first_byte_millis_max * 3 <= 30_000);
}

#[test]
fn bytes_that_an_upload_may_still_bring_are_waited_for() {
    // spec: R-HTTP-26
    let patient = Options { upload_waits_max: 2, upload_wait_millis: 1_000, ..options() };
    let patient_session = || {
        let mut session = Session::new(patient);
        session.set_grid(Grid { slice_len: MANY, fresh_end: MANY });
        session
    };
    for act in [NotSatisfiable, WholeOf(100_500), Zeros] {
        let mut session = patient_session();
        let run = play(&mut session, &[act, act, act, act, act, Right]);
        assert_eq!(run.sent, [P, P, G, N, N, N], "{act:?}");
        assert_eq!(run.waits, [1_000, 2_000]);
        assert!(run.result.is_ok());
        // The first wait helped, so the next fetch waits, too.
        let run = play(&mut session, &[act]);
        assert_eq!(run.waits, [1_000, 2_000], "{act:?}");
        let text = run.result.unwrap_err().to_string();
        assert!(text.contains("an upload is in progress"), "{text}");
        // The waits of this fetch did not help, so the next fetch does not wait.
        let run = play(&mut session, &[act]);
        assert!(run.waits.is_empty() && run.result.is_err(), "{act:?}");
    }
    // A fetch also waits if the caller found the bytes of its range wrong earlier.
    let mut session = patient_session();
    let span = Span { start: 100_000, end: 101_000 };
    for waits in [&[][..], &[], &[], &[], &[1_000], &[2_000]] {
        assert_eq!(play(&mut session, &[Right]).waits, waits);
        let doubt = session.doubt(span, Doubt::Contradiction);
        assert_eq!(doubt.is_err(), waits == [2_000]);
    }
    // Other faults do not indicate an upload, so the fetch does not wait for one.
    for act in [Whole, Gzip, Status(503), Elsewhere(9)] {
        let mut session = patient_session();
        let run = play(&mut session, &[act]);
        assert!(run.waits.iter().all(|wait| *wait < 1_000), "{act:?}: {:?}", run.waits);
    }
    // A fetch of a head also waits, because a file that is being copied is empty at first.
    let mut session = patient_session();
    let mut fetch = Fetch::head(&session);
    let acts = [NotSatisfiableOf(0), NotSatisfiableOf(0), NotSatisfiableOf(0), Right];
    let run = run_head(&mut fetch, &mut session, &acts);
    assert_eq!(
        (run.sent, run.waits),
        (vec![H.into(), H.into(), HN.into(), HN.into()], vec![1_000])
    );
}

#[test]
fn a_server_may_ask_for_patience_up_to_a_limit() {
    // spec: R-HTTP-18
    let mut session = session();
    let run = play(&mut session, &[Later(503, 30), Later(429, 0), Right]);
    assert!(run.result.is_ok());
    assert_eq!(run.waits.len(), 2);
    assert_eq!(run.waits[0], 30_000);
    assert!(run.waits[1] >= 100, "0 seconds do not undercut our own wait");
    let busy = Error::Busy { status: 503, secs: 31 };
    check_error(&[Later(503, 31)], &[P], busy);
}

#[test]
fn statuses_that_no_retry_changes_are_errors_at_once() {
    // spec: R-HTTP-19
    for (status, error) in [
        (301, Error::Redirects { status: 301 }),
        (304, Error::Redirects { status: 304 }),
        (400, Error::Refused { status: 400 }),
        (401, Error::Denied { status: 401 }),
        (403, Error::Denied { status: 403 }),
        (404, Error::NotFound { status: 404 }),
        (410, Error::NotFound { status: 410 }),
        (451, Error::Denied { status: 451 }),
    ] {
        check_error(&[Status(status)], &[P], error);
    }
}

#[test]
fn where_a_redirect_led_before_is_asked_for_again_once() {
    // spec: R-HTTP-19
    let mut session = session();
    session.redirect().unwrap();
    let run = play(&mut session, &[Status(403), Right]);
    assert_eq!(run.sent, [P, "100000-100999 anew"]);
    assert!(run.result.is_ok());
    let run = play(&mut session, &[Status(403)]);
    assert_eq!(run.result, Err(Error::Denied { status: 403 }));
    assert_eq!(run.sent, [P, "100000-100999 anew"]);
    assert_eq!(play(&mut session, &[Status(302)]).sent, [P], "a circle stays one");
    assert_eq!(session.stats().redirects, 1);
    assert_eq!(session.stats().requests, 6);
}

#[test]
fn a_server_that_takes_no_query_is_told_of_by_what_came_without_one() {
    // spec: R-HTTP-23
    let fault = Fault::NotSatisfiable { len: Some(77) };
    let span = Span { start: 100_000, end: 101_000 };
    for status in [400, 403, 404] {
        let acts = [NotSatisfiable, NotSatisfiable, Status(status)];
        check_error(&acts, &[P, P, G], Error::Stale { span, fault, tags: false });
    }
}

#[test]
fn a_signed_url_is_never_tagged() {
    // spec: R-HTTP-07
    let mut session = Session::new(Options { tags: false, ..options() });
    let run = play(&mut session, &[NotSatisfiable]);
    assert_eq!(run.sent, [P; 4]);
    assert_eq!(run.waits.len(), 3, "there is only time that can help");
    let fault = Fault::NotSatisfiable { len: Some(77) };
    let span = Span { start: 100_000, end: 101_000 };
    assert_eq!(run.result, Err(Error::Stale { span, fault, tags: false }));
    assert_eq!(play(&mut session, &[Act::None(End::Reset)]).sent, [P; 4]);
    let mut head = Fetch::fresh_head(&session);
    let run = run_head(&mut head, &mut session, &[Right]);
    assert_eq!(run.sent, ["0-65535"]);
}

#[test]
fn an_edge_known_to_be_stale_is_asked_with_the_tag_at_once() {
    // spec: R-HTTP-24
    let mut session = session();
    assert_eq!(play(&mut session, &[NotSatisfiable, NotSatisfiable, Right]).sent, [P, P, G]);
    assert_eq!(play(&mut session, &[Right]).sent, [G]);
    let later = Span { start: 150_000, end: 150_010 };
    assert_eq!(play_span(&mut session, &[Right], later).sent, ["150000-150009 g=131072"]);
    let fresh = Span { start: 5, end: 9 };
    assert_eq!(play_span(&mut session, &[Right], fresh).sent, ["5-8"]);
    // The answer is wrong in spite of the tag. So the next fetch begins without the tag.
    let run = play(&mut session, &[Zeros, Right]);
    assert_eq!(run.sent, [G, N]);
    assert_eq!(play(&mut session, &[Right]).sent, [P]);
}

#[test]
fn what_was_wrong_in_fresh_bytes_says_nothing_about_others() {
    // spec: R-HTTP-24
    let mut session = session();
    let fresh = Span { start: 5, end: 9 };
    let sent = play_span(&mut session, &[Zeros, Zeros, Right], fresh).sent;
    assert_eq!(sent, ["5-8", "5-8", "5-8 g=0"]);
    assert_eq!(play_span(&mut session, &[Right], fresh).sent, ["5-8"]);
    assert_eq!(play(&mut session, &[Right]).sent, [P]);
}

#[test]
fn a_query_refused_where_it_was_sent_first_is_left_out() {
    // spec: R-HTTP-23
    let mut session = session();
    play(&mut session, &[NotSatisfiable, NotSatisfiable, Right]);
    let run = play(&mut session, &[Status(400), Right]);
    assert_eq!(run.sent, [G, P]);
    assert!(run.result.is_ok());
}

#[test]
fn a_part_of_a_region_has_the_tag_of_the_slice_in_which_the_region_starts() {
    // spec: R-HTTP-05
    let mut session = session();
    let mut fetch = Fetch::part(&session, Span { start: 140_000, end: 140_010 }, 100_000);
    let acts = [NotSatisfiable, NotSatisfiable, Right];
    let run = run(&mut fetch, &mut session, &FILE, |_, n| acts[n], |_| None);
    assert_eq!(run.sent[2], "140000-140009 g=65536");
    // If the session knows the region, it computes the tag from the region. Otherwise it computes
    // the tag from the slice in which the part lies.
    let part = Span { start: 140_000, end: 140_010 };
    for (region, tag) in [((100_000, 150_000), 65_536), ((135_000, 150_000), 131_072)] {
        let mut session = self::session();
        session.note_region(Span { start: region.0, end: region.1 });
        let run = play_span(&mut session, &acts, part);
        assert_eq!(run.sent[2], format!("140000-140009 g={tag}"));
    }
    let run = play_span(&mut self::session(), &acts, part);
    assert_eq!(run.sent[2], "140000-140009 g=131072");
}

#[test]
fn the_latest_regions_that_are_read_in_parts_are_remembered() {
    let mut session = session();
    let region = |n: u64| Span { start: n * 65_536, end: n * 65_536 + 70_000 };
    // A region within one slice is not remembered: all its parts have the same tag anyway.
    for n in 0..200 {
        session.note_region(Span { start: 1_000 + n, end: 2_000 });
    }
    (0..65).for_each(|n| session.note_region(region(n)));
    // The session forgot region 0, so the tag of a part of region 0 comes from the slice in which
    // the part lies.
    for n in [0, 1] {
        let (mut session, at) = (session.clone(), region(n).end - 10);
        let acts = [NotSatisfiable, NotSatisfiable, Right];
        let run = play_span(&mut session, &acts, Span { start: at, end: at + 10 });
        assert_eq!(run.sent[2], format!("{at}-{} g=65536", at + 9));
    }
}

#[test]
fn a_whole_file_serves_where_the_range_is_near_its_start() {
    // spec: R-HTTP-13
    let span = Span { start: 60_000, end: 60_500 };
    for (act, bytes) in [(Whole, 60_500), (WholeUnframed, 60_500)] {
        let mut session = session();
        let run = play_span(&mut session, &[act], span);
        assert_eq!(run.sent, ["60000-60499"]);
        let expected = counted(|stats| (stats.requests, stats.bytes, stats.whole) = (1, bytes, 1));
        assert_eq!(session.stats(), expected);
    }
    // The body of the first answer ends before the range begins, or within the range.
    for (cut, sent) in [(50_000, "60000-60499"), (60_100, "60100-60499")] {
        let mut session = session();
        let run = play_span(&mut session, &[WholeCut(cut, End::Reset), Right], span);
        assert_eq!(run.sent, ["60000-60499", sent]);
    }
    // A whole file that ends before the end of the range is an old state of the file.
    let run = play_span(&mut session(), &[WholeOf(60_499), Right], span);
    assert_eq!(run.sent, ["60000-60499"; 2]);
}

fn run_head(fetch: &mut Fetch, session: &mut Session, acts: &[Act]) -> Run {
    run_head_of(fetch, session, acts, &FILE)
}

fn run_head_of(fetch: &mut Fetch, session: &mut Session, acts: &[Act], file: &[u8]) -> Run {
    let act = |_: &Request, n: usize| *acts.get(n).or(acts.last()).unwrap();
    let run = run(fetch, session, file, act, |_| None);
    if let Ok(bytes) = &run.result {
        assert!(*bytes == file[..bytes.len()]);
    }
    run
}

const H: &str = "0-65535";
const HN: &str = "0-65535 g=0-N";

#[test]
fn a_head_is_asked_for_plainly_and_then_with_a_nonce() {
    // spec: R-HTTP-01, R-HTTP-30
    for (acts, sent) in [
        (&[Right][..], &[H][..]),
        (&[Unframed], &[H]),
        (&[Status(416), Status(416), Right], &[H, H, HN]),
        (&[Gzip, Gzip, Right], &[H, H, HN]),
        (&[Status(503), Right], &[H, H]),
        // A head is never resumed, because the rest could be of another state.
        (&[Cut(40_000, End::Reset), Right], &[H, H]),
        (&[Fewer(40_000), Fewer(40_000), Right], &[H, H, HN]),
        (&[Longer(1), Right], &[H, H]),
    ] {
        let mut session = session();
        let run = run_head(&mut Fetch::head(&session), &mut session, acts);
        assert_eq!(run.sent, sent, "{acts:?}");
        assert_eq!(run.result.unwrap().len(), 65_536);
    }
    let mut session = session();
    let mut fetch = Fetch::fresh_head(&session);
    assert_eq!(run_head(&mut fetch, &mut session, &[Right]).sent, [HN]);
    let mut fetch = Fetch::fresh_head(&session);
    assert_eq!(run_head(&mut fetch, &mut session, &[Status(400), Right]).sent, [HN, H]);
}

#[test]
fn a_file_that_ends_before_its_head_is_complete() {
    // spec: R-HTTP-31
    let file = &FILE[..80];
    for act in [Right, Unframed, Whole, WholeUnframed] {
        let mut session = session();
        let mut fetch = Fetch::head(&session);
        let run = run_head_of(&mut fetch, &mut session, &[act], file);
        assert_eq!((run.result, run.sent.len()), (Ok(file.to_vec()), 1), "{act:?}");
        assert_eq!((fetch.span().len(), fetch.file_len()), (80, Some(80)));
    }
    // No answer states the total, but two answers end at the same position. So the file ends there.
    let mut session = session();
    let mut fetch = Fetch::head(&session);
    let run = run_head_of(&mut fetch, &mut session, &[Star], file);
    assert_eq!((run.result, run.sent), (Ok(file.to_vec()), vec![H.to_owned(); 2]));
    assert_eq!((fetch.span().len(), fetch.file_len()), (80, None));
    // Two answers with different ends do not prove where the file ends.
    let mut session = self::session();
    let mut fetch = Fetch::head(&session);
    let acts = [StarOf(70), StarOf(71), StarOf(72)];
    let run = run_head_of(&mut fetch, &mut session, &acts, file);
    let span = Span { start: 0, end: 65_536 };
    let fault = Fault::Short { at: 72 };
    assert_eq!(run.sent, [H, H, HN, HN][..3]);
    assert_eq!(run.result, Err(Error::Stale { span, fault, tags: true }));
}

#[test]
fn a_head_is_asked_for_by_the_length_that_a_416_tells() {
    // spec: R-HTTP-34
    let file = &FILE[..80];
    let mut session = session();
    let mut fetch = Fetch::head(&session);
    let run = run_head_of(&mut fetch, &mut session, &[Strict], file);
    assert_eq!((run.result, run.sent), (Ok(file.to_vec()), vec![H.to_owned(), "0-79".to_owned()]));
    assert_eq!((fetch.file_len(), session.stats().stale), (Some(80), 0));
    // The session shortens the range after one 416 only. A second 416 is a fault.
    let mut session = self::session();
    let acts = [NotSatisfiableOf(80), NotSatisfiableOf(70), Right];
    let run = run_head_of(&mut Fetch::head(&session), &mut session, &acts, &FILE);
    assert_eq!(run.sent, [H, "0-79", H]);
    assert_eq!(run.result.unwrap().len(), 65_536);
    // The file grows between the two requests. The second answer shows that the head is longer than
    // the shortened range, so the head is fetched again.
    let mut session = self::session();
    let acts = [NotSatisfiableOf(80), Right];
    let run = run_head_of(&mut Fetch::head(&session), &mut session, &acts, &FILE);
    assert_eq!(run.sent, [H, "0-79", H]);
    assert_eq!(run.result.unwrap().len(), 65_536);
}

#[test]
fn a_whole_file_for_a_head_is_taken_as_far_as_it_is_short() {
    // spec: R-HTTP-13, R-HTTP-40
    for (len, taken) in [(70_000, 70_000), (100_000, 100_000), (100_001, 65_536)] {
        let mut session = session();
        let mut fetch = Fetch::head(&session);
        let run = run_head_of(&mut fetch, &mut session, &[Whole], &FILE[..len]);
        assert_eq!((run.result.unwrap().len(), run.sent.len()), (taken, 1));
        assert_eq!(fetch.file_len(), Some(len as u64));
        assert_eq!((session.stats().whole, session.stats().bytes), (1, taken as u64));
    }
    let mut session = session();
    let run = run_head(&mut Fetch::head(&session), &mut session, &[WholeUnframed]);
    assert_eq!(run.result.unwrap().len(), 65_536);
}

#[test]
fn a_head_is_the_same_a_later_an_earlier_or_of_another_file() {
    // spec: R-HTTP-32, R-HTTP-33, R-CDN-32
    let mut session = session();
    let head = |generation| Identity { file_id: [1; 16], generation };
    for (generation, news) in [
        ([1, 0, 0], News::Same),
        ([1, 0, 0], News::Same),
        ([1, 3, 0], News::Grown),
        ([1, 2, 9], News::Older),
        ([2, 0, 0], News::Grown),
        ([1, 9, 9], News::Older),
        ([2, 0, 0], News::Same),
    ] {
        assert_eq!(session.judge(head(generation)), Ok(news));
    }
    assert_eq!(session.stats().stale, 2);
    let other = Identity { file_id: [2; 16], generation: [9, 9, 9] };
    let replaced = Error::Replaced { expected: [1; 16], found: [2; 16] };
    assert_eq!(session.judge(other), Err(replaced));
    // After the head of another file, the session has ended for all callers. Even a head of the
    // right file is refused.
    assert_eq!(session.judge(head([2, 0, 0])), Err(replaced));
    assert_eq!(session.ended(), Some(replaced));
    // A session without a view can be restarted, and then accepts another file.
    session.restart();
    assert_eq!((session.ended(), session.judge(other)), (None, Ok(News::Same)));
    // The identity of a view replaces the identity of heads that were judged before.
    let mut session = self::session();
    session.judge(head([1, 0, 0])).unwrap();
    session.set_identity(other);
    assert_eq!((session.identity(), session.judge(other)), (Some(other), Ok(News::Same)));
    // The session also ends if the file can no longer be read as the session's file.
    assert_eq!(session.end_unreadable(), Error::Unreadable);
    assert_eq!(
        (session.ended(), session.judge(other)),
        (Some(Error::Unreadable), Err(Error::Unreadable))
    );
    assert_eq!(Fetch::head(&session).want(&mut session, 0), Err(Error::Unreadable));
}

#[test]
fn a_session_whose_file_was_replaced_hands_out_nothing_more() {
    // spec: R-HTTP-32
    let mut session = session();
    let identity = |n| Identity { file_id: [n; 16], generation: [1, 0, 0] };
    let mut first = Fetch::head(&session);
    assert!(run_head(&mut first, &mut session, &[Grown(0)]).result.is_ok());
    session.set_identity(identity(1));
    let span = Span { start: 100_000, end: 101_000 };
    // Three fetches are in progress: one has sent no request, one has sent its request, and one has
    // its answer.
    let mut unsent = Fetch::range(&session, span);
    let mut sent = Fetch::range(&session, span);
    assert!(matches!(sent.want(&mut session, 0), Ok(Want::Send(_))));
    let mut done = Fetch::range(&session, span);
    let all = run(&mut done, &mut session, &FILE, |_, _| Grown(9), |_| None);
    assert!(all.result.is_ok() && done.wants_look(&session));
    // The look fetches the head of another file. The validator of this head equals the validator of
    // the range.
    let mut look = Fetch::fresh_head(&session);
    assert!(run_head(&mut look, &mut session, &[Grown(9)]).result.is_ok());
    let replaced = Error::Replaced { expected: [1; 16], found: [2; 16] };
    assert_eq!(look.judge(&mut session, identity(2)), Err(replaced));
    for fetch in [&mut unsent, &mut sent, &mut done, &mut Fetch::head(&session)] {
        assert_eq!(fetch.want(&mut session, 0), Err(replaced));
    }
    assert_eq!(session.doubt(span, Doubt::Digest), Err(replaced));
    assert_eq!(look.judge(&mut session, identity(1)), Err(replaced));
}

#[test]
fn the_state_of_a_refused_head_is_not_known_to_be_the_files() {
    // spec: R-HTTP-64
    let mut session = session();
    let identity = |n| Identity { file_id: [n; 16], generation: [1, 0, 0] };
    let mut first = Fetch::head(&session);
    assert!(run_head(&mut first, &mut session, &[Grown(0)]).result.is_ok());
    session.set_identity(identity(1));
    let mut head = Fetch::fresh_head(&session);
    assert!(run_head(&mut head, &mut session, &[Grown(9)]).result.is_ok());
    // The new head is not judged yet, so its state is not known to be the file's state.
    let span = Span { start: 100_000, end: 101_000 };
    let mut fetch = Fetch::range(&session, span);
    let got = run(&mut fetch, &mut session, &FILE, |_, _| Grown(9), |_| None);
    assert!(got.result.is_ok() && fetch.wants_look(&session));
    assert_eq!(head.judge(&mut session, identity(1)), Ok(News::Same));
    assert!(!fetch.wants_look(&session));
}

#[test]
fn ranges_want_a_confirmation_until_a_later_head_was_judged() {
    // spec: R-HTTP-65
    let mut session = session();
    let identity = Identity { file_id: [1; 16], generation: [1, 0, 0] };
    assert!(run_head(&mut Fetch::head(&session), &mut session, &[Right]).result.is_ok());
    session.set_identity(identity);
    assert!(!session.wants_confirmation());
    assert!(play(&mut session, &[Right]).result.is_ok());
    assert!(session.wants_confirmation());
    let (mut before, mut after) = (Fetch::fresh_head(&session), Fetch::fresh_head(&session));
    assert!(run_head(&mut before, &mut session, &[Right]).result.is_ok());
    // The head `before` was fetched before this range. So it cannot confirm the range.
    assert!(play(&mut session, &[Right]).result.is_ok());
    before.judge(&mut session, identity).unwrap();
    assert!(session.wants_confirmation());
    assert!(run_head(&mut after, &mut session, &[Right]).result.is_ok());
    after.judge(&mut session, identity).unwrap();
    assert!(session.wants_confirmation(), "it was asked for too early as well");
    let mut last = Fetch::fresh_head(&session);
    assert!(run_head(&mut last, &mut session, &[Right]).result.is_ok());
    last.judge(&mut session, identity).unwrap();
    assert!(!session.wants_confirmation());
}

#[test]
fn a_file_is_read_whole_only_where_it_is_short() {
    // spec: R-HTTP-40
    let mut session = session();
    let none = Span::default();
    let refused = Error::NoRanges { span: none, len: Some(100_001) };
    assert_eq!(Fetch::whole(&session, Some(100_001)).unwrap_err(), refused);
    let mut allowed = Session::new(Options { allow_whole: true, ..options() });
    for len in [Some(LEN), None] {
        let mut fetch = Fetch::whole(&allowed, len).unwrap();
        let run = run_head(&mut fetch, &mut allowed, &[Whole]);
        assert_eq!(run.result.unwrap().len() as u64, LEN);
    }
    let mut fetch = Fetch::whole(&session, Some(90_000)).unwrap();
    let run = run_head_of(&mut fetch, &mut session, &[Right], &FILE[..90_000]);
    assert_eq!((run.result.unwrap().len(), run.sent), (90_000, vec!["whole".to_owned()]));
    // After an answer that ended early, a server without ranges sends the whole file again.
    let mut fetch = Fetch::whole(&session, None).unwrap();
    let acts = [WholeCut(50_000, End::Reset), WholeUnframed];
    let run = run_head_of(&mut fetch, &mut session, &acts, &FILE[..90_000]);
    assert_eq!((run.result.unwrap().len(), run.sent.len()), (90_000, 2));
    // If no answer states a length, the fetch still refuses a file that is longer than allowed. It
    // does not cut the file.
    let max = usize::try_from(options().whole_len_max).unwrap();
    let mut fetch = Fetch::whole(&session, None).unwrap();
    let run = run_head_of(&mut fetch, &mut session, &[WholeUnframed], &FILE[..max]);
    assert_eq!(run.result.unwrap().len(), max);
    let mut fetch = Fetch::whole(&session, None).unwrap();
    let run = run_head_of(&mut fetch, &mut session, &[WholeUnframed], &FILE[..=max]);
    let span = Span { start: 0, end: options().whole_len_max };
    assert_eq!(run.result, Err(Error::NoRanges { span, len: None }));
    // The file is longer than the length that the server stated before.
    let mut fetch = Fetch::whole(&session, Some(90_000)).unwrap();
    let run = run_head_of(&mut fetch, &mut session, &[Whole], &FILE);
    let span = Span { start: 0, end: 90_000 };
    assert_eq!(run.result, Err(Error::NoRanges { span, len: Some(LEN) }));
    assert_eq!(run.sent.len(), 1);
}

#[test]
fn a_request_that_the_budget_does_not_allow_is_not_sent() {
    // spec: R-HTTP-50
    let budget = |bytes_max, requests_max| {
        let mut session = Session::new(Options { bytes_max, requests_max, ..options() });
        let first = play(&mut session, &[Right]);
        let second = play(&mut session, &[Right]);
        (first.result.is_ok(), second.result.err(), second.sent.len(), session.stats().bytes)
    };
    let none = Error::RequestsSpent { max: 1 };
    assert_eq!(budget(9_000, 1), (true, Some(none), 0, 1_000));
    let spent = Error::BytesSpent { needed: 1_000, left: 999, max: 1_999 };
    assert_eq!(budget(1_999, 9), (true, Some(spent), 0, 1_000));
    assert_eq!(budget(2_000, 2), (true, None, 1, 2_000));

    // A fetch in progress reserves its bytes until it is cancelled.
    let mut session = Session::new(Options { bytes_max: 1_500, ..options() });
    let span = Span { start: 0, end: 1_000 };
    let (mut first, mut second) = (Fetch::range(&session, span), Fetch::range(&session, span));
    assert!(matches!(first.want(&mut session, 0), Ok(Want::Send(_))));
    let spent = Error::BytesSpent { needed: 1_000, left: 500, max: 1_500 };
    assert_eq!(second.want(&mut session, 0), Err(spent));
    first.cancel(&mut session);
    let mut third = Fetch::range(&session, span);
    assert!(matches!(third.want(&mut session, 0), Ok(Want::Send(_))));

    // The fetch does not read a whole file that would exceed the budget.
    let mut session = Session::new(Options { bytes_max: 60_000, ..options() });
    let span = Span { start: 60_000, end: 60_500 };
    assert_eq!(play_span(&mut session, &[Whole, Right], span).sent.len(), 2);
    assert_eq!(session.stats().bytes, 500);
    // The fetch reads a file of unknown length until the budget is used up.
    let mut fetch = Fetch::whole(&session, None).unwrap();
    let run = run_head(&mut fetch, &mut session, &[WholeUnframed]);
    assert!(matches!(run.result, Err(Error::BytesSpent { max: 60_000, .. })));
    assert!(session.stats().bytes <= 60_000);
}

#[test]
fn each_request_has_bounds_in_time() {
    // spec: R-HTTP-52
    let options = Options {
        first_byte_millis_max: 8,
        silence_millis_max: 9,
        bytes_per_second_min: 500,
        ..options()
    };
    let mut session = Session::new(options);
    let mut fetch = Fetch::range(&session, Span { start: 0, end: 1_000 });
    let Ok(Want::Send(request)) = fetch.want(&mut session, 0) else { panic!("it sends") };
    assert_eq!((request.first_byte_millis_max, request.silence_millis_max), (8, 9));
    assert_eq!(request.millis_max, 2_009);
}

#[test]
fn nothing_is_asked_for_no_bytes() {
    let mut session = session();
    let run = play_span(&mut session, &[Right], Span { start: 9, end: 9 });
    assert_eq!((run.result, run.sent.len()), (Ok(vec![]), 0));
}

#[test]
fn what_comes_out_of_turn_ends_the_fetch() {
    let misuse = Err(Error::Misuse(dacti_http::Misuse::OutOfTurn));
    let mut session = session();
    let span = Span { start: 0, end: 9 };
    for feed in [
        |f: &mut Fetch, s: &mut Session| assert!(!f.response(s, &Response::new(206))),
        |f: &mut Fetch, s: &mut Session| assert_eq!(f.body(s, b"x"), (None, false)),
        |f: &mut Fetch, s: &mut Session| f.end(s, End::Complete),
        |f: &mut Fetch, s: &mut Session| f.doubt(s, Doubt::Digest),
    ] {
        let mut fetch = Fetch::range(&session, span);
        feed(&mut fetch, &mut session);
        assert_eq!(fetch.want(&mut session, 0), misuse);
    }
    let mut fetch = Fetch::range(&session, span);
    fetch.want(&mut session, 0).unwrap();
    assert_eq!(fetch.want(&mut session, 0), misuse);
}

fn act() -> impl Strategy<Value = Act> {
    let end = prop_oneof![
        Just(End::Complete),
        Just(End::Reset),
        Just(End::Timeout),
        Just(End::Unreachable)
    ];
    let n = prop_oneof![0_u64..1_100, 0_u64..LEN];
    prop_oneof![
        3 => prop_oneof![Just(Right), Just(Unframed), Just(Star), (0_u64..3).prop_map(Grown)],
        1 => prop_oneof![Just(Whole), Just(WholeUnframed), n.clone().prop_map(WholeOf)],
        1 => (n.clone(), end.clone()).prop_map(|(n, end)| WholeCut(n, end)),
        1 => prop_oneof![(1_u64..9_999).prop_map(Elsewhere), Just(NoContentRange), Just(Multipart)],
        1 => prop_oneof![Just(Gzip), Just(GzipWhole), Just(Endless), Just(NotSatisfiable)],
        3 => (n.clone(), end.clone()).prop_map(|(n, end)| Cut(n, end)),
        1 => prop_oneof![
            (1_u64..999).prop_map(Fewer),
            (1_u64..99).prop_map(Longer),
            (1_u64..99).prop_map(Wider)
        ],
        1 => prop_oneof![
            prop::sample::select(vec![204, 301, 400, 404, 429, 500, 503]).prop_map(Status),
            (0_u64..60).prop_map(|secs| Later(503, secs)),
        ],
        1 => end.prop_map(Act::None),
    ]
}

/// Wrong answers that only a digest can reveal.
fn lie() -> impl Strategy<Value = Act> {
    prop_oneof![Just(Zeros), (1_u64..99).prop_map(Shifted)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn whatever_servers_do_the_bytes_are_right_or_there_is_an_error_within_the_bounds(
        acts in prop::collection::vec(prop_oneof![6 => act(), 1 => lie()], 1..40),
        start in 0_u64..LEN - 3_000,
        len in 0_u64..3_000,
        bytes_max in prop_oneof![Just(u64::MAX), 0_u64..20_000],
        requests_max in prop_oneof![Just(u64::MAX), 0_u64..9],
        tags in any::<bool>(),
        head in any::<bool>(),
    ) {
        // spec: R-HTTP-50, R-HTTP-51, R-HTTP-53
        let mut session = Session::new(Options { tags, bytes_max, requests_max, ..options() });
        session.set_grid(Grid { slice_len: 4_096, fresh_end: 50_000 });
        // Several fetches share a session, so that later fetches depend on the memory of the
        // session.
        for n in 0..4 {
            let before = session.stats().requests;
            let acts = &acts[n % acts.len()..];
            let sent = if head && n == 0 {
                let lies = |act: &Act| matches!(act, Zeros | Shifted(_));
                let acts: Vec<_> = acts.iter().copied().filter(|act| !lies(act)).collect();
                let acts = if acts.is_empty() { vec![Right] } else { acts };
                run_head(&mut Fetch::head(&session), &mut session, &acts).sent
            } else {
                play_span(&mut session, acts, Span { start, end: start + len }).sent
            };
            let stats = session.stats();
            prop_assert_eq!(stats.requests - before, sent.len() as u64);
            prop_assert!(stats.requests <= requests_max && stats.bytes <= bytes_max);
            // After a fetch, none of its bytes stay reserved, whether it succeeded or failed.
            let mut rest = session.clone();
            let mut fetch = Fetch::range(&rest, Span { start: 0, end: bytes_max - stats.bytes });
            let free = fetch.want(&mut rest, 0).is_ok();
            prop_assert!(free || stats.requests == requests_max);
        }
    }

    #[test]
    fn without_a_digest_whatever_can_be_seen_is_seen(
        acts in prop::collection::vec(act(), 1..30),
        start in 0_u64..LEN - 3_000,
        len in 0_u64..3_000,
    ) {
        // spec: R-HTTP-53
        let mut session = session();
        let span = Span { start, end: start + len };
        let mut fetch = Fetch::range(&session, span);
        let act = |_: &Request, n: usize| *acts.get(n).or(acts.last()).unwrap();
        let run = run(&mut fetch, &mut session, &FILE, act, |_| None);
        if let Ok(bytes) = run.result {
            prop_assert!(bytes == FILE[start as usize..(start + len) as usize]);
        }
    }
}
