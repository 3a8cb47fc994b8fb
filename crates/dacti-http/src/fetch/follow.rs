//! Decides what follows from a fault: resume, retry, escalate, wait, or give up.
//!
//! Specification: `docs/spec/dacti-http.md`, "Retry", "Escalation".

use super::{Fetch, Kind, Pause, State, more};
use crate::HEAD_LEN;
use crate::step::Step;
use crate::{Error, Fault, Session};

impl Fetch {
    pub(super) fn fail(
        &mut self,
        session: &mut Session,
        fault: Fault,
        retry_after_secs: Option<u64>,
    ) {
        self.release(session);
        if let Fault::NotSatisfiable { len: Some(len) } = fault
            && self.kind == Kind::Head
            && self.head_end == HEAD_LEN
            && (1..HEAD_LEN).contains(&len)
        {
            // Some servers refuse a range that passes the end of a short file. So the next request
            // asks for the length that the 416 stated.
            self.head_end = len;
            more(&mut session.stats_mut().retries);
            self.state = State::Ready { resolve: false };
            return;
        }
        session.stats_mut().count(&fault);
        let progress = self.next_at > self.asked_at;
        if !self.kind.resumes() {
            // A head made of two answers may mix two states of the file, so it is fetched from its
            // start.
            self.next_at = 0;
            self.head_end = HEAD_LEN;
            self.span.end = if self.kind == Kind::Head { HEAD_LEN } else { self.span.end };
        } else if progress && self.resumes < session.options().resumes_max {
            self.resumes = self.resumes.saturating_add(1);
            more(&mut session.stats_mut().resumes);
            self.state = State::Ready { resolve: false };
            return;
        }
        match fault {
            Fault::Status(status) if !is_passing(status) && status >= 300 => {
                self.refuse(session, status);
            }
            Fault::Tls => self.give_up(session, self.unavailable(fault, false)),
            Fault::Unreachable | Fault::Reset | Fault::Timeout => {
                self.retry(session, fault, retry_after_secs);
            }
            Fault::Status(status) if is_passing(status) => {
                self.retry(session, fault, retry_after_secs);
            }
            // This fetch asks for the whole file, so the fault means that the file is longer than
            // allowed.
            Fault::Whole { len } if self.kind == Kind::Whole => {
                self.give_up(session, Error::NoRanges { span: self.span, len });
            }
            _ => self.retry_stale(session, fault),
        }
    }

    /// Handles a fault that may be temporary: repeats the request later.
    fn retry(&mut self, session: &mut Session, fault: Fault, retry_after_secs: Option<u64>) {
        let max = session.options().retry_after_secs_max;
        if let (Fault::Status(status), Some(secs)) = (fault, retry_after_secs)
            && secs > max
        {
            return self.give_up(session, Error::Busy { status, secs });
        }
        let options = session.options();
        let retries_max = match fault {
            Fault::Timeout => options.retries_max.min(options.silent_retries_max),
            _ => options.retries_max,
        };
        let escalates = match fault {
            Fault::Reset | Fault::Timeout => true,
            Fault::Status(status) => status >= 500,
            _ => false,
        };
        if self.failures < retries_max {
            let n = self.failures;
            self.failures = n.saturating_add(1);
            more(&mut session.stats_mut().retries);
            self.state = State::Waiting(Pause::Retry { n, secs: retry_after_secs });
        } else if escalates {
            self.escalate(session, fault);
        } else {
            let tags = self.step != Step::Plain;
            self.give_up(session, self.unavailable(fault, tags));
        }
    }

    /// Repeats a request after a wrong answer. Another server of the cache may return the right
    /// answer, and so may the URL with a tag.
    fn retry_stale(&mut self, session: &mut Session, fault: Fault) {
        let options = session.options();
        let max = if options.tags { 1 } else { options.retries_max };
        if self.step == Step::Plain && self.stale_retries < max {
            let n = self.stale_retries;
            self.stale_retries = n.saturating_add(1);
            // If tags are allowed, retry without a wait, because the request after a failed retry
            // has a tag.
            self.state = if options.tags {
                State::Ready { resolve: false }
            } else {
                State::Waiting(Pause::Retry { n, secs: None })
            };
            more(&mut session.stats_mut().retries);
        } else {
            self.escalate(session, fault);
        }
    }

