//! The time for which shared caches may keep an answer.

use crate::fetch::PlainAnswer;

/// How long a shared cache may keep an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// A cache must not keep the answer, or must ask the server before each use.
    None,
    /// A cache may keep the answer for this many seconds.
    Seconds(u64),
    /// The answer does not state a lifetime, so each cache decides.
    Unsaid,
}

impl Lifetime {
    /// Returns the lifetime that the `Cache-Control` fields of an answer state. If several fields
    /// contradict each other, the strictest counts.
    #[must_use]
    pub fn of(answer: &PlainAnswer) -> Self {
        let lines = answer.fields.iter().filter(|(name, _)| name == "cache-control");
        let lines: Vec<String> = lines.map(|(_, value)| value.to_ascii_lowercase()).collect();
        let directives: Vec<&str> =
            lines.iter().flat_map(|line| line.split(',')).map(str::trim).collect();
        let says = |name: &str| directives.contains(&name);
        if says("no-store") || says("no-cache") || says("private") {
            return Self::None;
        }
        let seconds = |name: &str| {
            let of_name = directives.iter().filter_map(|one| {
                let (found, value) = one.split_once('=')?;
                let value = value.trim().trim_matches('"');
                (found.trim() == name).then(|| value.parse::<u64>().ok())?
            });
            of_name.min()
        };
        match seconds("s-maxage").or_else(|| seconds("max-age")) {
            Some(0) => Self::None,
            Some(seconds) => Self::Seconds(seconds),
            None => Self::Unsaid,
        }
    }

    /// Returns the lifetime in words.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::None => "not kept by caches".into(),
            Self::Seconds(seconds) => format!("{seconds} s"),
            Self::Unsaid => "no lifetime: each cache chooses its own".into(),
        }
    }
}

/// Returns whether the answer came from a cache, according to its header fields; `None` if they do
/// not show this.
pub(super) fn is_hit(answer: &PlainAnswer) -> Option<bool> {
    let age = answer.field("age").and_then(|age| age.trim().parse::<u64>().ok());
    if age.is_some_and(|age| age > 0) {
        return Some(true);
    }
    let named = ["x-cache", "x-cache-status", "cf-cache-status", "x-proxy-cache", "cache-status"];
    let said = named.iter().find_map(|name| answer.field(name)).map(str::to_ascii_lowercase);
    if let Some(said) = said {
        return Some(said.contains("hit") && !said.starts_with("miss"));
    }
    // After a hit, Varnish adds a second number to this field. It names the request that filled the
    // cache.
    let ids = answer.field("x-varnish").map(|ids| ids.split_ascii_whitespace().count());
    ids.map(|ids| ids > 1).or_else(|| age.map(|_| false))
}

#[cfg(test)]
mod tests {
    use super::{Lifetime, is_hit};
    use crate::fetch::PlainAnswer;

    fn answer(fields: &[(&str, &str)]) -> PlainAnswer {
        let fields = fields.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        PlainAnswer { fields: fields.collect(), ..PlainAnswer::default() }
    }

    #[test]
    fn the_strictest_lifetime_counts() {
        let of = |lines: &[&str]| {
            let fields: Vec<_> = lines.iter().map(|line| ("cache-control", *line)).collect();
            Lifetime::of(&answer(&fields))
        };
        assert_eq!(of(&[]), Lifetime::Unsaid);
        assert_eq!(of(&["public, max-age=60"]), Lifetime::Seconds(60));
        assert_eq!(of(&["Max-Age=60, s-maxage=5"]), Lifetime::Seconds(5));
        assert_eq!(of(&["max-age=31536000, immutable", "no-store"]), Lifetime::None);
        assert_eq!(of(&["max-age=0, must-revalidate"]), Lifetime::None);
        assert_eq!(of(&["private, max-age=60"]), Lifetime::None);
        assert_eq!(of(&["public"]), Lifetime::Unsaid);
        assert_eq!(of(&["max-age=soon"]), Lifetime::Unsaid);
    }

    #[test]
    fn caches_that_speak_of_hits_are_understood() {
        for (fields, hit) in [
            (&[][..], None),
            (&[("age", "0")], Some(false)),
            (&[("age", "7")], Some(true)),
            (&[("x-cache", "Hit from cloudfront")], Some(true)),
            (&[("x-cache", "MISS from squid")], Some(false)),
            (&[("x-varnish", "32770 3")], Some(true)),
            (&[("x-varnish", "32770")], Some(false)),
        ] {
            assert_eq!(is_hit(&answer(fields)), hit, "{fields:?}");
        }
    }
}
