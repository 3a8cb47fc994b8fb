//! Judges the answers of a place. All functions are pure: equal answers give equal findings.

use super::cache_control::is_hit;
use super::look::PAGE_ORIGIN;
use super::{HostCheck, HostFinding, HostSeen, HostVerdict, Lifetime, PublishedForm};
use crate::HEAD_LEN;
use crate::fetch::PlainAnswer;
use HostVerdict::{Bad, Fair, Good};
use daicon_core::Span;

/// The maximum length of a file that readers fetch whole by default.
const WHOLE_LEN_MAX: u64 = 1 << 20;
/// The maximum lifetime, in seconds, for which a head in caches is judged as good. With a longer
/// lifetime, readers see updates late.
const HEAD_SECONDS_GOOD: u64 = 600;
/// The maximum lifetime, in seconds, for which a head in caches is judged as acceptable. A longer
/// lifetime hides updates for days.
const HEAD_SECONDS_MAX: u64 = 86_400;
/// The minimum lifetime, in seconds, that is judged as good for bytes that never change.
const DATA_SECONDS_MIN: u64 = 86_400;
/// The maximum lifetime, in seconds, that is judged as good for the answer that a part is missing.
/// If a reader receives a new head before its parts are there, a longer lifetime delays this
/// reader.
const MISSING_SECONDS_GOOD: u64 = 10;

/// Judges the answers of one place. `first` has the answers of the first place, whose head is
/// compared with the head of this place.
#[must_use]
pub fn judge(seen: &HostSeen, first: Option<&HostSeen>) -> Vec<HostFinding> {
    let judged = Judged { seen, findings: Vec::new() };
    judged.all(first)
}

/// Returns the form to publish in, according to the findings for all places. A package that is
/// served as one file keeps this form if it works. Otherwise the form in parts comes first, and the
/// form of one file second. If neither form works, returns `Neither`.
#[must_use]
pub fn recommend(served: PublishedForm, findings: &[HostFinding]) -> PublishedForm {
    let works = |verdict: fn(&HostFinding) -> HostVerdict| {
        findings.iter().all(|finding| verdict(finding) < Bad)
    };
    let one_file = works(|finding| finding.one_file);
    match () {
        () if served == PublishedForm::OneFile && one_file => PublishedForm::OneFile,
        () if works(|finding| finding.in_parts) => PublishedForm::InParts,
        () if one_file => PublishedForm::OneFile,
        () => PublishedForm::Neither,
    }
}

struct Judged<'s> {
    seen: &'s HostSeen,
    findings: Vec<HostFinding>,
}

