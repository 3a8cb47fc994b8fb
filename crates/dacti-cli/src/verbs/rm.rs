//! `dacti rm`: removes regions from a published package.

use crate::Talk;
use crate::outcome::{Failure, Outcome};
use crate::select::{self, Pattern};
use crate::update::Options;
use dacti::{Listed, RegionName};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Remove regions from a package without breaking anyone who reads it.
///
/// New readers do not find the regions any more. The bytes stay in the file for readers that opened
/// it earlier, until `dacti compact` writes a new file.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// What to remove: a path, an id as a UUID with hyphens, or a pattern. A text that names no
    /// region is read as a pattern. A pattern without a slash matches a name in any folder; a
    /// pattern that begins with a slash matches from the root.
    #[arg(required = true, value_name = "PATH|UUID|PATTERN")]
    regions: Vec<String>,
    #[command(flatten)]
    options: Options,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let failed = |error| Failure::with(&self.package, &error);
        let mut update = self.options.open(&self.package, &[], false, talk)?;
        let mut listed: Option<Vec<Listed>> = None;
        let mut chosen = BTreeSet::new();
        let texts: Vec<_> = self.regions.iter().map(|text| select::path(text)).collect();
        let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        let mut named = Vec::new();
        for (text, found) in texts.iter().zip(select::find_all(update.package(), &texts)) {
            // A text that is not a valid path may still be a pattern, so this is not an error yet.
            let found = match found {
                Err(dacti::Error::Path { .. }) => None,
                found => Some(found.map_err(failed)?),
            };
            if let Some((name, Some(found))) = found {
                named.extend(chosen.insert(found.id).then_some(name));
                continue;
            }
            if listed.is_none() {
                listed = Some(update.package().list().map_err(failed)?);
            }
            let listed = listed.as_deref().unwrap_or_default();
            let pattern = Pattern::new(text, listed.iter().map(Listed::name))?;
            let meant: Vec<_> =
                listed.iter().filter(|region| pattern.matches(&region.name())).collect();
            if meant.is_empty() {
                let listed = listed.iter().map(Listed::borrowed);
                return Err(select::nothing_matches(&self.package, text, listed));
            }
            let new = meant.into_iter().filter(|region| chosen.insert(region.located.id));
            let removed = new.map(|region| {
                let id = RegionName::Id(region.located.id);
                region.path.as_deref().map_or(id, RegionName::Path)
            });
            update.remove_many(removed).map_err(failed)?;
        }
        update.remove_many(named).map_err(failed)?;
        self.options.finish(&self.package, update, talk)
    }
}
