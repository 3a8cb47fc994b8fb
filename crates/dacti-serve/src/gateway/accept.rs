//! The formats of an answer, and how a request names them: `format=` and `Accept`, with the
//! parameters of CARs.

use hyper::StatusCode;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A file or the page of a folder.
    Whole,
    /// One block.
    Raw,
    /// A CAR. With `dups`, a block is repeated for each link that leads to it.
    Car { dups: bool },
    /// An archive of this project's format.
    Dar,
    /// Files, folders and symbolic links as a TAR.
    Tar,
    /// The unchanged block, if it has this codec.
    Codec(u64),
}

/// A request for a format that the gateway does not make: the status of the answer, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsupported(pub(super) StatusCode, pub(super) String);

impl Unsupported {
    fn new(why: String) -> Self {
        Self(StatusCode::NOT_ACCEPTABLE, why)
    }

    /// Returns the answer that the specification demands for a request of an IPNS record under
    /// `/ipfs/`.
    fn record() -> Self {
        let why = "an IPNS record belongs to a name under /ipns/, not to a CID under /ipfs/";
        Self(StatusCode::BAD_REQUEST, why.into())
    }
}

pub(super) const DAG_CBOR: u64 = 0x71;
pub(super) const DAG_JSON: u64 = 0x0129;
pub(super) const CBOR: u64 = 0x51;
pub(super) const JSON: u64 = 0x0200;

impl Format {
    /// Returns the value of `format=` that names this format; `None` for a file.
    pub(super) const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Whole => return None,
            Self::Raw => "raw",
            Self::Car { .. } => "car",
            Self::Dar => "dar",
            Self::Tar => "tar",
            Self::Codec(DAG_CBOR) => "dag-cbor",
            Self::Codec(DAG_JSON) => "dag-json",
            Self::Codec(CBOR) => "cbor",
            Self::Codec(_) => "json",
        })
    }

    /// Reads a value of `format=`; `None` if no specification defines it.
    pub(super) fn of_name(name: &str) -> Option<Result<Self, Unsupported>> {
        Some(Ok(match name {
            "raw" => Self::Raw,
            "car" => Self::Car { dups: false },
            "dar" => Self::Dar,
            "dag-json" => Self::Codec(DAG_JSON),
            "dag-cbor" => Self::Codec(DAG_CBOR),
            "json" => Self::Codec(JSON),
            "cbor" => Self::Codec(CBOR),
            "tar" => Self::Tar,
            "ipns-record" => return Some(Err(Unsupported::record())),
            _ => return None,
        }))
    }

    /// Returns whether both are the same format, apart from parameters.
    pub(super) fn is_like(self, other: Self) -> bool {
        self.name() == other.name()
    }
}

/// Returns the media type of a block that is sent as it is.
pub(super) const fn media_type(codec: u64) -> Option<&'static str> {
    match codec {
        DAG_CBOR => Some("application/vnd.ipld.dag-cbor"),
        DAG_JSON => Some("application/vnd.ipld.dag-json"),
        CBOR => Some("application/cbor"),
        JSON => Some("application/json"),
        _ => None,
    }
}

/// The parameters of a CAR in a request.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CarParameters<'r> {
    pub(super) version: Option<&'r str>,
    pub(super) order: Option<&'r str>,
    pub(super) dups: Option<&'r str>,
}

impl CarParameters<'_> {
    /// Returns the format with these parameters.
    pub(super) fn format(&self) -> Result<Format, Unsupported> {
        let no = |what, value| {
            Err(Unsupported::new(format!("this gateway makes no CAR of {what} {value:?}")))
        };
        let dups = match self.dups {
            None | Some("n") => false,
            Some("y") => true,
            Some(other) => return no("dups", other),
        };
        match (self.version, self.order) {
            (Some(version), _) if version != "1" => no("version", version),
            (_, Some(order)) if order != "dfs" && order != "unk" => no("order", order),
            _ => Ok(Format::Car { dups }),
        }
    }
}

/// The kinds of answers that the `Accept` field of a request allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The preferred format.
    pub(super) format: Format,
    /// Whether the client also accepts a file or the page of a folder.
    pub(super) takes_whole: bool,
    /// Whether the field names `text/html`.
    pub(super) takes_page: bool,
}

impl Accepted {
    /// The result for a request without the field.
    const ANY: Self = Self { format: Format::Whole, takes_whole: true, takes_page: false };
}

