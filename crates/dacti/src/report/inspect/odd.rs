//! Harmless oddities of a package, as one line of text for each.

use crate::Package;
use crate::report::{FileMap, Finding};

/// Returns one line for each harmless oddity: ignored data, overlaps, unclaimed bytes.
#[must_use]
pub fn oddities(package: &Package, map: &FileMap) -> Vec<String> {
    let view = package.view();
    let container = Finding::of_container(view);
    let overlaps = map.overlaps.iter().copied().map(Finding::Overlap);
    let mut lines: Vec<String> = container.chain(overlaps).map(|found| found.to_string()).collect();
    lines.extend(
        view.layout_fault().into_iter().chain(view.fences_fault()).map(ToString::to_string),
    );
    lines.extend(view.seals_fault().map(|fault| fault.to_string()));
    if view.index().is_empty() {
        lines.push("the index region is empty (size 0): the package has no regions".into());
    }
    if map.outside > 0 {
        let outside = map.outside;
        lines.push(format!("{outside} regions or components lie outside the file"));
    }
    let unclaimed = map.unclaimed_len();
    if unclaimed > 0 {
        lines.push(format!("{unclaimed} bytes are unclaimed and not zero"));
    }
    lines
}
