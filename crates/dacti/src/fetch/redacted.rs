//! The text of a location as messages show it: without credentials and queries.
//!
//! A mistyped URL counts as a path, but it has the same secrets as a URL. So each text is searched
//! for parts that look like those of a URL.

/// Characters, besides blanks, that people type before a URL: quotes, brackets, a byte order mark.
const BEFORE: &[char] = &['"', '\'', '`', '<', '(', '[', '\u{feff}'];
/// Schemes that are recognised even without their colon or their slashes.
const SCHEMES: [&str; 12] =
    ["https", "http", "ftps", "ftp", "s3a", "s3", "gs", "azure", "az", "abfss", "abfs", "file"];
/// The value of a parameter is secret if the parameter's name contains one of these texts.
const SECRET_NAMES: [&str; 10] =
    ["sig", "token", "key", "secret", "pass", "pwd", "auth", "cred", "session", "jwt"];

/// Returns the text without secrets: no credentials before a host, and no query of a URL. Text
/// without such parts is not changed.
pub(super) fn redacted(text: &str) -> String {
    let Some(at) = host_of_url(text) else { return redacted_path(text) };
    let (before, rest) = text.split_at(at);
    let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let (authority, _) = rest.split_at(end);
    // After three slashes, the host is empty and a path follows, which may contain an `@`.
    let has_host = !before.ends_with("///");
    let hidden = match authority.rfind('@') {
        Some(at) if has_host || authority.contains(':') => at.saturating_add(1),
        // A slash, `?` or `#` in a password ends the authority too early. Then the start of the
        // password looks like a port that is not a number.
        None if has_odd_port(authority) => rest.rfind('@').map_or(0, |at| at.saturating_add(1)),
        _ => 0,
    };
    let shown = rest.get(hidden..).unwrap_or_default();
    let query = shown.find(['?', '#']).unwrap_or(shown.len());
    let (path, query) = shown.split_at(query);
    let dots = if query.starts_with('?') { "?..." } else { "" };
    format!("{before}{path}{dots}")
}

/// Returns the offset of a URL's host, or of the credentials before the host. Returns `None` if the
/// text does not look like a URL.
fn host_of_url(text: &str) -> Option<usize> {
    let start = text.trim_start_matches(|c: char| c.is_whitespace() || BEFORE.contains(&c));
    let known = SCHEMES.iter().find_map(|scheme| {
        let (begin, rest) = start.split_at_checked(scheme.len())?;
        (begin.eq_ignore_ascii_case(scheme) && rest.starts_with(is_separator)).then_some(rest)
    });
    let after_scheme = known.or_else(|| start.starts_with("//").then_some(start));
    let after_scheme = after_scheme.or_else(|| {
        let mut colons = text.match_indices(":/").chain(text.match_indices(":\\"));
        let (colon, _) = colons.find(|(at, _)| ends_with_scheme(text, *at))?;
        text.get(colon..)
    })?;
    let host = after_scheme.trim_start_matches(is_separator);
    text.len().checked_sub(host.len())
}

/// Returns whether a character is among those that are typed between a scheme and a host.
fn is_separator(c: char) -> bool {
    matches!(c, ':' | ';' | '/' | '\\') || c.is_whitespace()
}

