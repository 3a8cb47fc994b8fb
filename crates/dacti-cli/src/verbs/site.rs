//! `dacti site`: a folder for any static host, with a site in one package and the service worker
//! that serves it.

mod pages;

use crate::collect::{Collected, Collector, Filters, LeftOut};
use crate::outcome::{Failure, Outcome};
use crate::output::{self, bytes, counted, shown};
use crate::place::PublishArgs;
use crate::progress::Bar;
use crate::update::{others, plan};
use crate::web::WebFiles;
use crate::{Talk, interrupt, keys, threads};
use core::num::NonZeroUsize;
use dacti::publish::{Place, Published, Standing, publish_with};
use dacti::seal::SecretKey;
use dacti::update::{Update, UpdateOptions};
use dacti::{BuildOptions, Content, EncodingChoice, Package, PackageBuilder, RegionName};
use pages::Pages;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The folder in OUT for everything but the pages and the worker.
const FOLDER: &str = "dacti-site";
/// The head of the package in that folder.
const PACKAGE: &str = "site.dacti-pack";
/// The script of the worker. It lies beside the pages, because a worker serves only its own folder.
const WORKER: &str = "dacti-worker.js";

/// The slice length of the package: the shortest allowed length. Caches hold parts as whole
/// objects, so longer slices would only add padding.
const SLICE_LEN: u64 = 4096;

/// Make a site of a folder: one package, and a service worker that serves its pages.
///
/// OUT can be deployed to any static host with HTTPS. On the first visit a small page starts the
/// worker, which reads pages from the package, checks them, and keeps them for offline use. If OUT
/// has a site already, it is updated: only new and changed files are written, as one part, and
/// visitors see the old site or the new one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder with the files of the site.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The folder to write: a new or empty one, or one that this command has written.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Sign all regions and the head with the private key in this file. The worker then shows
    /// nothing that this key has not signed.
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// The UUID of the publisher's package to sign for. By default, the key file gives it.
    #[arg(long, value_name = "UUID", requires = "sign", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// Fetch all files after the first visit, so that the whole site is readable offline. With
    /// PREFIX, fetch only the files whose path begins with PREFIX. May be given several times.
    #[arg(long, value_name = "PREFIX", num_args = 0..=1, require_equals = true,
        default_missing_value = "")]
    precache: Vec<String>,
    /// The path at which OUT is served on its host. Only the page for deep links, 404.html,
    /// contains this path.
    #[arg(long, value_name = "/PATH/", default_value = "/", value_parser = base)]
    base: String,
    /// Brotli's quality: 0 is fast, 11 is small.
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=11))]
    quality: u8,
    #[command(flatten)]
    filters: Filters,
    /// Threads that encode, at most 256; by default one for each core. The bytes are the same with
    /// any number.
    #[arg(long, value_name = "N", value_parser = threads::parse)]
    threads: Option<NonZeroUsize>,
    /// Print one JSON object about the site.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    publish: PublishArgs,
}

#[derive(Debug, Serialize)]
struct Json<'j> {
    #[serde(serialize_with = "output::serialize_place")]
    folder: &'j Path,
    standing: &'static str,
    sequence: u64,
    files: usize,
    bytes: u64,
    signed: bool,
}

/// The state of the package in OUT after this command.
struct Stored {
    standing: Standing,
    sequence: u64,
    /// The number of bytes that were added.
    bytes: u64,
}

