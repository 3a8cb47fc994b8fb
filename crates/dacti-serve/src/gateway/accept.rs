//! The formats of an answer, and how a request names them: `format=` and `Accept`, with the
//! parameters of CARs.

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
    /// The block as it is, if its codec is this one.
    Codec(u64),
}

/// A request for a format that the gateway does not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unsupported(pub(super) String);

const DAG_CBOR: u64 = 0x71;
const DAG_JSON: u64 = 0x0129;
const CBOR: u64 = 0x51;
const JSON: u64 = 0x0200;

impl Format {
    /// Returns the value of `format=` that names this format; `None` for a file.
    pub(super) const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Whole => return None,
            Self::Raw => "raw",
            Self::Car { .. } => "car",
            Self::Dar => "dar",
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
            "tar" | "ipns-record" => {
                return Some(Err(Unsupported(format!("this gateway makes no format={name}"))));
            }
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
        let no = |what, value| Err(Unsupported(format!("no CAR of {what} {value:?} is made here")));
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

/// Chooses a format from the media types of an `Accept` field: the one with the highest weight.
/// Among equal weights, a verifiable format is preferred, and then the first one.
pub(super) fn accepted(field: Option<&str>) -> Result<Format, Unsupported> {
    let (mut best, mut refused) = (None::<(u16, bool, Format)>, None);
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
        let format = match kind.as_str() {
            "" => continue,
            "application/vnd.ipld.raw" => Ok(Format::Raw),
            "application/vnd.ipld.car" => car.format(),
            "application/vnd.ipld.dar" => Ok(Format::Dar),
            "application/vnd.ipld.dag-json" => Ok(Format::Codec(DAG_JSON)),
            "application/vnd.ipld.dag-cbor" => Ok(Format::Codec(DAG_CBOR)),
            "application/x-tar" => Err(Unsupported(format!("this gateway makes no {kind}"))),
            kind if kind.starts_with("application/vnd.ipld.")
                || kind.starts_with("application/vnd.ipfs.") =>
            {
                Err(Unsupported(format!("this gateway makes no {kind}")))
            }
            _ => Ok(Format::Whole),
        };
        match format {
            _ if weight == 0 => {}
            Err(unsupported) => refused = refused.or(Some(unsupported)),
            Ok(format) => {
                let is_verifiable = format != Format::Whole;
                let new = (weight, is_verifiable, format);
                if best.is_none_or(|(best, other, _)| (best, other) < (weight, is_verifiable)) {
                    best = Some(new);
                }
            }
        }
    }
    match (best, refused) {
        (Some((_, _, format)), _) => Ok(format),
        (None, Some(refused)) => Err(refused),
        (None, None) => Ok(Format::Whole),
    }
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
    use super::{Format, accepted};

    #[track_caller]
    fn check(field: &str, expected: Option<Format>) {
        assert_eq!(accepted(Some(field)).ok(), expected, "{field}");
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
    }

    #[test]
    fn variants_that_are_not_made_here_are_refused() {
        for field in ["version=2", "order=bfs", "dups=maybe"] {
            check(&format!("application/vnd.ipld.car; {field}"), None);
        }
        check("application/x-tar", None);
        check("application/vnd.ipfs.ipns-record", None);
    }
}
