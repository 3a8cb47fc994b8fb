//! New components: their entries, and the limits of a file.

use crate::{ComponentContent, Error, LimitOf, NewComponent, Snapshot};
use daicon_core::{
    COMPONENT_ENTRY_LEN, COMPONENTS_MAX, ComponentSpec, Region, Span, TABLES_MAX, to_u64,
};

/// Returns a new component for a table with region base `base`; `None` if the component's region
/// does not lie within 4 GiB after the base.
pub(crate) fn spec(new: &NewComponent, span: Span, base: u64) -> Option<ComponentSpec> {
    let (id, version) = (new.id, new.version);
    Some(match new.content {
        ComponentContent::Region { .. } => {
            ComponentSpec::with_region(id, version, Region::of(span, base).ok()?)
        }
        ComponentContent::Data(data) => ComponentSpec::with_data(id, version, data),
    })
}

/// Checks that readers accept the numbers of tables and components.
pub(crate) fn check_limits(
    snapshot: &Snapshot,
    tables: usize,
    components: usize,
) -> Result<(), Error> {
    let entries = |span: &Span| span.len() / COMPONENT_ENTRY_LEN;
    let listed = snapshot
        .tables
        .iter()
        .fold(to_u64(components), |sum, table| sum.saturating_add(entries(&table.span)));
    let sums = [
        (LimitOf::Tables, to_u64(snapshot.tables.len().saturating_add(tables)), TABLES_MAX),
        (LimitOf::Components, listed, COMPONENTS_MAX),
    ];
    for (what, found, limit) in sums {
        if found > to_u64(limit) {
            return Err(Error::LimitExceeded { what, found, limit: to_u64(limit) });
        }
    }
    Ok(())
}
