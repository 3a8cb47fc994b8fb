//! The fetch of one range: which request to send next, and what each answer means.
//!
//! The machine holds no bytes: deliveries borrow the bytes that the caller feeds. It has no clock,
//! no random numbers and no URL, and does not interpret the bytes. Specification:
//! `docs/spec/dacti-http.md`, "Answers", "Retry", "Escalation".

mod follow;
mod judge;

use crate::HEAD_LEN;
use crate::backoff::backoff_millis;
use crate::fault::{Doubt, Fault};
use crate::ledger::more;
use crate::mark::Mark;
use crate::step::{Begin, Step};
use crate::{Error, Identity, Misuse, News, Options, Request, Response, Session, Tag};
use daicon_core::{Span, to_u64};

/// The next thing that a fetch wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Send this request and feed its answer.
    Send(Request),
    /// Ask again after this many milliseconds.
    Wait(u64),
    /// Nothing: all bytes were delivered.
    Nothing,
}

/// How an answer, or the attempt to get one, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The answer ended without an error.
    Complete,
    /// The connection broke.
    Reset,
    /// The answer took longer than the request allows.
    Timeout,
    /// No connection was made.
    Unreachable,
    /// TLS failed: the client refused the server's certificate, or its version of the protocol.
    Tls,
}

/// Bytes of the file.
///
/// The bytes are final only after the fetch is done. Before that, a later delivery may begin at an
/// earlier position. It then replaces all bytes that were delivered from that position on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery<'b> {
    /// The absolute position of the first byte.
    pub at: u64,
    /// The bytes.
    pub bytes: &'b [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    Range,
    Whole,
    /// A range of an immutable object of this length.
    Object {
        len: u64,
    },
}

impl Kind {
    /// Returns whether the bytes that arrived before a fault are kept, so that the next request
    /// asks only for the missing bytes.
    const fn resumes(self) -> bool {
        matches!(self, Self::Range | Self::Object { .. })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready { resolve: bool },
    Waiting(Pause),
    Sent,
    Reading(Reading),
    Done,
    Failed(Error),
    Ended,
}

/// A wait before the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// The wait before retry number `n`, counted from 0. `secs` is the wait that the server asked
    /// for.
    Retry { n: u32, secs: Option<u64> },
    /// The wait before try number `n`, counted from 0, for bytes that an upload in progress may
    /// still add.
    Upload { n: u32 },
}

/// A body that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    /// The position in the file of the body's next byte.
    at: u64,
    /// The position in the file at which reading stops.
    end: u64,
    /// Whether the body may end anywhere, because the file's length is unknown.
    open: bool,
    /// Whether a byte past `end` is a fault: the body must end at `end`, and no `Content-Length`
    /// states its length.
    strict: bool,
}

/// One range, head or whole file that is being fetched.
#[derive(Debug, Clone)]
pub struct Fetch {
    kind: Kind,
    span: Span,
    slice: u64,
    step: Step,
    state: State,
    /// The first byte that is still missing.
    next_at: u64,
    /// The first byte that the latest request asked for.
    asked_at: u64,
    /// The end of the range to request for a head: 65,536, or the length that a 416 stated.
    head_end: u64,
    /// The end of the bytes in the latest answer for the head, if its `Content-Range` had `*` as
    /// the total.
    short_end: Option<u64>,
    /// Bytes of the session's budget that are reserved for this fetch.
    held: u64,
    /// The number of retries after temporary faults in this step of the escalation.
    failures: u32,
    /// Number of retries after stale answers to the plain URL.
    stale_retries: u32,
    /// The number of waits for an upload so far.
    waits: u32,
    resumes: u32,
    resolved: bool,
    /// Whether the fetch began with a tag or a nonce, and has not fallen back to the plain URL.
    began_tagged: bool,
    requests: u32,
    /// The fault that led to the escalation.
    cause: Option<Fault>,
    len: Option<u64>,
    /// For a head, the state of the file that the head's bytes come from. For other bytes, the
    /// latest state that an answer described and the session did not know.
    mark: Option<Mark>,
    /// The number of ranges that the session had fetched when this fetch began.
    ranges_before: u64,
}

