//! The list of a package's regions, with their paths.

use crate::Names;
use dacti_index::{Encoding, Located};
use dacti_names::NAMES_ID;

/// A region as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path, if the names list has one.
    pub path: Option<String>,
    /// Its stored bytes.
    pub located: Located,
    /// The length of its content in bytes. It is exact if the region is stored without encoding;
    /// otherwise it is the hint of the names list.
    pub decoded_len: Option<u64>,
}

impl Listed {
    /// Returns the path, or the id if the region has no path.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.clone().unwrap_or_else(|| self.located.id.to_string())
    }

    fn new(path: Option<&str>, located: Located, hint: Option<u64>) -> Self {
        let stored = (located.encoding == Encoding::NONE).then(|| located.span.len());
        Self { path: path.map(Into::into), located, decoded_len: stored.or(hint) }
    }
}

/// Joins names and regions, which ascend by id: named regions by path, then the others by id.
///
/// Leaves out names without a region, and the region of the names list itself.
pub(crate) fn join(regions: &[Located], names: &Names) -> Vec<Listed> {
    let mut shown = vec![false; regions.len()];
    let mut listed = Vec::with_capacity(regions.len());
    for name in names.all() {
        let Ok(i) = regions.binary_search_by_key(&name.id, |located| located.id) else { continue };
        if let (Some(located), Some(shown)) = (regions.get(i), shown.get_mut(i)) {
            *shown = true;
            listed.push(Listed::new(Some(name.path), *located, name.decoded_len));
        }
    }
    let unnamed =
        regions.iter().zip(shown).filter(|(located, shown)| !shown && located.id != NAMES_ID);
    listed.extend(unnamed.map(|(located, _)| Listed::new(None, *located, None)));
    listed
}
