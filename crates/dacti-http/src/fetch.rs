//! One range in the making: which request to send next, and what its answer means.
//!
//! The machine holds no bytes: what it hands on is borrowed from what it was fed. It knows no
//! clock, no chance, no URL and no meaning of the bytes. Specification: `docs/spec/dacti-http.md`,
//! "Answers", "Retry", "Escalation".

use crate::backoff::backoff_millis;
use crate::fault::{Doubt, Fault};
use crate::mark::Mark;
use crate::{Answer, Error, Misuse, Options, Request, Session, Tag};
use daicon_core::{HEAD_LEN, Span};

/// What a fetch wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// This request sent, and its answer fed.
    Send(Request),
    /// To be asked again after so many milliseconds.
    Wait(u64),
    /// Nothing: all bytes were handed on.
    Nothing,
}

/// How an answer, or the attempt to get one, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// In good order.
    Complete,
    /// The connection broke.
    Reset,
    /// It took too long, by the request's own bounds.
    Timeout,
    /// There was no connection to begin with.
    Unreachable,
}

/// Bytes of the file.
///
/// They count when the fetch is done: until then a later delivery may begin at an earlier position
/// again and replaces what was delivered from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery<'b> {
    /// Where they stand in the file, absolute.
    pub at: u64,
    /// The bytes.
    pub bytes: &'b [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Head,
    Range,
    Whole,
}

/// The steps of the escalation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Plain,
    Slice,
    Nonce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ready {
        resolve: bool,
    },
    /// Before retry number `n`, from 0, or for as long as the server asked.
    Waiting {
        n: u32,
        secs: Option<u64>,
    },
    Sent,
    Reading(Reading),
    Done,
    Failed(Error),
    Ended,
}

/// A body that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reading {
    /// Where the body's next byte stands in the file.
    at: u64,
    /// Where the bytes end that are taken from it.
    end: u64,
    /// Whether the body may end anywhere, as nobody knows how long the file is.
    open: bool,
    /// Whether a byte behind the end would be one too many: the body is unframed, and of a range.
    strict: bool,
}

/// One range, or head, or whole file, that is being fetched.
#[derive(Debug, Clone)]
pub struct Fetch {
    kind: Kind,
    span: Span,
    slice: u64,
    level: Level,
    state: State,
    /// The first byte that is still missing.
    next_at: u64,
    /// The first byte that the latest request asked for.
    asked_at: u64,
    /// Bytes of the session's budget that are set aside for this fetch.
    held: u64,
    /// Without progress, on this level.
    failures: u32,
    /// Of stale answers, on the plain level.
    stale_retries: u32,
    resumes: u32,
    resolved: bool,
    /// Began with a tag or a nonce, and has not fallen back to the plain URL.
    began_tagged: bool,
    requests: u32,
    /// What led to the escalation.
    cause: Option<Fault>,
    len: Option<u64>,
    /// The state of the file that the bytes are of, the latest where they are of several.
    mark: Option<Mark>,
}

impl Fetch {
    fn new(kind: Kind, span: Span, slice: u64, level: Level) -> Self {
        let empty = span.is_empty();
        Self {
            kind,
            span,
            slice,
            level,
            state: if empty { State::Done } else { State::Ready { resolve: false } },
            next_at: span.start,
            asked_at: span.start,
            held: 0,
            failures: 0,
            stale_retries: 0,
            resumes: 0,
            resolved: false,
            began_tagged: level != Level::Plain,
            requests: 0,
            cause: None,
            len: None,
            mark: None,
        }
    }

    pub(crate) fn head(nonce: bool) -> Self {
        let level = if nonce { Level::Nonce } else { Level::Plain };
        Self::new(Kind::Head, Span { start: 0, end: HEAD_LEN }, 0, level)
    }

    pub(crate) fn range(span: Span, slice: u64, level: Level) -> Self {
        Self::new(Kind::Range, span, slice, level)
    }