impl Judged<'_> {
    fn all(mut self, first: Option<&HostSeen>) -> Vec<HostFinding> {
        if !matches!(self.seen.head.status, 200 | 206) {
            let seen = format!("{} to the first range", self.seen.head.status);
            let set = match self.seen.head.status {
                401 | 403 => "let readers read the file without credentials, or give --header",
                404 | 410 => "publish the file, or correct the URL",
                301..=308 => "make the redirect lead to an https URL",
                _ => "check the server's log",
            };
            self.add(HostCheck::Answer, seen, (Bad, Bad), Some(set));
            return self.findings;
        }
        self.redirects();
        self.version();
        self.ranges();
        self.past_the_end(first.is_some());
        self.codings();
        self.validators();
        self.head_lifetime();
        self.data_lifetime();
        self.query();
        self.browsers();
        self.missing_part();
        self.same_head(first);
        self.findings
    }

    /// Adds a finding, with the verdicts for a package of one file and for a package in parts.
    fn add(
        &mut self,
        check: HostCheck,
        seen: impl Into<String>,
        (one_file, in_parts): (HostVerdict, HostVerdict),
        set: Option<&str>,
    ) {
        let set = set.filter(|_| one_file.max(in_parts) > Good).map(Into::into);
        let place = self.seen.place.clone();
        self.findings.push(HostFinding {
            place,
            check,
            seen: seen.into(),
            one_file,
            in_parts,
            set,
        });
    }

    fn redirects(&mut self) {
        let count = self.seen.head.redirects;
        let verdict = if count == 0 { Good } else { Fair };
        let seen = if count == 0 { "none".into() } else { format!("{count} before the answer") };
        let set = "give readers the URL at the end of the redirects";
        self.add(HostCheck::Redirects, seen, (verdict, verdict), Some(set));
    }

    fn version(&mut self) {
        let version = &self.seen.head.version;
        let is_old = version == "HTTP/0.9" || version == "HTTP/1.0";
        let verdict = if is_old { Fair } else { Good };
        let set = "use HTTP/1.1 or HTTP/2: older versions open a connection for each request";
        self.add(HostCheck::Version, version.clone(), (verdict, verdict), Some(set));
    }

    fn ranges(&mut self) {
        let seen = self.seen;
        if seen.is_whole() {
            return self.whole_file();
        }
        let head_end = seen.len().map_or(HEAD_LEN, |len| len.min(HEAD_LEN));
        let head = Span { start: 0, end: head_end };
        let asked = [Some((head, &seen.head)), Some((head, &seen.again))].into_iter();
        let more = [&seen.middle, &seen.last].map(|one| one.as_ref().map(|(at, a)| (*at, a)));
        let part = seen.part.as_ref();
        let of_part = [
            part.map(|part| (part.first.0, &part.first.1)),
            part.map(|part| (part.last.0, &part.last.1)),
        ];
        let wrong = asked.chain(more).chain(of_part).flatten().find(|(at, a)| !a.is_range(*at));
        let same = overlap_is_same(seen);
        let other_len = part.filter(|part| part.first.1.total().is_some_and(|t| t != part.len));
        let (text, verdict) = match (wrong, same, other_len) {
            (Some((at, answer)), ..) => (wrong_range(at, answer), Bad),
            (None, false, _) => ("two ranges disagree about bytes they share".into(), Bad),
            (None, true, Some(part)) => (format!("a part is not {} bytes long", part.len), Bad),
            (None, true, None) => ("206 with the right Content-Range".into(), Good),
        };
        let set = "answer closed ranges with 206, the exact bytes and `Content-Range: bytes A-B/N`";
        self.add(HostCheck::Ranges, text, (verdict, verdict), Some(set));
    }

    fn whole_file(&mut self) {
        let len = self.seen.len();
        let text = match len {
            Some(len) => format!("200 with all {len} bytes"),
            None => "200 with a file of unknown length".into(),
        };
        // The requested range is as long as a head. The head of a package in parts has no more
        // bytes, so only the answer for a part shows whether the host supports ranges.
        let part = self.seen.part.as_ref();
        let verdict = match part {
            Some(part) if len == Some(HEAD_LEN) && part.first.1.is_range(part.first.0) => Good,
            Some(part) if part.len > WHOLE_LEN_MAX => Bad,
            _ if len.is_some_and(|len| len <= WHOLE_LEN_MAX) => Fair,
            _ => Bad,
        };
        let set = "answer ranges (`bytes=A-B`) with 206; otherwise readers can read only files of \
                   at most 1 MiB";
        self.add(HostCheck::WholeFile, text, (verdict, verdict), Some(set));
    }

    /// Judges the answer for a range past the end of the file. A cache that keeps a 416 hides bytes
    /// that are appended later. If the place is an edge of a CDN, a kept 416 does less harm,
    /// because only the caches that ask this edge keep its answer.
    fn past_the_end(&mut self, is_edge: bool) {
        let Some(past) = &self.seen.past else { return };
        let lifetime = Lifetime::of(past);
        let (text, verdict) = match past.status {
            416 => match lifetime {
                // Caches do not keep a 416 that has no lifetime.
                Lifetime::None | Lifetime::Unsaid => ("416, not kept by caches".into(), Good),
                Lifetime::Seconds(_) => {
                    let verdict = if is_edge { Fair } else { Bad };
                    (format!("416, kept for {}", lifetime.text()), verdict)
                }
            },
            200 => ("200 with the whole file".into(), Fair),
            206 => ("206 with bytes that do not exist".into(), Bad),
            status => (status.to_string(), Fair),
        };
        let set = "send `Cache-Control: no-store` with a 416: a longer file may have these bytes";
        self.add(HostCheck::PastTheEnd, text, (verdict, Good), Some(set));
    }

    fn codings(&mut self) {
        let coding = |answer: &PlainAnswer| {
            let coding = answer.field("content-encoding").map(str::to_ascii_lowercase);
            coding.filter(|coding| coding != "identity")
        };
        let seen = self.seen;
        let plain = [&seen.head, &seen.again].into_iter().find_map(coding);
        let varies = seen.coded.fields.iter().any(|(name, value)| {
            name == "vary" && value.to_ascii_lowercase().contains("accept-encoding")
        });
        let (text, verdict) = match (plain, coding(&seen.coded)) {
            (Some(coding), _) => (format!("{coding}, although no coding was accepted"), Bad),
            (None, Some(coding)) if varies => {
                (format!("{coding} for clients that accept it"), Fair)
            }
            (None, Some(coding)) => (format!("{coding} without `Vary: Accept-Encoding`"), Bad),
            (None, None) => ("none".into(), Good),
        };
        let set = "turn off compression for packages: `gzip off`, or `Cache-Control: no-transform`";
        self.add(HostCheck::Codings, text, (verdict, verdict), Some(set));
    }

    fn validators(&mut self) {
        let head = &self.seen.head;
        let (etag, modified) =
            (head.field("etag").is_some(), head.field("last-modified").is_some());
        let (text, verdict) = match (etag, modified) {
            (true, true) => ("ETag and Last-Modified", Bad),
            (true, false) => ("ETag", Bad),
            (false, true) => ("Last-Modified", Fair),
            (false, false) => ("none", Good),
        };
        let set = "send neither ETag nor Last-Modified for a file that grows: a cache that \
                   compares them can end an answer between two slices";
        self.add(HostCheck::Validators, text, (verdict, Good), Some(set));
    }

    fn head_lifetime(&mut self) {
        let lifetime = Lifetime::of(&self.seen.head);
        let verdict = match lifetime {
            Lifetime::None => Good,
            Lifetime::Unsaid => Fair,
            Lifetime::Seconds(seconds) if seconds <= HEAD_SECONDS_GOOD => Good,
            Lifetime::Seconds(seconds) if seconds <= HEAD_SECONDS_MAX => Fair,
            Lifetime::Seconds(_) => Bad,
        };
        let set = "send `Cache-Control: public, max-age=60` with the head, its first 65,536 bytes: \
                   readers then see an update after at most 60 seconds";
        self.add(HostCheck::HeadLifetime, lifetime.text(), (verdict, verdict), Some(set));
    }

    fn data_lifetime(&mut self) {
        let part = self.seen.part.as_ref().map(|part| &part.first.1);
        let middle = self.seen.middle.as_ref().map(|(_, answer)| answer);
        let Some(answer) = part.or(middle).filter(|_| !self.seen.is_whole() || part.is_some())
        else {
            return;
        };
        let lifetime = Lifetime::of(answer);
        let verdict = match lifetime {
            Lifetime::Seconds(seconds) if seconds >= DATA_SECONDS_MIN => Good,
            _ => Fair,
        };
        let set = match part {
            Some(_) => "send `Cache-Control: public, max-age=31536000, immutable` with each part",
            None => {
                "send `max-age=31536000, immutable` with ranges after the head, because these \
                 bytes never change"
            }
        };
        self.add(HostCheck::DataLifetime, lifetime.text(), (verdict, verdict), Some(set));
    }

    fn query(&mut self) {
        // If a cache never reports a hit, the answers do not show whether it ignores the query.
        let hits = [is_hit(&self.seen.again), is_hit(&self.seen.nonce)];
        let (text, verdicts) = match (self.seen.nonce.status, hits) {
            (200 | 206, [_, Some(true)]) => {
                ("ignored: a new query was answered from the cache", (Bad, Fair))
            }
            (200 | 206, [Some(true), _]) => ("part of the cache key", (Good, Good)),
            (200 | 206, _) => {
                ("no cache reports a hit; run with --write to see more", (Good, Good))
            }
            _ => ("a query is refused", (Bad, Fair)),
        };
        let set = "make the query, at least `g`, part of the cache key: readers use it to get past \
                   stale bytes";
        self.add(HostCheck::Query, text, verdicts, Some(set));
    }

    fn browsers(&mut self) {
        let coded = &self.seen.coded;
        let allowed = coded.field("access-control-allow-origin").map(str::trim);
        let is_allowed = allowed.is_some_and(|origin| origin == "*" || origin == PAGE_ORIGIN);
        let exposed = coded.field("access-control-expose-headers").unwrap_or_default();
        let exposed: Vec<_> = exposed.split(',').map(|name| name.trim().to_lowercase()).collect();
        let is_shown = exposed.iter().any(|name| name == "content-range" || name == "*");
        let (text, verdict) = match (is_allowed, is_shown) {
            (false, _) => ("pages of other origins may not read it", Fair),
            (true, false) => ("Content-Range is hidden from pages of other origins", Fair),
            (true, true) => ("pages of all origins may read it", Good),
        };
        let set = "for pages of other origins: `Access-Control-Allow-Origin: *` and \
                   `Access-Control-Expose-Headers: Content-Range`";
        self.add(HostCheck::Browsers, text, (verdict, verdict), Some(set));
    }

    fn missing_part(&mut self) {
        let Some(missing) = &self.seen.missing else { return };
        let lifetime = Lifetime::of(missing);
        let is_short = match lifetime {
            Lifetime::None | Lifetime::Unsaid => true,
            Lifetime::Seconds(seconds) => seconds <= MISSING_SECONDS_GOOD,
        };
        let (text, verdict) = match missing.status {
            403 | 404 | 410 if is_short => (missing.status.to_string(), Good),
            403 | 404 | 410 => (format!("{}, kept for {}", missing.status, lifetime.text()), Fair),
            status => (format!("{status}: a page instead of an error"), Fair),
        };
        let set = "answer requests for missing files with 404 and `Cache-Control: no-store`";
        self.add(HostCheck::MissingPart, text, (Good, verdict), Some(set));
    }

    fn same_head(&mut self, first: Option<&HostSeen>) {
        let Some(first) = first else { return };
        let same = first.head.body == self.seen.head.body;
        let of_one_form = first.form() == self.seen.form();
        let (text, verdict) = match (same, of_one_form) {
            (true, _) => ("the same head as at the first URL", Good),
            (false, true) => ("another head, perhaps an older one", Fair),
            (false, false) => ("not the package of the first URL", Bad),
        };
        let set = "make this URL serve the same package as the first URL; a cache drops an old \
                   head when its lifetime ends";
        self.add(HostCheck::SameHead, text, (verdict, verdict), Some(set));
    }
}

