//! A request to the gateway: its path, its query and its fields.

use super::accept::{self, Accepted, CarParameters, Format, Unsupported};
use super::entity::EntityBytes;
use crate::answer::Request;
use dacti_dar::Cid;
use hyper::StatusCode;
use hyper::header::{ACCEPT, CACHE_CONTROL, HeaderName};
use percent_encoding::percent_decode_str;

/// The start of the paths of the gateway.
const PREFIX: &str = "/ipfs/";
/// The start of the paths of IPNS and `DNSLink` names, which the gateway does not serve.
const NAMES: &str = "/ipns/";
static SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");

/// A refusal: status and reason.
pub(super) type Refusal = (StatusCode, String);

/// The part of a DAG that a CAR holds after the blocks of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Block,
    Entity,
    All,
}

impl Scope {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Entity => "entity",
            Self::All => "all",
        }
    }
}

/// A request.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub(super) struct Wanted {
    /// The path as the client sent it, escaped.
    pub(super) path: String,
    pub(super) cid: Cid,
    /// The names after the CID.
    pub(super) names: Vec<Vec<u8>>,
    /// Whether the path ends with `/`.
    pub(super) directory: bool,
    /// The query as the client sent it.
    pub(super) query: String,
    pub(super) format: Format,
    /// Whether the client also accepts a file or the page of a folder, if the block cannot be sent
    /// in `format`.
    pub(super) takes_whole: bool,
    /// Whether the client accepts an HTML page, like a browser.
    pub(super) takes_page: bool,
    pub(super) scope: Scope,
    pub(super) bytes: Option<EntityBytes>,
    pub(super) filename: Option<String>,
    pub(super) download: bool,
    pub(super) only_if_cached: bool,
    /// The value of `Content-Location`: the path with a query that names the format. `None` if the
    /// request's query names it already.
    pub(super) location: Option<String>,
}

/// The values of a query that the gateway reads.
#[derive(Default)]
struct Query {
    format: Option<String>,
    scope: Option<String>,
    bytes: Option<String>,
    version: Option<String>,
    order: Option<String>,
    dups: Option<String>,
    filename: Option<String>,
    download: Option<String>,
}

impl Query {
    /// Reads a query. If a name occurs several times, the first value is used.
    fn parse(query: &str) -> Self {
        let mut found = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                "format" => &mut found.format,
                "dag-scope" => &mut found.scope,
                "entity-bytes" => &mut found.bytes,
                "car-version" => &mut found.version,
                "car-order" => &mut found.order,
                "car-dups" => &mut found.dups,
                "filename" => &mut found.filename,
                "download" => &mut found.download,
                _ => continue,
            };
            let value = value.replace('+', " ");
            slot.get_or_insert_with(|| percent_decode_str(&value).decode_utf8_lossy().into_owned());
        }
        found
    }
}