    pub(crate) fn whole(len: Option<u64>, max: u64) -> Self {
        let mut fetch =
            Self::new(Kind::Whole, Span { start: 0, end: len.unwrap_or(max) }, 0, Level::Plain);
        fetch.len = len;
        fetch
    }

    /// The bytes that are fetched. For a head they end with the file where that is shorter, and
    /// they are the whole file where the server sent it and it is short; for a whole file they end
    /// where it does. So this holds once the fetch is done.
    #[must_use]
    pub const fn span(&self) -> Span {
        self.span
    }

    /// The file's length by the answer that brought the bytes, where it said so.
    #[must_use]
    pub const fn file_len(&self) -> Option<u64> {
        self.len
    }

    /// What to do next. Chance is the caller's.
    ///
    /// # Errors
    /// Why the bytes cannot be had; the fetch has ended then.
    pub fn want(&mut self, session: &mut Session, random: u64) -> Result<Want, Error> {
        match self.state {
            State::Ready { resolve } => {
                let request = self.request(session.options(), random, resolve);
                let len = match self.kind {
                    Kind::Whole => self.len.unwrap_or(0),
                    Kind::Head | Kind::Range => request.range.unwrap_or_default().len(),
                };
                if let Err(error) = session.send(len) {
                    self.state = State::Ended;
                    return Err(error);
                }
                self.held = len;
                self.asked_at = self.next_at;
                self.requests = self.requests.saturating_add(1);
                self.state = State::Sent;
                Ok(Want::Send(request))
            }
            State::Waiting { n, secs } => {
                self.state = State::Ready { resolve: false };
                let millis = backoff_millis(session.options(), n, random);
                let asked = secs.map(|secs| secs.saturating_mul(1_000));
                Ok(Want::Wait(asked.unwrap_or(0).max(millis)))
            }
            State::Done => Ok(Want::Nothing),
            State::Failed(error) => {
                self.state = State::Ended;
                Err(error)
            }
            State::Sent | State::Reading(_) | State::Ended => Err(Misuse::OutOfTurn.into()),
        }
    }

    /// Takes the head of an answer. Says whether its body is worth reading.
    pub fn answer(&mut self, session: &mut Session, answer: &Answer) -> bool {
        if self.state != State::Sent {
            self.out_of_turn(session);
            return false;
        }
        let read = match (answer.status, answer.coding) {
            (200 | 206, Some(coding)) => Err(Fault::Encoded(coding)),
            (206, None) => self.partial(session, answer),
            (200, None) => self.take_whole(session, answer),
            (416, _) => {
                let len = answer.content_range.and_then(|range| range.total);
                Err(Fault::NotSatisfiable { len })
            }
            (status, _) => Err(Fault::Status(status)),
        };
        match read {
            Ok(reading) => {
                self.state = State::Reading(reading);
                if reading.at == reading.end {
                    self.finish(session);
                }
                matches!(self.state, State::Reading(_))
            }
            Err(fault) => {
                self.fail(session, fault, answer.retry_after_secs);
                false
            }
        }
    }