impl Fetch {
    fn new(session: &Session, kind: Kind, span: Span, slice: u64, begin: Begin) -> Self {
        let state = match (span.is_empty(), begin.waits.checked_sub(1)) {
            (true, _) => State::Done,
            (false, None) => State::Ready { resolve: false },
            (false, Some(n)) => State::Waiting(Pause::Upload { n }),
        };
        Self {
            kind,
            span,
            slice,
            step: begin.step,
            state,
            next_at: span.start,
            asked_at: span.start,
            head_end: HEAD_LEN,
            short_end: None,
            held: 0,
            failures: 0,
            stale_retries: 0,
            waits: begin.waits,
            resumes: 0,
            resolved: false,
            began_tagged: begin.step != Step::Plain,
            requests: 0,
            cause: None,
            len: None,
            mark: None,
            ranges_before: session.ranges(),
        }
    }

    /// Returns the fetch of the head.
    #[must_use]
    pub fn head(session: &Session) -> Self {
        Self::new(session, Kind::Head, Span { start: 0, end: HEAD_LEN }, 0, Begin::PLAIN)
    }

    /// Returns the fetch of a fresh head. It begins with a nonce, because the plain URL may return
    /// a cached copy.
    #[must_use]
    pub fn fresh_head(session: &Session) -> Self {
        let step = if session.options().tags { Step::Nonce } else { Step::Plain };
        let span = Span { start: 0, end: HEAD_LEN };
        Self::new(session, Kind::Head, span, 0, Begin { step, waits: 0 })
    }

    /// Returns the fetch of a region, or of a part of a larger range that the caller found wrong.
    #[must_use]
    pub fn range(session: &Session, span: Span) -> Self {
        // spec: R-HTTP-05
        Self::part(session, span, session.region_start(span))
    }

    /// Returns the fetch of a part of a region. The region starts at `region_at`; this position
    /// determines the tag.
    #[must_use]
    pub fn part(session: &Session, span: Span, region_at: u64) -> Self {
        let slice = session.grid().slice_start(region_at);
        Self::new(session, Kind::Range, span, slice, session.begin(span, slice))
    }

    /// Returns the fetch of a range of an immutable object that has `len` bytes, such as a part of
    /// a package in parts. The span is relative to the object. If `past_caches` is true, the first
    /// request has a nonce, so that no cache answers with a stored copy.
    ///
    /// Specification: `docs/spec/dacti-parts.md`, "Reading".
    #[must_use]
    pub fn object(session: &Session, span: Span, len: u64, past_caches: bool) -> Self {
        let is_tagged = past_caches && session.options().tags;
        let step = if is_tagged { Step::Nonce } else { Step::Plain };
        Self::new(session, Kind::Object { len }, span, 0, Begin { step, waits: 0 })
    }

    /// Returns the fetch of the whole file, from a server without ranges.
    ///
    /// # Errors
    /// `NoRanges` if the file is longer than [`Options::whole_len_max`] and
    /// [`Options::allow_whole`] is off.
    pub fn whole(session: &Session, len: Option<u64>) -> Result<Self, Error> {
        let options = session.options();
        let max = if options.allow_whole { u64::MAX } else { options.whole_len_max };
        if len.is_some_and(|len| len > max) || (len.is_none() && max == 0) {
            return Err(Error::NoRanges { span: Span::default(), len });
        }
        let span = Span { start: 0, end: len.unwrap_or(max) };
        let fetch = Self::new(session, Kind::Whole, span, 0, Begin::PLAIN);
        Ok(Self { len, ..fetch })
    }

