//! Names of the formats and components that the registry lists.

use dacti::report::Claimant;

/// The names of the ids that the registry knows.
pub(super) fn name_of(id: uuid::Uuid) -> Option<&'static str> {
    match id {
        id if id == dacti::PACKAGE_FORMAT.id => Some("dacti package"),
        id if id == dacti::index::INDEX_ID => Some("dacti-index"),
        id if id == dacti::layout::LAYOUT_ID => Some("dacti-layout"),
        id if id == dacti::seal::SEAL_ID => Some("dacti-seal"),
        id if id == dacti::index::LOOKUP_ID => Some("dacti-lookup"),
        id if id == dacti_names::NAMES_ID => Some("dacti-names"),
        _ => None,
    }
}

/// What a stretch of bytes is for, with the names that the registry knows.
pub(super) fn label(claimant: Claimant) -> String {
    let name = match claimant {
        Claimant::Component(id) => name_of(id),
        _ => None,
    };
    name.map_or_else(|| claimant.to_string(), |name| format!("component {name}"))
}