    /// Takes a piece of the body: what of it belongs to the range, and whether more is to be read.
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
        let taken = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        if let Err(error) = self.account(session, to_u64(taken)) {
            self.give_up(session, error);
            return (None, false);
        }
        let start = reading.at;
        reading.at = start.saturating_add(to_u64(taken));
        self.state = State::Reading(reading);
        // In a whole file those asked for are preceded by others.
        let skip = usize::try_from(self.next_at.saturating_sub(start)).unwrap_or(usize::MAX);
        let delivery = bytes.get(..taken).and_then(|bytes| bytes.get(skip..));
        let at = self.next_at;
        self.next_at = self.next_at.max(reading.at);
        if reading.at == reading.end && !reading.strict {
            self.finish(session);
        }
        let delivery = delivery.filter(|bytes| !bytes.is_empty());
        let more = matches!(self.state, State::Reading(_));
        (delivery.map(|bytes| Delivery { at, bytes }), more)
    }

    /// Takes the end of an answer, or of the attempt to get one. Not to be told where
    /// [`answer`](Self::answer) or [`body`](Self::body) wanted no more.
    pub fn end(&mut self, session: &mut Session, end: End) {
        let fault = match end {
            End::Complete | End::Reset => Fault::Reset,
            End::Timeout => Fault::Timeout,
            End::Unreachable => Fault::Unreachable,
        };
        match self.state {
            State::Reading(reading) if reading.at == reading.end => self.finish(session),
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

    /// Takes the caller's word that the bytes of a fetch that is done are wrong: they are fetched
    /// anew, by the next step of the escalation.
    pub fn doubt(&mut self, session: &mut Session, doubt: Doubt) {
        if self.state != State::Done {
            self.out_of_turn(session);
            return;
        }
        self.next_at = self.span.start;
        self.asked_at = self.span.start;
        if self.level == Level::Slice {
            session.unlearn_stale();
        }
        self.fail(session, Fault::Doubt(doubt), None);
    }

    /// Gives back what is set aside for a fetch that nobody goes on with.
    pub fn cancel(&mut self, session: &mut Session) {
        self.release(session);
        self.state = State::Ended;
    }

    fn request(&self, options: &Options, random: u64, resolve: bool) -> Request {
        let slice = self.slice;
        let tag = match self.level {
            Level::Plain => Tag::None,
            Level::Slice => Tag::Slice(slice),
            Level::Nonce => Tag::Nonce { slice, nonce: random },
        };
        let range = match self.kind {
            Kind::Head => Some(Span { start: 0, end: HEAD_LEN }),
            Kind::Range => Some(Span { start: self.next_at, ..self.span }),
            Kind::Whole => None,
        };
        let len = range.unwrap_or(self.span).len();
        let rate = options.bytes_per_second_min.max(1);
        let millis = len.saturating_mul(1_000).checked_div(rate).unwrap_or(0);
        let silence_millis_max = options.silence_millis_max;
        let millis_max = silence_millis_max.saturating_add(millis);
        Request { range, tag, resolve, silence_millis_max, millis_max }
    }

    /// Judges a 206.
    fn partial(&mut self, session: &mut Session, answer: &Answer) -> Result<Reading, Fault> {
        if self.kind == Kind::Whole {
            return Err(Fault::Status(answer.status));
        }
        let range = answer.content_range.filter(|_| !answer.multipart).ok_or(Fault::NoRange)?;
        let found = range.span.ok_or(Fault::NoRange)?;
        let asked_end = if self.kind == Kind::Head { HEAD_LEN } else { self.span.end };
        if found.start != self.asked_at || found.end > asked_end {
            return Err(Fault::OtherRange { found });
        }
        if let Some(len) = answer.content_len.filter(|len| *len != found.len()) {
            return Err(Fault::OtherLength { expected: found.len(), found: len });
        }
        self.note(session, answer.mark(range.total));
        self.len = range.total;
        let strict = answer.content_len.is_none();
        Ok(Reading { at: found.start, end: found.end, open: false, strict })
    }

    /// Judges a 200.
    fn take_whole(&mut self, session: &mut Session, answer: &Answer) -> Result<Reading, Fault> {
        let len = answer.content_len;
        let fault = Fault::Whole { len };
        let options = *session.options();
        let end = match self.kind {
            Kind::Whole => {
                let end = len.unwrap_or(self.span.end);
                if !options.allow_whole && end > options.whole_len_max {
                    return Err(fault);
                }
                self.span.end = end;
                end
            }
            Kind::Head => {
                session.stats_mut().whole = session.stats().whole.saturating_add(1);
                let whole = len.filter(|len| *len <= options.whole_len_max);
                let mut end = whole.or(len).unwrap_or(HEAD_LEN);
                if whole.is_none() || self.hold_up_to(session, end).is_err() {
                    end = end.min(HEAD_LEN);
                }
                self.span.end = end;
                end
            }
            Kind::Range => {
                session.stats_mut().whole = session.stats().whole.saturating_add(1);
                let end = self.span.end;
                let short = len.is_some_and(|len| len < end);
                if short || end > options.skip_len_max || self.hold_up_to(session, end).is_err() {
                    return Err(fault);
                }
                end
            }
        };
        self.note(session, answer.mark(len));
        self.len = len;
        let open = len.is_none() && self.kind != Kind::Range;
        Ok(Reading { at: 0, end, open, strict: false })
    }

    /// Notes the state of the file that an answer's bytes are of.
    fn note(&mut self, session: &mut Session, mark: Mark) {
        if self.kind == Kind::Head || session.knows_no_state() {
            session.know(mark);
        }
        if self.mark.is_none_or(|known| mark.is_later_than(&known)) {
            self.mark = Some(mark);
        }
    }

    pub(crate) const fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// Sets aside what a body of `len` bytes takes beyond what is already.
    fn hold_up_to(&mut self, session: &mut Session, len: u64) -> Result<(), Error> {
        let more = len.saturating_sub(self.held);
        session.hold(more)?;
        self.held = self.held.saturating_add(more);
        Ok(())
    }

    /// Counts bytes that came. Those of a whole file of unknown length were not set aside.
    fn account(&mut self, session: &mut Session, len: u64) -> Result<(), Error> {
        self.hold_up_to(session, len)?;
        session.take(len);
        self.held = self.held.saturating_sub(len);
        Ok(())
    }

    fn release(&mut self, session: &mut Session) {
        session.release(core::mem::take(&mut self.held));
    }

    /// Ends an answer all of whose bytes came.
    fn finish(&mut self, session: &mut Session) {
        if self.kind == Kind::Head && self.len == Some(self.next_at) {
            // A file that ends sooner is complete.
            self.span.end = self.next_at;
        }
        if self.next_at < self.span.end {
            return self.fail(session, Fault::Short { at: self.next_at }, None);
        }
        self.release(session);
        if self.level == Level::Slice && self.cause.is_some() {
            session.learn_stale(self.slice);
        }
        self.state = State::Done;
    }

    /// Decides what follows from a fault.
    fn fail(&mut self, session: &mut Session, fault: Fault, retry_after_secs: Option<u64>) {
        self.release(session);
        session.count(&fault);
        let progress = self.next_at > self.asked_at;
        if self.kind != Kind::Range {
            // Two halves of two states would make a head that never was.
            self.next_at = 0;
            self.span.end = if self.kind == Kind::Head { HEAD_LEN } else { self.span.end };
        } else if progress && self.resumes < session.options().resumes_max {
            self.resumes = self.resumes.saturating_add(1);
            session.stats_mut().resumes = session.stats().resumes.saturating_add(1);
            self.state = State::Ready { resolve: false };
            return;
        }
        match fault {
            Fault::Status(status) if !is_passing(status) && status >= 300 => {
                self.refuse(session, status);
            }
            Fault::Unreachable | Fault::Reset | Fault::Timeout => {
                self.retry(session, fault, retry_after_secs);
            }
            Fault::Status(status) if is_passing(status) => {
                self.retry(session, fault, retry_after_secs);
            }
            // It was asked for without a range because ranges do not work.
            Fault::Whole { len } if self.kind == Kind::Whole => {
                self.give_up(session, Error::NoRanges { span: self.span, len });
            }
            _ => self.retry_stale(session, fault),
        }
    }

    /// After a fault that may pass: the same again, later.
    fn retry(&mut self, session: &mut Session, fault: Fault, retry_after_secs: Option<u64>) {
        let max = session.options().retry_after_secs_max;
        if let (Fault::Status(status), Some(secs)) = (fault, retry_after_secs)
            && secs > max
        {
            return self.give_up(session, Error::Busy { status, secs });
        }
        if self.failures < session.options().retries_max {
            let n = self.failures;
            self.failures = n.saturating_add(1);
            session.stats_mut().retries = session.stats().retries.saturating_add(1);
            self.state = State::Waiting { n, secs: retry_after_secs };
        } else if matches!(fault, Fault::Reset | Fault::Timeout) {
            self.escalate(session, fault);
        } else {
            self.give_up(session, self.unavailable(fault));
        }
    }

    /// After an answer that another edge, or another key of the cache, would not give.
    fn retry_stale(&mut self, session: &mut Session, fault: Fault) {
        let options = session.options();
        let max = if options.tags { 1 } else { options.retries_max };
        if self.level == Level::Plain && self.stale_retries < max {
            let n = self.stale_retries;
            self.stale_retries = n.saturating_add(1);
            // Where a tag comes next there is nothing to wait for.
            self.state = if options.tags {
                State::Ready { resolve: false }
            } else {
                State::Waiting { n, secs: None }
            };
            session.stats_mut().retries = session.stats().retries.saturating_add(1);
        } else {
            self.escalate(session, fault);
        }
    }

    fn escalate(&mut self, session: &mut Session, fault: Fault) {
        let tags = session.options().tags;
        self.level = match (self.level, self.kind) {
            (Level::Plain, Kind::Range) if tags => Level::Slice,
            (Level::Plain, _) if tags => Level::Nonce,
            (Level::Slice, _) => Level::Nonce,
            (Level::Plain | Level::Nonce, _) => {
                let error = self.final_error(fault, tags);
                return self.give_up(session, error);
            }
        };
        self.cause = Some(fault);
        (self.failures, self.resumes) = (0, 0);
        session.stats_mut().escalations = session.stats().escalations.saturating_add(1);
        self.state = State::Ready { resolve: false };
    }

    /// After a status that no retry changes.
    fn refuse(&mut self, session: &mut Session, status: u16) {
        if self.level != Level::Plain {
            // Some servers take no query. What came without one is the reason.
            if let Some(cause) = self.cause {
                return self.give_up(session, self.final_error(cause, false));
            }
            if core::mem::take(&mut self.began_tagged) {
                session.unlearn_stale();
                self.level = Level::Plain;
                (self.failures, self.resumes) = (0, 0);
                self.state = State::Ready { resolve: false };
                return;
            }
        }
        let led_astray = session.stats().redirects > 0 && status >= 400;
        if led_astray && !self.resolved {
            // Where a redirect led before may be gone, and the URL itself lead elsewhere now.
            self.resolved = true;
            session.stats_mut().retries = session.stats().retries.saturating_add(1);
            self.state = State::Ready { resolve: true };
            return;
        }
        let error = match status {
            300..=399 => Error::Redirects { status },
            401 | 403 | 407 | 451 => Error::Denied { status },
            404 | 410 => Error::NotFound { status },
            _ => Error::Refused { status },
        };
        self.give_up(session, error);
    }

    fn final_error(&self, fault: Fault, tags: bool) -> Error {
        let span = self.span;
        match fault {
            // One that ends before the range is an old file, not a server without ranges.
            Fault::Whole { len } if len.is_none_or(|len| len >= span.end) => {
                Error::NoRanges { span, len }
            }
            Fault::Encoded(coding) => Error::Encoded { span, coding },
            Fault::Reset | Fault::Timeout => self.unavailable(fault),
            fault => Error::Stale { span, fault, tags },
        }
    }

    fn unavailable(&self, fault: Fault) -> Error {
        Error::Unavailable { span: self.span, fault, requests: self.requests }
    }

    fn give_up(&mut self, session: &mut Session, error: Error) {
        self.release(session);
        self.state = State::Failed(error);
    }

    fn out_of_turn(&mut self, session: &mut Session) {
        self.give_up(session, Misuse::OutOfTurn.into());
    }
}

/// Whether a status speaks of now and not of the question.
const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