    fn escalate(&mut self, session: &mut Session, fault: Fault) {
        let tags = session.options().tags;
        self.step = match (self.step, self.kind) {
            (Step::Plain, Kind::Range) if tags => Step::Slice,
            (Step::Plain, _) if tags => Step::Nonce,
            (Step::Slice, _) => Step::Nonce,
            (Step::Plain | Step::Nonce, _) => return self.wait_or_give_up(session, fault),
        };
        self.cause = Some(fault);
        (self.failures, self.resumes) = (0, 0);
        more(&mut session.stats_mut().escalations);
        self.state = State::Ready { resolve: false };
    }

    /// Acts after the last step of the escalation: waits for bytes that an upload may still add, or
    /// gives up.
    fn wait_or_give_up(&mut self, session: &mut Session, fault: Fault) {
        if !fault.may_be_upload(self.span.end) || !matches!(self.kind, Kind::Head | Kind::Range) {
            let error = self.final_error(fault, session.options().tags);
            return self.give_up(session, error);
        }
        if !session.may_wait(self.waits) {
            session.note_wait(true);
            let error = self.final_error(fault, session.options().tags);
            return self.give_up(session, error);
        }
        let n = self.waits;
        self.waits = n.saturating_add(1);
        (self.failures, self.resumes) = (0, 0);
        more(&mut session.stats_mut().retries);
        self.state = State::Waiting(Pause::Upload { n });
    }

    /// Ends the fetch after a status that no retry changes.
    fn refuse(&mut self, session: &mut Session, status: u16) {
        if matches!(self.kind, Kind::Object { .. }) {
            return self.refuse_object(session, status);
        }
        if self.step != Step::Plain {
            // Some servers refuse a query. So the error states the fault of the plain URL.
            if let Some(cause) = self.cause {
                return self.give_up(session, self.final_error(cause, false));
            }
            if core::mem::take(&mut self.began_tagged) {
                session.unlearn_stale();
                self.step = Step::Plain;
                (self.failures, self.resumes) = (0, 0);
                self.state = State::Ready { resolve: false };
                return;
            }
        }
        let led_astray = session.stats().redirects > 0 && status >= 400;
        if led_astray && !self.resolved {
            // The old target of a redirect may be gone, and the URL may lead elsewhere now.
            self.resolved = true;
            more(&mut session.stats_mut().retries);
            self.state = State::Ready { resolve: true };
            return;
        }
        self.give_up(session, refusal(status));
    }

    /// Ends the fetch of an immutable object after a status that no retry changes. A cache may have
    /// kept a 403, 404 or 410 from the time before the object was uploaded. So after the first such
    /// status, this function requests the object once more with a nonce.
    fn refuse_object(&mut self, session: &mut Session, status: u16) {
        // spec: R-PART-13
        let is_first = self.step == Step::Plain && session.options().tags;
        match self.cause {
            _ if is_first && matches!(status, 403 | 404 | 410) => {
                self.escalate(session, Fault::Status(status));
            }
            Some(Fault::Status(first)) => self.give_up(session, refusal(first)),
            Some(cause) => self.give_up(session, self.final_error(cause, false)),
            None => self.give_up(session, refusal(status)),
        }
    }

    fn final_error(&self, fault: Fault, tags: bool) -> Error {
        let span = self.span;
        match fault {
            // A whole file that ends before the end of the range is an old state of the file. It
            // does not show that the server lacks ranges.
            Fault::Whole { len } if len.is_none_or(|len| len >= span.end) => {
                Error::NoRanges { span, len }
            }
            Fault::Encoded(coding) => Error::Encoded { span, coding },
            Fault::Reset | Fault::Timeout | Fault::Status(500..) => self.unavailable(fault, tags),
            fault => Error::Stale { span, fault, tags },
        }
    }

    fn unavailable(&self, fault: Fault, tags: bool) -> Error {
        Error::Unavailable { span: self.span, fault, requests: self.requests, tags }
    }
}

/// Returns the error of a status that no retry changes.
const fn refusal(status: u16) -> Error {
    match status {
        300..=399 => Error::Redirects { status },
        401 | 403 | 407 | 451 => Error::Denied { status },
        404 | 410 => Error::NotFound { status },
        _ => Error::Refused { status },
    }
}

/// Returns whether a status is temporary, and not a property of the request.
const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}
