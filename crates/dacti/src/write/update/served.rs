//! A file that a server serves and caches keep. Its barriers request the new bytes from the server
//! and the caches, or wait for a fixed time.
//!
//! Specification: `docs/spec/dacti-cdn.md`, "Laws".

use super::file::{LockedFile, UpdateFile};
use crate::Error;
use crate::fetch::{HttpAsker, HttpOptions, Location, PlainAnswer};
use core::ops::ControlFlow;
use core::time::Duration;
use dacti_cdn::{Barrier, Digest, Probe};
use daicon_core::Span;
use std::io;
use std::time::{Instant, SystemTime};

/// The first and the longest pause between two requests for one URL.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(2)];
/// The number of times in a row that one URL must answer with the new bytes. One such answer is not
/// enough, because a cache may have several servers.
const PASSES: u32 = 2;
/// The maximum time for which the origin may serve old bytes. A server may do so because it caches
/// open files.
const ORIGIN_TIME_MAX: Duration = Duration::from_mins(1);
/// The maximum time for which an edge may serve old bytes, if the caller states no lifetime.
const EDGE_TIME_MAX: Duration = Duration::from_hours(1);
/// The additional time that a cache gets to ask the origin again after its answers have expired.
const EDGE_TIME_MORE: Duration = Duration::from_secs(10);

/// The places that serve a file, and the conditions on which its barriers pass.
#[derive(Debug, Clone)]
pub struct ServedAt {
    /// The URL of the file at the origin, without a cache in between. The origin must answer with
    /// the new bytes before any edge is asked. Otherwise an edge could ask the origin too early,
    /// and cache the answer that the bytes do not exist.
    pub origin: Option<String>,
    /// URLs of the file at caches. A barrier passes when each of them has answered with the new
    /// bytes.
    pub edges: Vec<String>,
    /// The maximum time for which caches keep an answer, added up over all tiers. If there are no
    /// edges, a barrier waits for this time. If there are edges, a barrier fails if an edge is
    /// still stale 10 seconds after this time.
    pub max_age: Option<Duration>,
    /// The options of the requests. Their hook is called with the reason why a barrier waits.
    pub http: HttpOptions,
    /// This function is called while a barrier waits. `Break` ends the update.
    pub go_on: fn() -> ControlFlow<()>,
}

/// A file on a disk, with caches in front of it.
#[derive(Debug)]
pub struct ServedFile {
    file: LockedFile,
    served_at: ServedAt,
    asker: HttpAsker,
}

impl ServedFile {
    /// Joins a file with the places that serve it.
    ///
    /// # Errors
    /// `Remote` if a text is not the URL of a server.
    pub fn new(file: LockedFile, served_at: ServedAt) -> Result<Self, Error> {
        let urls: Vec<&str> =
            served_at.origin.iter().chain(&served_at.edges).map(String::as_str).collect();
        let asker = HttpAsker::new(&urls, &served_at.http)?;
        Ok(Self { file, served_at, asker })
    }

    /// Waits until the server at `url` answers all probes with the new bytes, several times in a
    /// row.
    fn pass(&self, url: &str, probes: &[Probe], longest: Duration) -> io::Result<()> {
        let [mut pause, pause_max] = PAUSES;
        let started = Instant::now();
        let (mut passes, mut told) = (0_u32, false);
        loop {
            let Some(stale) = self.first_stale(url, probes) else {
                passes = passes.saturating_add(1);
                if passes >= PASSES {
                    return Ok(());
                }
                self.wait(pause)?;
                continue;
            };
            passes = 0;
            if started.elapsed() >= longest {
                let shown = Location::from(url);
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{shown}: {stale}")));
            }
            let why = "a barrier waits until this place has the new bytes";
            if !core::mem::replace(&mut told, true) {
                self.served_at.http.on_pause.tell(&Location::from(url), why, longest);
            }
            self.wait(pause)?;
            pause = pause.saturating_mul(2).min(pause_max);
        }
    }

