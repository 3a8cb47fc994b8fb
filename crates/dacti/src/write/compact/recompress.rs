//! Compaction that encodes the contents of all regions again, with another dictionary or none.
//!
//! Specification: `docs/spec/dacti-package.md`, "Compaction".

use super::{FirstPaths, Rewrite};
use crate::error::CompactionFault;
use crate::read::total::Total;
use crate::write::pack::Decoded;
use crate::{Error, Package, PackageBuilder};
use dacti_names::NAMES_ID;
use dacti_seal::{Kind, Seals};
use std::sync::Arc;
use uuid::Uuid;

/// The dictionary with which contents are encoded again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recompress {
    /// A dictionary is trained on the contents, and used if it makes the package at least 5 %
    /// smaller.
    Auto,
    /// No dictionary.
    Plain,
    /// This dictionary is used. The rules of [`PackageBuilder::set_dictionary`] apply.
    With(Vec<u8>),
}

impl Rewrite<'_> {
    /// Adds the content of every region except the names list, each under its first path.
    pub(super) fn recode_regions(
        &self,
        builder: &mut PackageBuilder,
        choice: &Recompress,
        seals: Option<&Seals>,
        hot: &[Uuid],
    ) -> Result<(), Error> {
        if self.key().is_none() && seals.is_some_and(|seals| seals.kind == Kind::Signature) {
            return Err(CompactionFault::RegionsUnsigned.into());
        }
        if let Recompress::With(dictionary) = choice {
            builder.set_dictionary(dictionary.clone())?;
        }
        let old = self.package;
        let (source, view) = (Arc::clone(old.source()), old.view().clone());
        let package =
            Arc::new(Package::from_view(source, view, *old.limits(), dacti_index::open_brotli));
        let paths = FirstPaths::of(self.names);
        // The total is limited, because the regions of a small file can decode to far too many
        // bytes.
        let total = Total::of(old, &self.scan.found);
        for located in self.scan.found.iter().filter(|found| found.id != NAMES_ID) {
            let (path, hint) = paths.get(located.id).unzip();
            let path = path.map(str::to_owned);
            let name = path.clone().unwrap_or_else(|| located.id.to_string());
            let decoded = Decoded { package: Arc::clone(&package), located: *located, name };
            let len = hint.flatten().map_or_else(|| decoded.len(), Ok)?;
            let spent = total.spend(usize::try_from(len).unwrap_or(usize::MAX));
            spent.map_err(Error::from_read)?;
            let is_hot = hot.binary_search(&located.id).is_ok();
            builder.recode(path, decoded, len, is_hot)?;
        }
        Ok(())
    }
}
