//! Judges by the status and the fields of an answer whether its body has the wanted bytes.
//!
//! Specification: `docs/spec/dacti-http.md`, "Answers".

use super::{Fetch, Kind, Reading, more};
use crate::mark::Mark;
use crate::{Fault, Response, Session};

impl Fetch {
    /// Returns how to read the body, or the fault of the answer.
    pub(super) fn judge_response(
        &mut self,
        session: &mut Session,
        response: &Response,
    ) -> Result<Reading, Fault> {
        match (response.status, response.coding) {
            (200 | 206, Some(coding)) => Err(Fault::Encoded(coding)),
            (206, None) => self.partial(session, response),
            (200, None) => self.whole_answer(session, response),
            (416, _) => {
                let len = response.content_range.and_then(|range| range.total);
                self.check_total(len)?;
                Err(Fault::NotSatisfiable { len })
            }
            (status, _) => Err(Fault::Status(status)),
        }
    }

    /// Judges a 206.
    fn partial(&mut self, session: &mut Session, response: &Response) -> Result<Reading, Fault> {
        if self.kind == Kind::Whole {
            return Err(Fault::Status(response.status));
        }
        let range = response.content_range.filter(|_| !response.multipart).ok_or(Fault::NoRange)?;
        let found = range.span.ok_or(Fault::NoRange)?;
        self.check_total(range.total)?;
        let asked_end = if self.kind == Kind::Head { self.head_end } else { self.span.end };
        if found.start != self.asked_at || found.end > asked_end {
            return Err(Fault::OtherRange { found });
        }
        if let Some(len) = response.content_len.filter(|len| *len != found.len()) {
            return Err(Fault::OtherLength { expected: found.len(), found: len });
        }
        self.note(session, response.mark(range.total));
        self.len = range.total;
        let strict = response.content_len.is_none();
        Ok(Reading { at: found.start, end: found.end, open: false, strict })
    }

    /// Judges a 200.
    fn whole_answer(
        &mut self,
        session: &mut Session,
        response: &Response,
    ) -> Result<Reading, Fault> {
        let len = response.content_len;
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
                more(&mut session.stats_mut().whole);
                let whole = len.filter(|len| *len <= options.whole_len_max);
                let mut end = whole.or(len).unwrap_or(crate::HEAD_LEN);
                if whole.is_none() || self.hold_up_to(session, end).is_err() {
                    end = end.min(crate::HEAD_LEN);
                }
                self.span.end = end;
                end
            }
            Kind::Range => {
                more(&mut session.stats_mut().whole);
                let end = self.span.end;
                let short = len.is_some_and(|len| len < end);
                if short || end > options.skip_len_max || self.hold_up_to(session, end).is_err() {
                    return Err(fault);
                }
                end
            }
            Kind::Object { len: expected } => {
                more(&mut session.stats_mut().whole);
                self.check_total(len)?;
                let end = self.span.end;
                let is_near = end <= options.skip_len_max || options.allow_whole;
                // Without a stated length, the object can be recognised only by reading the body to
                // its end.
                let is_known = len.is_some() || end == expected;
                if !is_near || !is_known || self.hold_up_to(session, end).is_err() {
                    return Err(fault);
                }
                end
            }
        };
        self.note(session, response.mark(len));
        self.len = len;
        let open = len.is_none() && !self.kind.resumes();
        let strict = len.is_none() && matches!(self.kind, Kind::Object { .. });
        Ok(Reading { at: 0, end, open, strict })
    }

    /// Compares the length that an answer states with the length of the wanted immutable object, so
    /// that an error page is not taken for a part.
    const fn check_total(&self, total: Option<u64>) -> Result<(), Fault> {
        match (self.kind, total) {
            (Kind::Object { len: expected }, Some(found)) if found != expected => {
                Err(Fault::OtherTotal { expected, found })
            }
            _ => Ok(()),
        }
    }

    /// Notes the state of the file from which the bytes of an answer were read.
    ///
    /// For a head, the fetch keeps the state until the fetch finishes or the head is judged. Then
    /// the session notes the state. For a range, the session notes the state at once if it knows no
    /// state yet, because it began with a cached head.
    fn note(&mut self, session: &mut Session, mark: Mark) {
        if matches!(self.kind, Kind::Object { .. }) {
            // An immutable object has only one state.
        } else if self.kind == Kind::Head {
            self.mark = Some(mark);
        } else if session.states().is_empty() {
            session.states_mut().begin_with(mark);
        } else if !session.states().knows(&mark) {
            self.mark = Some(mark);
        }
    }
}