/// Returns whether the answer to the last range has the same bytes as the head. Returns true if the
/// head does not include this range.
fn overlap_is_same(seen: &HostSeen) -> bool {
    let Some((span, last)) = &seen.last else { return true };
    if span.end > HEAD_LEN {
        return true;
    }
    span.slice_of(&seen.head.body, 0).is_none_or(|bytes| bytes == last.body)
}

fn wrong_range(at: Span, answer: &PlainAnswer) -> String {
    let asked = format!("bytes {}-{}", at.start, at.end.saturating_sub(1));
    let range = answer.field("content-range").unwrap_or("no Content-Range");
    let (status, len) = (answer.status, answer.body.len());
    let cut = if answer.is_cut { ", cut off" } else { "" };
    format!("{status} for {asked}: {range}, {len} bytes{cut}")
}

#[cfg(test)]
mod tests {
    use super::{judge, recommend};
    use crate::HEAD_LEN;
    use crate::fetch::{Location, PlainAnswer};
    use crate::report::host::{HostCheck, HostSeen, HostVerdict, PartSeen, PublishedForm};
    use HostVerdict::{Bad, Fair, Good};
    use daicon_core::Span;

    const LEN: u64 = 3_000_000;

    /// Returns the right answer to a range of a file of `LEN` bytes.
    fn range(span: Span, control: &str) -> PlainAnswer {
        let (start, last) = (span.start, span.end.saturating_sub(1));
        PlainAnswer {
            status: 206,
            version: "HTTP/1.1".into(),
            fields: vec![
                ("content-range".into(), format!("bytes {start}-{last}/{LEN}")),
                ("cache-control".into(), control.into()),
                ("access-control-allow-origin".into(), "*".into()),
                ("access-control-expose-headers".into(), "Content-Range".into()),
            ],
            body: vec![0; usize::try_from(span.len()).expect("it is short")],
            ..PlainAnswer::default()
        }
    }