/// Reads the path of a site on its host.
fn base(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/%".contains(c);
    let good = text.starts_with('/') && text.ends_with('/') && !text.contains("//");
    let good = good && text.chars().all(plain);
    good.then(|| text.into()).ok_or_else(|| "expected a path such as / or /docs/".into())
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let key = keys::signing(self.sign.as_deref(), self.package_id)?;
        self.check_folders()?;
        let package = self.output.join(FOLDER).join(PACKAGE);
        let Collected { files, left_out } = self.collect(&package)?;
        let files_web = WebFiles::open()?;
        let place = self.publish.place(&package)?;
        let count = files.len();
        let lacks_index = !files.iter().any(|(path, _)| path == "index.html");
        interrupt::listen();
        let stored = if package.exists() {
            self.update(&package, &place, files, key.clone(), talk)?
        } else {
            self.first(&place, files, key.clone(), talk)?
        };
        let pages = Pages {
            keys: key.iter().map(|key| key.public().to_text()).collect(),
            precache: &self.precache,
            base: &self.base,
        };
        pages.write(&files_web, &self.output)?;
        if talk >= Talk::Normal {
            left_out.notes().iter().for_each(|line| output::note(line));
            if lacks_index {
                let folder = shown(&self.folder);
                output::note(&format!("{folder} has no index.html: the first page is missing"));
            }
        }
        self.print(&stored, count, key.is_some(), talk)?;
        Ok(Outcome::Done)
    }

    /// Refuses folders if files would be lost or published by mistake.
    fn check_folders(&self) -> Result<(), Failure> {
        let (from, out) = (&self.folder, &self.output);
        if !from.is_dir() {
            return Err(Failure::Failed(format!("{} is not a folder", shown(from))));
        }
        let real = from.canonicalize()?;
        // OUT may be a new folder below an existing one, so the nearest existing folder is checked.
        let found = out.ancestors().find_map(|above| {
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            above.canonicalize().ok()
        });
        if found.is_some_and(|found| found.starts_with(&real)) {
            return Err(Failure::Failed(format!(
                "{} lies in {}: name a folder outside with -o, or the site would be part of itself",
                shown(out),
                shown(from)
            )));
        }
        let mut entries = match fs::read_dir(out) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(Failure::Failed(format!("cannot read {}: {error}", shown(out))));
            }
        };
        if entries.next().is_some() && !out.join(FOLDER).is_dir() {
            return Err(Failure::Failed(format!(
                "{} has files, but no site that this command has written: name a new folder \
                 with -o",
                shown(out)
            )));
        }
        Ok(())
    }

    fn collect(&self, package: &Path) -> Result<Collected, Failure> {
        let collector = Collector::new(&self.filters, &[&self.folder], package)?;
        let collected = collector.collect(&self.folder)?;
        LeftOut::refuse_nothing(collected.files.len(), collected.left_out.filtered)?;
        collector.tell_unused()?;
        let own = |path: &str| path == WORKER || path.split('/').next() == Some(FOLDER);
        if let Some((path, _)) = collected.files.iter().find(|(path, _)| own(path)) {
            let path = output::printable(path);
            return Err(Failure::Failed(format!(
                "{path}: the worker needs this name for itself: rename the file, or leave it out \
                 with --exclude"
            )));
        }
        if collected.files.is_empty() {
            return Err(Failure::Failed(format!("{} has no files", shown(&self.folder))));
        }
        Ok(collected)
    }

    /// Packs the files and publishes them for the first time.
    fn first(
        &self,
        place: &Place,
        files: Vec<(String, PathBuf)>,
        key: Option<SecretKey>,
        talk: Talk,
    ) -> Result<Stored, Failure> {
        let mut builder = PackageBuilder::new(BuildOptions {
            // A visitor's browser may run an older worker, which refuses shared stored bytes.
            share: false,
            slice_len: SLICE_LEN,
            encoding: EncodingChoice::Auto,
            quality: self.quality,
            threads: self.threads,
            ..BuildOptions::default()
        });
        if let Some(key) = &key {
            builder.sign(key.clone());
        }
        for (path, file) in files {
            Self::tell(&path, talk);
            builder.add(path, Content::file(file))?;
        }
        // OUT is created only now, so that a refused input leaves no folder behind.
        fs::create_dir_all(self.output.join(FOLDER)).map_err(|error| {
            Failure::Failed(format!("cannot create {}: {error}", shown(&self.output)))
        })?;
        let mut folder = tempfile::Builder::new();
        folder.prefix(".dacti-").suffix(".tmp");
        let folder = folder.tempdir_in(self.output.join(FOLDER))?;
        let file = folder.path().join(place.name());
        {
            let mut bar = Bar::bytes("packing", 0, talk);
            builder.build_with(&file, &mut |at| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            })?;
        }
        let failed = |error| Failure::with(&self.output, &error);
        let package = Package::open(&file).map_err(failed)?;
        let mut bar = Bar::bytes("writing", 0, talk);
        let published =
            publish_with(&package, place, &self.publish.options(key, false), &mut |at| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            });
        let Published { standing, sequence, bytes, .. } = published.map_err(failed)?;
        Ok(Stored { standing, sequence, bytes })
    }

    /// Makes the existing package equal to the files, in one update.
    fn update(
        &self,
        package: &Path,
        place: &Place,
        files: Vec<(String, PathBuf)>,
        key: Option<SecretKey>,
        talk: Talk,
    ) -> Result<Stored, Failure> {
        let failed = |error| Failure::with(package, &error);
        let options = UpdateOptions {
            quality: self.quality,
            threads: self.threads,
            ..UpdateOptions::default()
        };
        let publish = self.publish.options(key.clone(), false);
        let mut update = Update::at_place(place, options, publish).map_err(failed)?;
        self.check_key(&update, key.as_ref())?;
        if let Some(key) = key {
            update.sign(key).map_err(failed)?;
        }
        let paths: BTreeSet<String> = files.iter().map(|(path, _)| path.clone()).collect();
        for (path, file) in files {
            Self::tell(&path, talk);
            update.put(path, Content::file(file)).map_err(failed)?;
        }
        let others = others(&update, &paths).map_err(failed)?;
        update.remove_many(others.iter().map(|path| RegionName::Path(path))).map_err(failed)?;
        let planned = plan(update, talk).map_err(failed)?;
        let is_same = planned.is_empty();
        let before = Self::state(package)?;
        planned.apply().map_err(failed)?;
        let after = Self::state(package)?;
        let standing = if is_same { Standing::Same } else { Standing::Continued };
        Ok(Stored { standing, sequence: after.0, bytes: after.1.saturating_sub(before.1) })
    }

    /// Refuses an update after which the worker would refuse regions, or drop its pinned key.
    fn check_key(&self, update: &Update, key: Option<&SecretKey>) -> Result<(), Failure> {
        let seals = update.package().view().seals().cloned();
        let keys = seals.map(|seals| seals.keys).unwrap_or_default();
        let out = shown(&self.output);
        let fault = match key {
            None if keys.is_empty() => return Ok(()),
            None => format!("{out}: the site is signed: --sign KEY signs the update"),
            Some(_) if keys.is_empty() => {
                format!("{out}: the site is not signed: write a signed one to a new folder")
            }
            Some(key) if keys.contains(key.public().key()) => return Ok(()),
            Some(_) => format!(
                "{out}: another key has signed the site: use that one, or write the site to a new \
                 folder"
            ),
        };
        Err(Failure::Failed(fault))
    }

    /// Returns the sequence and the length of the package.
    fn state(package: &Path) -> Result<(u64, u64), Failure> {
        let opened = Package::open(package).map_err(|error| Failure::with(package, &error))?;
        let view = opened.view();
        Ok((view.parts().map_or(0, |parts| parts.region.sequence), view.len()))
    }

    fn tell(path: &str, talk: Talk) {
        if talk == Talk::Verbose {
            output::note(&output::printable(path));
        }
    }

    fn print(
        &self,
        stored: &Stored,
        files: usize,
        signed: bool,
        talk: Talk,
    ) -> Result<(), Failure> {
        let Stored { standing, sequence, bytes: added } = *stored;
        if self.json {
            let standing = match standing {
                Standing::First => "first",
                Standing::Same => "same",
                Standing::Continued | Standing::Replaced => "continued",
            };
            let folder = &*self.output;
            let json = Json { folder, standing, sequence, files, bytes: added, signed };
            return Ok(output::json(&mut std::io::stdout().lock(), &json)?);
        }
        if talk >= Talk::Normal {
            let out = shown(&self.output);
            let count = u64::try_from(files).unwrap_or(u64::MAX);
            let files = counted(count, "file", "files");
            output::note(&match standing {
                Standing::Same => format!("{out}: {files}, unchanged (version {sequence})"),
                Standing::First => {
                    format!("{out}: {files}, {}; try it with `dacti serve {out}`", bytes(added))
                }
                _ => format!("{out}: {files}, version {sequence}, {} added", bytes(added)),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::base;

    #[test]
    fn the_path_of_a_site_begins_and_ends_with_a_slash() {
        for good in ["/", "/docs/", "/a/b-1/", "/caf%C3%A9/"] {
            assert_eq!(base(good), Ok(good.into()));
        }
        for wrong in ["", "docs", "/docs", "docs/", "//", "/a//b/", "/\"/", "/a b/", "/<x>/"] {
            assert!(base(wrong).is_err(), "{wrong}");
        }
    }
}