/// Returns whether a scheme ends at `end`. A single letter is the name of a drive instead, unless
/// `://` follows it.
fn ends_with_scheme(text: &str, end: usize) -> bool {
    let is_of_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let before = text.get(..end).unwrap_or_default();
    let scheme = before.get(before.trim_end_matches(is_of_scheme).len()..).unwrap_or_default();
    let is_drive =
        scheme.len() == 1 && !text.get(end..).is_some_and(|rest| rest.starts_with("://"));
    !is_drive && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Returns whether an authority has a port that is not a number.
fn has_odd_port(authority: &str) -> bool {
    let is_odd = |port: &str| port.is_empty() || port.bytes().any(|byte| !byte.is_ascii_digit());
    !authority.starts_with('[') && authority.split_once(':').is_some_and(|(_, port)| is_odd(port))
}

/// Returns a path without the parts that look like credentials (`user:password@`), and without the
/// values of parameters whose names show that they are secret.
fn redacted_path(path: &str) -> String {
    let (before, query) = path.split_at(path.find('?').unwrap_or(path.len()));
    let mut shown = String::new();
    for part in before.split_inclusive(['/', '\\']) {
        match part.rfind('@') {
            Some(at) if part.get(..at).is_some_and(|user| user.contains(':')) => {
                shown.push_str("...");
                shown.push_str(part.get(at..).unwrap_or_default());
            }
            _ => shown.push_str(part),
        }
    }
    for part in query.split_inclusive(['?', '&', ';', '#']) {
        match part.split_once('=') {
            Some((name, value)) if is_secret(name) => {
                shown.push_str(name);
                shown.push_str("=...");
                shown.extend(value.chars().last().filter(|last| "&;#".contains(*last)));
            }
            _ => shown.push_str(part),
        }
    }
    shown
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[track_caller]
    fn check(cases: &[(&str, &str)]) {
        for (given, shown) in cases {
            assert_eq!(redacted(given), *shown, "{given}");
        }
    }

    #[test]
    fn mistyped_urls_are_shown_without_secrets() {
        check(&[
            ("http:/me:secret@h/p?sig=secret", "http:/h/p?..."),
            ("http:me:secret@h/p?secret#secret", "http:h/p?..."),
            ("HTTP:me:secret@h", "HTTP:h"),
            ("https//me:secret@h/p", "https//h/p"),
            ("https/me:secret@h/p", "https/h/p"),
            ("http;//me:secret@h/p", "http;//h/p"),
            ("http: //me:secret@h/p", "http: //h/p"),
            ("http:\\\\me:secret@h\\p?secret", "http:\\\\h\\p?..."),
            ("http:///me:secret@h/p", "http:///h/p"),
            (" http://me:secret@h/p?secret", " http://h/p?..."),
            ("\u{feff}https://secret@h/p", "\u{feff}https://h/p"),
            ("\"<https://secret@h/p?secret>\"", "\"<https://h/p?..."),
            ("//me:secret@h/p?secret", "//h/p?..."),
            ("://me:secret@h/p", "://...@h/p"),
            ("me:secret@h/p?sig=secret", "...@h/p?sig=..."),
            ("htps:/secret@h/p?secret", "htps:/h/p?..."),
            ("x=http:/me:secret@h/p?secret", "x=http:/h/p?..."),
            ("a/http:/me:secret@h/p?secret", "a/http:/h/p?..."),
            ("s3:/key:secret@b/k?secret", "s3:/b/k?..."),
            ("git+ssh:/secret@h/p", "git+ssh:/h/p"),
            ("h/p?a=1&X-Amz-Signature=secret&b=2", "h/p?a=1&X-Amz-Signature=...&b=2"),
            ("localhost:80/p?Token=secret", "localhost:80/p?Token=..."),
        ]);
    }

    #[test]
    fn passwords_that_are_not_escaped_are_not_shown() {
        check(&[
            ("http://me:se/cret@h/p", "http://h/p"),
            ("http://me:se#cret@h/p", "http://h/p"),
            ("http://me:se?cret@h/p?x", "http://h/p?..."),
            ("http:me:se/c@ret@h/p", "http:h/p"),
        ]);
    }

    #[test]
    fn paths_and_urls_without_secrets_are_shown_as_they_are() {
        for text in [
            "a@b",
            "me@host/p",
            "/a/b?c",
            "index.html?page=2",
            "a:b",
            "c:\\x@y",
            "12:30",
            "-",
            "http",
            "https.md",
            "s3.tf",
            "gs",
            "file",
            "fileserver:x",
            "/http/x",
            "1://x",
            "a b://c",
            "http://h/@scope/p@1.2/x",
            "http://h:80/a@b",
            "http://[::1]:80/a@b",
            "file:///a@b/c",
            "//a/b@c",
            "",
        ] {
            assert_eq!(redacted(text), text);
        }
    }
}