    /// Returns the answers of a place that does everything right and serves a package of one file.
    fn good() -> HostSeen {
        let head = range(Span { start: 0, end: HEAD_LEN }, "public, max-age=60");
        let data = |start: u64| {
            let span = Span { start, end: start.saturating_add(1_000) };
            Some((span, range(span, "public, max-age=31536000, immutable")))
        };
        let mut head = head;
        head.body[..8].copy_from_slice(b"\xFFdaicon0");
        HostSeen {
            place: Location::from("http://a/p"),
            again: head.clone(),
            nonce: head.clone(),
            coded: head.clone(),
            head,
            middle: data(1_000_000),
            last: data(LEN - 1_000),
            past: Some(PlainAnswer { status: 416, ..PlainAnswer::default() }),
            part: None,
            missing: None,
        }
    }

    /// Compares the verdicts of one check with `expected`. The verdicts of all other checks must be
    /// good.
    #[track_caller]
    fn check(seen: &HostSeen, check: HostCheck, expected: (HostVerdict, HostVerdict)) {
        let findings = judge(seen, None);
        for finding in &findings {
            let found = (finding.one_file, finding.in_parts);
            let expected = if finding.check == check { expected } else { (Good, Good) };
            assert_eq!(found, expected, "{finding:?}");
            assert_eq!(finding.set.is_some(), expected != (Good, Good), "{finding:?}");
        }
        assert!(findings.iter().any(|finding| finding.check == check), "{check:?}");
    }

