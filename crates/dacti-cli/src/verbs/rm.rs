//! `dacti rm`: regions are taken out of a published package.

use crate::Talk;
use crate::outcome::{Failure, Outcome};
use crate::select::{self, Globs};
use crate::update::Options;
use dacti::{Listed, RegionName};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Take regions out of a package, without breaking anyone who reads it.
///
/// They are not found any more; their bytes stay in the file, for those who read it as it was,
/// until `dacti compact` makes a new one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// Paths, ids as UUIDs with hyphens, or globs: what names no region is taken as a glob.
    /// Without a slash a glob means a name in any folder; with one in front it starts at the root.
    #[arg(required = true, value_name = "PATH|UUID|GLOB")]
    keys: Vec<String>,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let failed = |error| Failure::with(&self.package, &error);
        let mut update = self.options.open(&self.package, false)?;
        let mut listed: Option<Vec<Listed>> = None;
        let mut chosen = BTreeSet::new();
        for key in &self.keys {
            // What breaks the rules of paths may be a glob.
            let found = match select::find(update.package(), key) {
                Err(dacti::Error::Path { .. }) => None,
                found => Some(found.map_err(failed)?),
            };
            if let Some((key, Some(found))) = found {
                if chosen.insert(found.id) {
                    update.remove(key).map_err(failed)?;
                }
                continue;
            }
            let globs = Globs::new([key])?;
            if listed.is_none() {
                listed = Some(update.package().list().map_err(failed)?);
            }
            let mut matched = false;
            for region in listed.iter().flatten().filter(|region| globs.matches(&region.name())) {
                matched = true;
                let id = region.located.id;
                if chosen.insert(id) {
                    let key = region.path.as_deref().map_or(RegionName::Id(id), RegionName::Path);
                    update.remove(key).map_err(failed)?;
                }
            }
            if !matched {
                return Err(select::nothing_matches(
                    &self.package,
                    key,
                    listed.as_deref().unwrap_or_default(),
                ));
            }
        }
        self.options.finish(&self.package, update, talk)
    }
}