/// Chooses the format with the highest weight from the media types of an `Accept` field. Among
/// equal weights, formats of the gateway are preferred to files, and earlier formats to later ones.
pub(super) fn accepted(field: Option<&str>) -> Result<Accepted, Unsupported> {
    let (mut best, mut refused) = (None::<(u16, bool, Format)>, None);
    let (mut takes_whole, mut takes_page) = (false, false);
    for range in field.unwrap_or_default().split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let (mut car, mut weight) = (CarParameters::default(), 1000);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "q" => weight = self::weight(value),
                "version" => car.version = Some(value),
                "order" => car.order = Some(value),
                "dups" => car.dups = Some(value),
                _ => {}
            }
        }
        if kind.is_empty() || weight == 0 {
            continue;
        }
        let format = match format_of(&kind, car) {
            Ok(format) => format,
            Err(unsupported) => {
                refused = refused.or(Some(unsupported));
                continue;
            }
        };
        takes_whole |= format == Format::Whole;
        takes_page |= kind == "text/html";
        // At equal weights, a special format is preferred. `application/json` and
        // `application/cbor` are not special, because they may ask for a file of JSON or CBOR.
        let is_special = !matches!(format, Format::Whole | Format::Codec(JSON | CBOR));
        if best.is_none_or(|(best, other, _)| (best, other) < (weight, is_special)) {
            best = Some((weight, is_special, format));
        }
    }
    match (best, refused) {
        (Some((_, _, format)), _) => Ok(Accepted { format, takes_whole, takes_page }),
        (None, Some(refused)) => Err(refused),
        (None, None) => Ok(Accepted::ANY),
    }
}

/// Returns the format of a media type.
fn format_of(kind: &str, car: CarParameters<'_>) -> Result<Format, Unsupported> {
    Ok(match kind {
        "application/vnd.ipld.raw" => Format::Raw,
        "application/vnd.ipld.car" => return car.format(),
        "application/vnd.ipld.dar" => Format::Dar,
        "application/vnd.ipld.dag-json" => Format::Codec(DAG_JSON),
        "application/vnd.ipld.dag-cbor" => Format::Codec(DAG_CBOR),
        "application/json" => Format::Codec(JSON),
        "application/cbor" => Format::Codec(CBOR),
        "application/x-tar" => Format::Tar,
        "application/vnd.ipfs.ipns-record" => return Err(Unsupported::record()),
        kind if kind.starts_with("application/vnd.ipld.")
            || kind.starts_with("application/vnd.ipfs.") =>
        {
            return Err(Unsupported::new(format!("this gateway makes no {kind}")));
        }
        _ => Format::Whole,
    })
}

/// Reads a weight of at most three digits after the point, in thousandths.
fn weight(text: &str) -> u16 {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if whole != "0" {
        return 1000;
    }
    let digits = rest.bytes().chain(*b"000").take(3);
    digits.fold(0_u16, |sum, digit| {
        let digit = u16::from(digit.saturating_sub(b'0').min(9));
        sum.saturating_mul(10).saturating_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::{Accepted, Format, JSON, accepted};

    #[track_caller]
    fn check(field: &str, expected: Option<Format>) {
        let found = accepted(Some(field)).ok();
        assert_eq!(found.map(|found| found.format), expected, "{field}");
    }

    #[test]
    fn the_best_format_that_is_made_here_is_chosen() {
        const CAR: Option<Format> = Some(Format::Car { dups: false });
        check("", Some(Format::Whole));
        check("*/*", Some(Format::Whole));
        check("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", Some(Format::Whole));
        check("application/vnd.ipld.raw", Some(Format::Raw));
        check("application/vnd.ipld.car", CAR);
        check(
            "Application/vnd.ipld.car;version=1;order=dfs;dups=y",
            Some(Format::Car { dups: true }),
        );
        check("application/vnd.ipld.car; order=unk; dups=\"n\"", CAR);
        check("*/*, application/vnd.ipld.car", CAR);
        check("*/*, application/vnd.ipld.car;q=0.5", Some(Format::Whole));
        check("application/vnd.ipld.car;q=0.5, application/vnd.ipld.raw;q=0.55", Some(Format::Raw));
        check(
            "application/vnd.ipld.car;order=foo, application/vnd.ipld.car;dups=y;q=0.5",
            Some(Format::Car { dups: true }),
        );
        check("application/vnd.ipld.car;q=0, */*", Some(Format::Whole));
        check("application/x-tar", Some(Format::Tar));
        check("application/json, text/plain, */*", Some(Format::Codec(JSON)));
        check("*/*, application/json", Some(Format::Whole));
    }

    #[test]
    fn files_and_pages_may_be_accepted_beside_the_best_format() {
        let page = "text/html, application/json;q=0.5";
        for (field, takes_whole, takes_page) in [
            (None, true, false),
            (Some("application/json"), false, false),
            (Some("application/json, */*;q=0.1"), true, false),
            (Some("application/json, */*;q=0"), false, false),
            (Some(page), true, true),
        ] {
            let Accepted { takes_whole: whole, takes_page: pages, .. } = accepted(field).unwrap();
            assert_eq!((whole, pages), (takes_whole, takes_page), "{field:?}");
        }
    }

    #[test]
    fn variants_that_are_not_made_here_are_refused() {
        for field in ["version=2", "order=bfs", "dups=maybe"] {
            check(&format!("application/vnd.ipld.car; {field}"), None);
        }
        check("application/vnd.ipld.dag-pb", None);
        check("application/vnd.ipfs.ipns-record", None);
    }
}