    fn with(answer: &PlainAnswer, name: &str, value: &str) -> PlainAnswer {
        let mut answer = answer.clone();
        answer.fields.retain(|(found, _)| found != name);
        answer.fields.push((name.into(), value.into()));
        answer
    }

    #[test]
    fn a_good_place_has_only_good_findings() {
        check(&good(), HostCheck::Ranges, (Good, Good));
        let findings = judge(&good(), Some(&good()));
        // Two kinds of checks give no finding here: checks of parts, and the check of a whole file
        // instead of a range.
        assert_eq!(findings.len(), 11);
        assert_eq!(recommend(PublishedForm::OneFile, &findings), PublishedForm::OneFile);
        assert_eq!(recommend(PublishedForm::InParts, &findings), PublishedForm::InParts);
        assert_eq!(recommend(PublishedForm::Neither, &findings), PublishedForm::InParts);
    }

    #[test]
    fn each_fault_is_found_by_its_check_alone() {
        let good = good();
        let field = |name: &str, value: &str| {
            let head = with(&good.head, name, value);
            HostSeen { again: head.clone(), nonce: head.clone(), head, ..good.clone() }
        };
        check(&field("etag", "\"1\""), HostCheck::Validators, (Bad, Good));
        check(&field("last-modified", "Mon"), HostCheck::Validators, (Fair, Good));
        check(&field("content-encoding", "gzip"), HostCheck::Codings, (Bad, Bad));
        check(&field("cache-control", "max-age=700"), HostCheck::HeadLifetime, (Fair, Fair));
        check(&field("cache-control", "max-age=99999"), HostCheck::HeadLifetime, (Bad, Bad));
        check(&field("cache-control", "public"), HostCheck::HeadLifetime, (Fair, Fair));
        check(&field("age", "4"), HostCheck::Query, (Bad, Fair));
        let coded = |coded| HostSeen { coded, ..good.clone() };
        let gzip = with(&good.coded, "content-encoding", "gzip");
        check(&coded(gzip.clone()), HostCheck::Codings, (Bad, Bad));
        check(&coded(with(&gzip, "vary", "Accept-Encoding")), HostCheck::Codings, (Fair, Fair));
        let hidden = with(&good.coded, "access-control-expose-headers", "ETag");
        check(&coded(hidden), HostCheck::Browsers, (Fair, Fair));
        let closed = with(&good.coded, "access-control-allow-origin", "https://other");
        check(&coded(closed), HostCheck::Browsers, (Fair, Fair));
        let past = |past| HostSeen { past: Some(past), ..good.clone() };
        let kept = PlainAnswer { status: 416, ..PlainAnswer::default() };
        let kept = with(&kept, "cache-control", "max-age=60");
        check(&past(kept), HostCheck::PastTheEnd, (Bad, Good));
        let whole = PlainAnswer { status: 200, ..PlainAnswer::default() };
        check(&past(whole), HostCheck::PastTheEnd, (Fair, Good));
        let version = PlainAnswer { version: "HTTP/1.0".into(), ..good.head.clone() };
        check(&HostSeen { head: version, ..good.clone() }, HostCheck::Version, (Fair, Fair));
        let redirected = PlainAnswer { redirects: 1, ..good.head.clone() };
        check(&HostSeen { head: redirected, ..good.clone() }, HostCheck::Redirects, (Fair, Fair));
        let (span, answer) = good.middle.clone().expect("there is one");
        let short = with(&answer, "cache-control", "max-age=60");
        let middle = HostSeen { middle: Some((span, short)), ..good.clone() };
        check(&middle, HostCheck::DataLifetime, (Fair, Fair));
    }

