//! Names of the formats and components that `docs/spec/registry.md` lists.

use crate::report::Claimant;
use uuid::{Uuid, uuid};

/// The component in the example of the specification. The text notes in the examples of
/// `daicon-core` use it.
const TEXT_ID: Uuid = uuid!("37cb72a4-caab-440c-8b7c-869019ed348e");
/// The format of the text notes in the examples of `daicon-core`.
const TEXT_NOTE_ID: Uuid = uuid!("5544809d-1951-45fa-816e-31f03934912d");

/// Returns the name of a format or component that the registry lists.
#[must_use]
pub fn name_of(id: Uuid) -> Option<&'static str> {
    match id {
        id if id == crate::PACKAGE_FORMAT.id => Some("dacti package"),
        id if id == crate::index::INDEX_ID => Some("dacti-index"),
        id if id == crate::index::DICTIONARY_ID => Some("dacti-dictionary"),
        id if id == crate::layout::LAYOUT_ID => Some("dacti-layout"),
        id if id == crate::layout::PARTS_ID => Some("dacti-parts"),
        id if id == crate::seal::SEAL_ID => Some("dacti-seal"),
        id if id == crate::index::LOOKUP_ID => Some("dacti-lookup"),
        id if id == dacti_names::NAMES_ID => Some("dacti-names"),
        TEXT_ID => Some("text (example)"),
        TEXT_NOTE_ID => Some("text note (example)"),
        _ => None,
    }
}

/// Returns the use of bytes in words. A component is named as in the registry.
#[must_use]
pub fn label(claimant: Claimant) -> String {
    let name = match claimant {
        Claimant::Component(id) => name_of(id),
        _ => None,
    };
    name.map_or_else(|| claimant.to_string(), |name| format!("component {name}"))
}
