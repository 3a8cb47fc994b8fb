//! The header fields that only answers of the gateway have.

use super::accept::{CBOR, DAG_CBOR, DAG_JSON, Format, JSON};
use super::prepared::{Content, Prepared};
use super::wanted::{Scope, Wanted};
use crate::answer::{self, Answer, Request};
use core::fmt::Write;
use hyper::header::{
    CONTENT_DISPOSITION, CONTENT_LOCATION, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, VARY,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const IPFS_PATH: HeaderName = HeaderName::from_static("x-ipfs-path");
const IPFS_ROOTS: HeaderName = HeaderName::from_static("x-ipfs-roots");
/// The maximum length of the list of roots in bytes. A longer list is not sent.
const ROOTS_LEN_MAX: usize = 4096;

/// The characters that must be escaped according to RFC 8187.
const EXTENDED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'%')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b'*')
    .add(b',')
    .add(b'/')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'{')
    .add(b'}');

/// The fields of one answer.
pub(super) struct Fields {
    format: Format,
    tag: Option<HeaderValue>,
    path: String,
    roots: String,
    disposition: Option<String>,
    location: Option<String>,
}

impl Fields {
    pub(super) fn of(wanted: &Wanted, prepared: &Prepared) -> Self {
        let mut roots = String::new();
        for root in &prepared.roots {
            let comma = if roots.is_empty() { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(roots, "{comma}{root}");
        }
        Self {
            format: prepared.format,
            tag: HeaderValue::try_from(tag(wanted, prepared)).ok(),
            path: wanted.path.clone(),
            roots,
            disposition: disposition(wanted, prepared),
            location: wanted.location.clone(),
        }
    }

    pub(super) const fn tag(&self) -> Option<&HeaderValue> {
        self.tag.as_ref()
    }

    /// Returns the media type of a CAR, a DAR or a TAR.
    pub(super) const fn media_type(&self) -> HeaderValue {
        HeaderValue::from_static(match self.format {
            Format::Car { dups: true } => "application/vnd.ipld.car; version=1; order=dfs; dups=y",
            Format::Car { dups: false } => "application/vnd.ipld.car; version=1; order=dfs; dups=n",
            Format::Tar => "application/x-tar",
            _ => "application/vnd.ipld.dar",
        })
    }

    /// Returns whether the client has the answer already.
    pub(super) fn are_known_by(&self, request: &Request<'_>) -> bool {
        answer::names(request.field(&IF_NONE_MATCH), self.tag.as_ref())
    }

    pub(super) fn describe(&self, answer: &mut Answer) {
        let headers = answer.headers_mut();
        if let Some(tag) = &self.tag {
            headers.insert(ETAG, tag.clone());
        }
        // Whether the answer is a file or blocks depends on the `Accept` field of the request.
        headers.insert(VARY, HeaderValue::from_static("accept"));
        let mut insert = |name, value: &str| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        insert(IPFS_PATH, &self.path);
        if self.roots.len() <= ROOTS_LEN_MAX {
            insert(IPFS_ROOTS, &self.roots);
        }
        if let Some(disposition) = &self.disposition {
            insert(CONTENT_DISPOSITION, disposition);
        }
        if let Some(location) = &self.location {
            insert(CONTENT_LOCATION, location);
        }
    }
}

/// Returns the `ETag` of an answer. The `ETag` of a CAR, a DAR or a TAR is weak, because another
/// version of this program may write different bytes for the same DAG. The `ETag` of a page
/// contains the version of this program.
fn tag(wanted: &Wanted, prepared: &Prepared) -> String {
    let Prepared { end, content, .. } = prepared;
    let scope = match (wanted.scope, wanted.bytes) {
        (Scope::All, _) => String::new(),
        (scope, None) => format!("{}.", scope.name()),
        (scope, Some(bytes)) => format!("{}.{bytes}.", scope.name()),
    };
    // The `ETag` of a CAR contains the path, because a CAR also holds the blocks of the path.
    let path = wanted.path.trim_start_matches("/ipfs/");
    match prepared.format {
        Format::Car { dups } => {
            format!("W/\"{scope}{path}.car.{}\"", if dups { "dfs.y" } else { "dfs.n" })
        }
        Format::Dar => format!("W/\"{path}.dar\""),
        Format::Tar => format!("W/\"{path}.x-tar\""),
        Format::Raw => format!("\"{end}.raw\""),
        Format::Codec(_) => format!("\"{end}.{}\"", prepared.format.name().unwrap_or_default()),
        Format::Whole => match content {
            Content::File { file, .. } => format!("\"{}\"", file.cid),
            Content::Names(_) => format!("W/\"DirIndex-{VERSION}_CID-{end}\""),
            Content::Document(_) => format!("W/\"DagIndex-{VERSION}_CID-{end}\""),
            _ => format!("\"{end}\""),
        },
    }
}

/// Returns how a client shows the answer, and the name under which it saves the answer.
fn disposition(wanted: &Wanted, prepared: &Prepared) -> Option<String> {
    let kind = |is_attached| if is_attached { "attachment" } else { "inline" };
    // A block of JSON or CBOR is sent in its own codec, even if the request names no format.
    let codec = match (prepared.format, &prepared.content) {
        (Format::Codec(_), _) | (Format::Whole, Content::Bytes { .. }) => prepared.end.codec(),
        _ => 0,
    };
    let (suffix, is_attached) = match (prepared.format, codec) {
        (_, DAG_JSON | JSON) => ("json", wanted.download),
        (_, DAG_CBOR | CBOR) => ("cbor", true),
        (Format::Raw, _) => ("bin", true),
        (Format::Car { .. }, _) => ("car", true),
        (Format::Dar, _) => ("dar", true),
        (Format::Tar, _) => ("tar", true),
        (Format::Codec(_) | Format::Whole, _) => {
            let kind = kind(wanted.download);
            return match &wanted.filename {
                Some(name) => Some(format!("{kind}; {}", filename(name))),
                None => wanted.download.then(|| kind.into()),
            };
        }
    };
    let cid = match prepared.format {
        Format::Car { .. } | Format::Dar | Format::Tar => &wanted.cid,
        _ => &prepared.end,
    };
    let name = wanted.filename.clone().unwrap_or_else(|| format!("{cid}.{suffix}"));
    Some(format!("{}; {}", kind(is_attached), filename(&name)))
}

/// Returns a file's name in the form of RFC 6266: in ASCII, and also in UTF-8 if the ASCII form
/// differs from the name.
fn filename(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii() && !c.is_ascii_control() && !"\"\\".contains(c) { c } else { '_' })
        .collect();
    let mut text = format!("filename=\"{plain}\"");
    if plain != name {
        let _ = write!(text, "; filename*=UTF-8''{}", utf8_percent_encode(name, EXTENDED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::filename;

    #[test]
    fn names_of_files_are_those_of_the_specification() {
        assert_eq!(filename("hello_world.txt"), "filename=\"hello_world.txt\"");
        let name = "test\u{442}\u{435}\u{441}\u{442}.pdf";
        let expected =
            "filename=\"test____.pdf\"; filename*=UTF-8''test%D1%82%D0%B5%D1%81%D1%82.pdf";
        assert_eq!(filename(name), expected);
        assert_eq!(filename("a\"b\r\n"), "filename=\"a_b__\"; filename*=UTF-8''a%22b%0D%0A");
    }
}