    /// Returns the span of the bytes. The span is final after the fetch is done. The span of a head
    /// ends with the file if the file is shorter than a head. If the server answers a request for
    /// the head with a whole file of at most [`Options::whole_len_max`] bytes, the span can cover
    /// that file. The span of a whole file ends where its body ends.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// Returns the file's length, as the answer with the bytes has stated it.
    #[must_use]
    pub const fn file_len(&self) -> Option<u64> {
        self.len
    }

    /// Returns the next thing to do. `random` is a fresh random number.
    ///
    /// # Errors
    /// The reason why the bytes cannot be fetched; the fetch has then ended. If the session has
    /// ended for good, every fetch returns the reason why the session ended.
    pub fn want(&mut self, session: &mut Session, random: u64) -> Result<Want, Error> {
        if let Err(ended) = session.check_ended() {
            self.cancel(session);
            return Err(ended);
        }
        match self.state {
            State::Ready { resolve } => {
                let request = self.request(session.options(), random, resolve);
                let len = match self.kind {
                    Kind::Whole => self.len.unwrap_or(0),
                    Kind::Head | Kind::Range | Kind::Object { .. } => {
                        request.range.unwrap_or_default().len()
                    }
                };
                if let Err(error) = session.ledger_mut().request(len) {
                    self.state = State::Ended;
                    return Err(error);
                }
                self.held = len;
                self.asked_at = self.next_at;
                self.requests = self.requests.saturating_add(1);
                self.state = State::Sent;
                Ok(Want::Send(request))
            }
            State::Waiting(pause) => {
                self.state = State::Ready { resolve: false };
                Ok(Want::Wait(pause.millis(session.options(), random)))
            }
            State::Done => Ok(Want::Nothing),
            State::Failed(error) => {
                self.state = State::Ended;
                Err(error)
            }
            State::Sent | State::Reading(_) | State::Ended => Err(Misuse::OutOfTurn.into()),
        }
    }

    /// Takes the status and the fields of an answer. Returns whether to read its body.
    pub fn response(&mut self, session: &mut Session, response: &Response) -> bool {
        if self.state != State::Sent {
            self.out_of_turn(session);
            return false;
        }
        match self.judge_response(session, response) {
            Ok(reading) => {
                self.state = State::Reading(reading);
                if reading.at == reading.end {
                    self.finish(session);
                }
                matches!(self.state, State::Reading(_))
            }
            Err(fault) => {
                self.fail(session, fault, response.retry_after_secs);
                false
            }
        }
    }