/// Returns whether a path belongs to the gateway.
pub(super) fn is_wanted(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Returns whether a path begins with a name of IPNS or `DNSLink`.
pub(super) fn is_of_names(path: &str) -> bool {
    path.starts_with(NAMES)
}

impl Wanted {
    /// Reads a request whose path belongs to the gateway.
    pub(super) fn parse(path: &str, query: &str, request: &Request<'_>) -> Result<Self, Refusal> {
        let bad = |why: String| (StatusCode::BAD_REQUEST, why);
        let rest = path.strip_prefix(PREFIX).unwrap_or_default();
        let mut parts = rest.split('/');
        let text = percent_decode_str(parts.next().unwrap_or_default()).decode_utf8_lossy();
        let cid = text.parse().map_err(|error| bad(format!("{text:?} is not a CID: {error}")))?;
        let names = parts.filter(|name| !name.is_empty());
        let names: Vec<Vec<u8>> = names.map(|name| percent_decode_str(name).collect()).collect();
        let field = |name: &HeaderName| request.field(name).and_then(|value| value.to_str().ok());
        // A service worker at `/ipfs/CID` could control all pages below `/ipfs/`, so it is refused.
        // One at `/ipfs/CID/` controls only the pages of its own CID.
        if field(&SERVICE_WORKER) == Some("script") && !rest.contains('/') {
            return Err(bad("no service worker may have the scope of /ipfs/".into()));
        }
        let asked = Query::parse(query);
        let accepted = accept::accepted(field(&ACCEPT));
        let takes = accepted.clone().map_or((false, false), |found| {
            (found.takes_whole && asked.format.is_none(), found.takes_page)
        });
        let (format, location) = format(path, query, &asked, accepted)?;
        let bytes = asked.bytes.as_deref().map(|text| {
            EntityBytes::parse(text).ok_or_else(|| {
                bad(format!("entity-bytes={text} is not a range, such as 0:1023 or -5:*"))
            })
        });
        let bytes = bytes.transpose()?;
        let scope = match asked.scope.as_deref() {
            None if bytes.is_some() => Scope::Entity,
            None | Some("all") => Scope::All,
            Some("entity") => Scope::Entity,
            Some("block") => Scope::Block,
            Some(other) => {
                return Err(bad(format!("dag-scope must be block, entity or all, but is {other}")));
            }
        };
        // A range of bytes has a meaning only for the scope `entity`: see the specification of
        // `entity-bytes`.
        let bytes = bytes.filter(|_| scope == Scope::Entity);
        if matches!(format, Format::Dar | Format::Tar) && scope != Scope::All {
            return Err(bad("dag-scope is for CARs: a DAR or a TAR holds all of a DAG".into()));
        }
        let only_if_cached = field(&CACHE_CONTROL)
            .is_some_and(|value| value.split(',').any(|part| part.trim() == "only-if-cached"));
        Ok(Self {
            path: path.into(),
            cid,
            names,
            directory: rest.ends_with('/'),
            query: query.into(),
            format,
            takes_whole: takes.0,
            takes_page: takes.1,
            scope,
            bytes,
            filename: asked.filename.filter(|name| !name.is_empty()),
            download: asked.download.as_deref() == Some("true"),
            only_if_cached,
            location,
        })
    }

    /// Returns the name of the file that the path ends with.
    pub(super) fn last_name(&self) -> Option<String> {
        self.names.last().map(|name| String::from_utf8_lossy(name).into_owned())
    }

    /// Returns the path up to its first `count` names, to show to people.
    pub(super) fn shown(&self, count: usize) -> String {
        let mut shown = format!("{PREFIX}{}", self.cid);
        for name in self.names.iter().take(count) {
            shown.push('/');
            shown.push_str(&String::from_utf8_lossy(name));
        }
        shown
    }
}

/// Returns the format of the answer. If the query does not name the format, this also returns the
/// path with a query that names it.
fn format(
    path: &str,
    query: &str,
    asked: &Query,
    accepted: Result<Accepted, Unsupported>,
) -> Result<(Format, Option<String>), Refusal> {
    let unacceptable = |Unsupported(status, why)| (status, why);
    let accepted = accepted.map(|accepted| accepted.format);
    let named = match asked.format.as_deref() {
        None => None,
        Some(name) => {
            let format = Format::of_name(name).ok_or_else(|| {
                let known = "raw, car, dar, tar, dag-json, dag-cbor, json or cbor";
                (StatusCode::BAD_REQUEST, format!("format must be one of {known}, but is {name}"))
            })?;
            Some(format.map_err(unacceptable)?)
        }
    };
    let mut format = match (named, accepted) {
        // If the query and `Accept` name the same format, the parameters in `Accept` are used.
        (Some(named), Ok(accepted)) if named.is_like(accepted) => accepted,
        (Some(named), _) => named,
        (None, accepted) => accepted.map_err(unacceptable)?,
    };
    let from_query = CarParameters {
        version: asked.version.as_deref(),
        order: asked.order.as_deref(),
        dups: asked.dups.as_deref(),
    };
    if let Format::Car { dups } = format {
        let default = if dups { "y" } else { "n" };
        let dups = Some(from_query.dups.unwrap_or(default));
        format = CarParameters { dups, ..from_query }.format().map_err(unacceptable)?;
    }
    Ok((format, location(path, query, asked, format)))
}

/// Returns the path and query for `Content-Location`, with the parameters of the format added.
/// Returns `None` if the query has them already.
fn location(path: &str, query: &str, asked: &Query, format: Format) -> Option<String> {
    let name = format.name()?;
    let mut more = Vec::new();
    if asked.format.is_none() {
        more.push(format!("format={name}"));
    }
    if format == (Format::Car { dups: true }) && asked.dups.is_none() {
        more.push("car-dups=y".into());
    }
    if more.is_empty() {
        return None;
    }
    let query = if query.is_empty() { String::new() } else { format!("{query}&") };
    Some(format!("{path}?{query}{}", more.join("&")))
}
