//! The parts that JSON objects of several verbs share. `docs/json.md` describes them.

use crate::hint;
use crate::overlap::Overlapping;
use dacti::Span;
pub(crate) use dacti::report::inspect::Place;
use dacti::report::{Finding, Overlap};
use serde::Serialize;
use std::collections::HashMap;
use uuid::Uuid;

/// One finding of a check.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    kind: &'static str,
    /// Whether the finding means that bytes are lost.
    loss: bool,
    path: Option<String>,
    id: Option<Uuid>,
    place: Option<Place>,
    message: String,
}

/// Ids and places of regions, by their paths or ids as text.
pub(crate) type Regions = HashMap<String, (Uuid, Span)>;

impl Found {
    /// Returns the finding that some regions overlap in a part of their bytes. It names one of
    /// these regions.
    pub(crate) fn of_overlap(found: &Overlapping<'_>) -> Self {
        let Overlapping { region, message } = found;
        Self {
            kind: "overlap",
            loss: false,
            path: region.path.map(Into::into),
            id: Some(region.located.id),
            place: Some(region.located.span.into()),
            message: message.clone(),
        }
    }

    pub(crate) fn new(finding: &Finding, regions: &Regions) -> Self {
        let (kind, name) = match finding {
            Finding::Container(_) | Finding::ContainerMore { .. } => ("container", None),
            Finding::Layout(_) => ("layout", None),
            Finding::Fences(_) => ("fences", None),
            Finding::Seals(_) => ("seals", None),
            Finding::DigestList(_) => ("digest list", None),
            Finding::Names(_) => ("names", None),
            Finding::Dictionary(_) => ("dictionary", None),
            Finding::Part(_) => ("part", None),
            Finding::Overlap(_) => ("overlap", None),
            Finding::Entry(_) => ("entry", None),
            Finding::Region { name, .. } => ("region", Some(name)),
            Finding::Removal { .. } => ("removal", None),
            Finding::Length { name, .. } => ("length", Some(name)),
            Finding::HiddenIds { .. } => ("hidden ids", None),
            Finding::NameWithoutRegion { path } => ("name without region", Some(path)),
            _ => ("other", None),
        };
        let place = match finding {
            Finding::Overlap(Overlap { second, .. }) => Some(second.span.into()),
            _ => None,
        };
        let region = name.and_then(|name| regions.get(name));
        let id = match finding {
            Finding::Removal { id, .. } => Some(*id),
            _ => region.map(|(id, _)| *id),
        };
        Self {
            kind,
            loss: finding.is_loss(),
            path: name.filter(|name| id.is_none_or(|id| id.to_string() != **name)).cloned(),
            id,
            place: place.or_else(|| region.map(|(_, span)| (*span).into())),
            message: hint::of_finding(finding),
        }
    }
}