    /// Takes a piece of the body. Returns the bytes that belong to the range, and whether to read
    /// on.
    pub fn body<'b>(
        &mut self,
        session: &mut Session,
        bytes: &'b [u8],
    ) -> (Option<Delivery<'b>>, bool) {
        let State::Reading(mut reading) = self.state else {
            self.out_of_turn(session);
            return (None, false);
        };
        let room = reading.end.saturating_sub(reading.at);
        if reading.strict && to_u64(bytes.len()) > room {
            let expected = reading.end.saturating_sub(self.asked_at);
            let surplus = to_u64(bytes.len()).saturating_sub(room);
            self.next_at = self.asked_at;
            let found = expected.saturating_add(surplus);
            self.fail(session, Fault::OtherLength { expected, found }, None);
            return (None, false);
        }
        let is_whole_of_any_len = reading.open && self.kind == Kind::Whole;
        if is_whole_of_any_len && to_u64(bytes.len()) > room {
            // The body is longer than the longest file that the caller allows to read whole.
            self.give_up(session, Error::NoRanges { span: self.span, len: None });
            return (None, false);
        }
        let taken = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        if let Err(error) = self.account(session, to_u64(taken)) {
            self.give_up(session, error);
            return (None, false);
        }
        let start = reading.at;
        reading.at = start.saturating_add(to_u64(taken));
        self.state = State::Reading(reading);
        // The body of a whole file begins at position 0, so the bytes before the wanted ones are
        // skipped.
        let skip = usize::try_from(self.next_at.saturating_sub(start)).unwrap_or(usize::MAX);
        let delivery = bytes.get(..taken).and_then(|bytes| bytes.get(skip..));
        let at = self.next_at;
        self.next_at = self.next_at.max(reading.at);
        if reading.at == reading.end && !reading.strict && !is_whole_of_any_len {
            self.finish(session);
        }
        let delivery = delivery.filter(|bytes| !bytes.is_empty());
        let more = matches!(self.state, State::Reading(_));
        (delivery.map(|bytes| Delivery { at, bytes }), more)
    }

    /// Takes the end of an answer, or of an attempt that got no answer. Do not call it after
    /// [`response`](Self::response) or [`body`](Self::body) has returned that no more bytes are to
    /// be read.
    pub fn end(&mut self, session: &mut Session, end: End) {
        let fault = match end {
            End::Complete | End::Reset => Fault::Reset,
            End::Timeout => Fault::Timeout,
            End::Unreachable => Fault::Unreachable,
            End::Tls => Fault::Tls,
        };
        match self.state {
            State::Reading(reading) if reading.at == reading.end && !reading.open => {
                self.finish(session);
            }
            State::Reading(reading) if end == End::Complete && reading.open => {
                self.span.end = reading.at;
                self.len = Some(reading.at);
                self.finish(session);
            }
            State::Reading(reading) if end == End::Complete => {
                self.fail(session, Fault::Short { at: reading.at }, None);
            }
            State::Sent | State::Reading(_) => self.fail(session, fault, None),
            _ => self.out_of_turn(session),
        }
    }

    /// Records that the bytes of a finished fetch are wrong. The fetch takes the next step of the
    /// escalation and fetches the bytes again.
    pub fn doubt(&mut self, session: &mut Session, doubt: Doubt) {
        if self.state != State::Done {
            self.out_of_turn(session);
            return;
        }
        self.next_at = self.span.start;
        self.asked_at = self.span.start;
        if self.step == Step::Slice {
            session.unlearn_stale();
        }
        self.fail(session, Fault::Doubt(doubt), None);
    }

    /// Ends the fetch, and frees the bytes of the budget that are reserved for it.
    pub fn cancel(&mut self, session: &mut Session) {
        self.release(session);
        self.state = State::Ended;
    }

    /// Returns whether to fetch the head again before the bytes of this finished fetch are used.
    /// This is necessary if the bytes are from a state of the file that is not known to belong to
    /// the session's file. Call [`looked`](Self::looked) after the head was fetched.
    ///
    /// Returns false after [`Session::LOOKS_MAX`] such fetches of the head: some servers describe
    /// the state of the file differently in every answer.
    #[must_use]
    pub fn wants_look(&self, session: &Session) -> bool {
        let states = session.states();
        states.has_looks_left(Session::LOOKS_MAX)
            && self.mark.is_some_and(|mark| !states.knows(&mark))
    }

    /// Records that the head was fetched after the bytes of this fetch, and that the head belongs
    /// to the session's file. From then on, the state of these bytes counts as known.
    pub fn looked(&self, session: &mut Session) {
        session.states_mut().count_look();
        if let Some(mark) = self.mark {
            session.states_mut().note(mark);
        }
    }

    /// Compares the head that this finished fetch has read with the session's latest head. If both
    /// are heads of the same file, the state of the file in this fetch's answer counts as known
    /// from then on.
    ///
    /// # Errors
    /// `Replaced` for a head of another file, which ends the session. If the session had ended
    /// before, the reason why it ended.
    pub fn judge(&self, session: &mut Session, head: Identity) -> Result<News, Error> {
        let news = session.judge(head)?;
        if let Some(mark) = self.mark {
            session.states_mut().note(mark);
        }
        session.confirm(self.ranges_before);
        Ok(news)
    }

    fn request(&self, options: &Options, random: u64, resolve: bool) -> Request {
        let slice = self.slice;
        let tag = match self.step {
            Step::Plain => Tag::None,
            Step::Slice => Tag::Slice(slice),
            Step::Nonce => Tag::Nonce { slice, nonce: random },
        };
        let range = match self.kind {
            Kind::Head => Some(Span { start: 0, end: self.head_end }),
            Kind::Range | Kind::Object { .. } => Some(Span { start: self.next_at, ..self.span }),
            Kind::Whole => None,
        };
        let len = range.unwrap_or(self.span).len();
        let rate = options.bytes_per_second_min.max(1);
        let millis = len.saturating_mul(1_000).checked_div(rate).unwrap_or(0);
        let silence_millis_max = options.silence_millis_max;
        let first_byte_millis_max = options.first_byte_millis_max;
        let millis_max = silence_millis_max.max(first_byte_millis_max).saturating_add(millis);
        Request { range, tag, resolve, first_byte_millis_max, silence_millis_max, millis_max }
    }

    /// Reserves more of the budget, until `len` bytes are reserved for this fetch. `len` is the
    /// length of a body.
    fn hold_up_to(&mut self, session: &mut Session, len: u64) -> Result<(), Error> {
        let more = len.saturating_sub(self.held);
        session.ledger_mut().hold(more)?;
        self.held = self.held.saturating_add(more);
        Ok(())
    }

    /// Counts `len` bytes that arrived, and reserves them first if needed: for a whole file of
    /// unknown length, no bytes were reserved before.
    fn account(&mut self, session: &mut Session, len: u64) -> Result<(), Error> {
        self.hold_up_to(session, len)?;
        session.ledger_mut().take(len);
        self.held = self.held.saturating_sub(len);
        Ok(())
    }

    fn release(&mut self, session: &mut Session) {
        session.ledger_mut().release(core::mem::take(&mut self.held));
    }

    /// Ends an answer after all its bytes have arrived.
    fn finish(&mut self, session: &mut Session) {
        if self.kind == Kind::Head && self.ends_with_file() {
            self.span.end = self.next_at;
        }
        if self.next_at < self.span.end {
            return self.fail(session, Fault::Short { at: self.next_at }, None);
        }
        self.release(session);
        if self.step == Step::Slice && self.cause.is_some() {
            session.learn_stale(self.slice);
        }
        if self.waits > 0 {
            session.note_wait(false);
        }
        match (self.kind, self.mark) {
            (Kind::Head, Some(mark)) => session.begin_with(mark),
            // An immutable object is named by its content, so no head has to confirm it.
            (Kind::Head, None) | (Kind::Object { .. }, _) => {}
            (Kind::Range | Kind::Whole, _) => session.count_range(),
        }
        self.state = State::Done;
    }

    /// Returns whether the file ends where the bytes of a head end. This is so if the answer states
    /// that the file has this length, or if two answers in a row with the total `*` ended there.
    fn ends_with_file(&mut self) -> bool {
        if self.len.is_some() {
            return self.len == Some(self.next_at);
        }
        let before = self.short_end.replace(self.next_at);
        before == Some(self.next_at)
    }

    fn give_up(&mut self, session: &mut Session, error: Error) {
        self.release(session);
        self.state = State::Failed(error);
    }

    fn out_of_turn(&mut self, session: &mut Session) {
        self.give_up(session, Misuse::OutOfTurn.into());
    }
}

impl Pause {
    fn millis(self, options: &Options, random: u64) -> u64 {
        match self {
            Self::Retry { n, secs } => {
                let millis = backoff_millis(options, n, random);
                let asked = secs.map(|secs| secs.saturating_mul(1_000));
                asked.unwrap_or(0).max(millis)
            }
            Self::Upload { n } => {
                let doubled = 1_u64.checked_shl(n).unwrap_or(u64::MAX);
                options.upload_wait_millis.saturating_mul(doubled)
            }
        }
    }
}