    /// Returns the fault of the first answer that does not have the new bytes.
    fn first_stale(&self, url: &str, probes: &[Probe]) -> Option<String> {
        probes.iter().find_map(|probe| {
            let answer = match self.asker.ask_range(url, probe.span, &[]) {
                Ok(answer) => answer,
                Err(error) => return Some(error.to_string()),
            };
            stale(probe.span, probe.digest, &answer)
        })
    }

    /// Waits for `time`, and asks the caller several times a second whether to continue.
    fn wait(&self, time: Duration) -> io::Result<()> {
        let started = Instant::now();
        loop {
            if (self.served_at.go_on)().is_break() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            let [shortest, _] = PAUSES;
            std::thread::sleep(left.min(shortest));
        }
    }
}

/// Returns the fault of an answer to a probe; `None` if the answer has the new bytes.
fn stale(span: Span, digest: Digest, answer: &PlainAnswer) -> Option<String> {
    // spec: R-CDN-18
    let asked = format!("bytes {}-{}", span.start, span.end.saturating_sub(1));
    if answer.field("content-encoding").is_some_and(|coding| coding != "identity") {
        return Some(format!("the server compresses {asked}"));
    }
    if !answer.is_range(span) {
        return Some(format!(
            "the server answers with status {} instead of {asked}",
            answer.status
        ));
    }
    (Digest::of(&answer.body) != digest)
        .then(|| format!("the server answers {asked} with other bytes"))
}

impl UpdateFile for ServedFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, at: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(at, buf)
    }

    fn write_at(&self, at: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(at, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn reserve(&self, span: Span) -> io::Result<()> {
        self.file.reserve(span)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn modified(&self) -> io::Result<SystemTime> {
        self.file.modified()
    }

    fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.file.set_modified(time)
    }

    fn is_in_place(&self) -> io::Result<bool> {
        self.file.is_in_place()
    }

    /// Requests the probes from the origin and then from each edge, with the same ranges as
    /// readers. If there are no edges, waits until the answers that caches keep have expired.
    fn barrier(&self, barrier: &Barrier) -> io::Result<()> {
        let ServedAt { origin, edges, max_age, .. } = &self.served_at;
        if let Some(origin) = origin {
            self.pass(origin, &barrier.probes, ORIGIN_TIME_MAX)?;
        }
        let longest = max_age.map_or(EDGE_TIME_MAX, |time| time.saturating_add(EDGE_TIME_MORE));
        for edge in edges {
            self.pass(edge, &barrier.probes, longest)?;
        }
        match max_age {
            Some(time) if edges.is_empty() => {
                let place = origin.as_deref().unwrap_or_default();
                let why = "caches may still answer with old bytes";
                self.served_at.http.on_pause.tell(&Location::from(place), why, *time);
                self.wait(*time)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::stale;
    use crate::fetch::PlainAnswer;
    use dacti_cdn::Digest;
    use daicon_core::Span;

    #[test]
    fn only_the_exact_bytes_pass_a_barrier() {
        // spec: R-CDN-18
        let span = Span { start: 10, end: 13 };
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let range = field("content-range", "bytes 10-12/99");
        let right = PlainAnswer {
            status: 206,
            fields: vec![range.clone()],
            body: b"new".to_vec(),
            ..PlainAnswer::default()
        };
        let of = |answer: &PlainAnswer| stale(span, Digest::of(b"new"), answer);
        assert_eq!(of(&right), None);
        let gzip = vec![range, field("content-encoding", "gzip")];
        for (answer, why) in [
            (PlainAnswer { body: b"old".to_vec(), ..right.clone() }, "other bytes"),
            (PlainAnswer { status: 416, ..right.clone() }, "416"),
            (PlainAnswer { status: 200, ..right.clone() }, "200"),
            (PlainAnswer { body: b"ne".to_vec(), ..right.clone() }, "206"),
            (PlainAnswer { fields: gzip, ..right.clone() }, "compresses"),
        ] {
            let said = of(&answer).expect("it is stale");
            assert!(said.contains(why), "{said}");
        }
    }
}