    #[test]
    fn wrong_ranges_are_bad_for_both_forms() {
        let good = good();
        let (span, answer) = good.middle.clone().expect("there is one");
        for wrong in [
            PlainAnswer { status: 200, ..answer.clone() },
            PlainAnswer { body: vec![0; 999], ..answer.clone() },
            PlainAnswer { is_cut: true, ..answer.clone() },
            with(&answer, "content-range", "bytes 0-999/3000000"),
        ] {
            let seen = HostSeen { middle: Some((span, wrong)), ..good.clone() };
            check(&seen, HostCheck::Ranges, (Bad, Bad));
        }
    }

    #[test]
    fn a_whole_file_in_place_of_a_range_is_judged_by_its_length() {
        let whole = |len: u64| {
            let head = PlainAnswer { status: 200, ..good().head };
            let head = with(&head, "content-length", &len.to_string());
            let head = with(&head, "content-range", "");
            HostSeen { again: head.clone(), head, middle: None, last: None, ..good() }
        };
        check(&whole(1 << 20), HostCheck::WholeFile, (Fair, Fair));
        check(&whole((1 << 20) + 1), HostCheck::WholeFile, (Bad, Bad));
        // A head in parts fits into one range request. So only the parts show whether the host
        // supports ranges.
        let in_parts = |status: u16, len: u64| {
            let span = Span { start: 0, end: 1_000 };
            let answer = PlainAnswer { status, ..range(span, "public, max-age=31536000") };
            let (first, last) = ((span, answer.clone()), (span, answer));
            HostSeen { part: Some(PartSeen { len, first, last }), ..whole(HEAD_LEN) }
        };
        check(&in_parts(206, 5 << 20), HostCheck::WholeFile, (Good, Good));
        check(&in_parts(200, 5 << 20), HostCheck::WholeFile, (Bad, Bad));
        check(&in_parts(200, 1_000), HostCheck::WholeFile, (Fair, Fair));
    }

    #[test]
    fn a_place_without_an_answer_has_one_finding() {
        for status in [403, 404, 500] {
            let head = PlainAnswer { status, ..PlainAnswer::default() };
            check(&HostSeen { head, ..good() }, HostCheck::Answer, (Bad, Bad));
        }
    }

    #[test]
    fn parts_are_recommended_where_one_file_breaks() {
        let head = with(&good().head, "etag", "\"1\"");
        let findings = judge(&HostSeen { head, ..good() }, None);
        assert_eq!(recommend(PublishedForm::OneFile, &findings), PublishedForm::InParts);
        let head = with(&good().head, "content-encoding", "gzip");
        let findings = judge(&HostSeen { head, ..good() }, None);
        assert_eq!(recommend(PublishedForm::OneFile, &findings), PublishedForm::Neither);
    }

    #[test]
    fn another_head_at_an_edge_is_told() {
        let mut other = good();
        other.head.body[100] = 1;
        let of = |seen: &HostSeen| {
            let findings = judge(seen, Some(&good()));
            findings.last().map(|finding| (finding.check, finding.one_file))
        };
        assert_eq!(of(&good()), Some((HostCheck::SameHead, Good)));
        let kept = with(&PlainAnswer { status: 416, ..good().head }, "cache-control", "max-age=9");
        let edge = HostSeen { past: Some(kept), ..good() };
        let bad = |first| judge(&edge, first).iter().filter(|f| f.one_file == Bad).count();
        assert_eq!((bad(None), bad(Some(&good()))), (1, 0), "no cache asks the last edge");
        assert_eq!(of(&other), Some((HostCheck::SameHead, Fair)));
        other.head.body[0] = 0;
        assert_eq!(of(&other), Some((HostCheck::SameHead, Bad)));
    }
}
