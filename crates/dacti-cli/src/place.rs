//! Places where packages in parts are published, and the options of publishing.

use crate::files::Output;
use crate::outcome::Failure;
use core::num::NonZeroUsize;
use dacti::fetch::{HttpOptions, Location, LocationKind, StoreOptions, open_file};
use dacti::publish::{HEAD_MAX_AGE, Place, PublishOptions, publish};
use dacti::seal::SecretKey;
use dacti::{Limits, Package};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Options of verbs that replace the head of a published package.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Packages published in parts")]
pub(crate) struct PublishArgs {
    /// Replace the head without checking that it is unchanged. Use this with a store that has no
    /// conditional writes, and only if nobody else publishes there.
    #[arg(long)]
    unconditional: bool,
    /// Keep the replaced head for `dacti log`, as one more object of 64 KiB. A replaced head is
    /// always kept if the new head drops some of its parts.
    #[arg(long)]
    archive: bool,
    /// Let the head expire after this many seconds. Readers who require signatures then refuse it.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    expires_in: Option<u64>,
    /// How long caches may keep the head, in seconds. For a package in a folder, this option has no
    /// effect: configure the web server instead.
    #[arg(long, value_name = "SECONDS", default_value_t = HEAD_MAX_AGE)]
    head_max_age: u32,
    /// The maximum number of objects that are uploaded at the same time.
    #[arg(long, value_name = "N", default_value = "4")]
    uploads: NonZeroUsize,
}

impl PublishArgs {
    /// Returns the place that `dest` names: a store URL, or a path on this machine.
    pub(crate) fn place(&self, dest: &Path) -> Result<Place, Failure> {
        place(dest, self.head_max_age)
    }

    /// Returns options that sign with `key`. If there is no key, `unsigned` allows an unsigned head
    /// to replace a signed one.
    pub(crate) fn options(&self, key: Option<SecretKey>, unsigned: bool) -> PublishOptions {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        PublishOptions {
            unconditional: self.unconditional,
            archive: self.archive,
            expiry: self.expires_in.map_or(0, |seconds| now.saturating_add(seconds)),
            key,
            unsigned,
            concurrency: self.uploads,
            ..PublishOptions::default()
        }
    }
}

/// Returns the place that `dest` names, with the default lifetime of heads.
pub(crate) fn of(dest: &Path) -> Result<Place, Failure> {
    place(dest, HEAD_MAX_AGE)
}

/// Returns the place whose history a verb reads. The URL of a web server is refused, because such a
/// server does not list archived heads.
pub(crate) fn with_history(package: &Path) -> Result<Place, Failure> {
    if Location::from(package).kind() != LocationKind::Server {
        return of(package);
    }
    Err(Failure::Usage(
        "a web server does not list archived versions: name the bucket or the folder that it \
         serves, or read a version that has a URL of its own, made by `dacti tag`"
            .into(),
    ))
}

fn place(dest: &Path, head_max_age: u32) -> Result<Place, Failure> {
    let failed = |error| Failure::with(dest, &error);
    let location = Location::from(dest);
    match (location.kind(), location.secret_url()) {
        (LocationKind::Path, _) | (_, None) => Place::in_folder(dest).map_err(failed),
        (LocationKind::Store, Some(url)) => {
            Place::in_store(url, &StoreOptions::default(), head_max_age).map_err(failed)
        }
        _ => Err(Failure::Usage(
            "a web server takes no uploads: name the bucket or the folder that it serves, such as \
             s3://BUCKET/docs.dacti-pack or /var/www/docs.dacti-pack"
                .into(),
        )),
    }
}

/// Returns whether a package is published in parts: either it lies in an object store, or its file
/// is a head.
pub(crate) fn is_published(package: &Path) -> bool {
    if Location::from(package).is_url() {
        return true;
    }
    let mut preamble = [0; 28];
    let read = std::fs::File::open(package).and_then(|mut file| file.read_exact(&mut preamble));
    read.is_ok() && dacti::publish::is_in_parts(&preamble)
}

/// Opens a package that a verb copies as a whole. It is a file, a head on this machine, or a head
/// in an object store.
pub(crate) fn open(package: &Path, limits: Limits) -> Result<Package, Failure> {
    let location = Location::from(package);
    let opened = match (location.kind(), location.secret_url()) {
        (LocationKind::Store, Some(url)) => {
            let options = StoreOptions { limits, ..StoreOptions::default() };
            Package::open_store_with(url, &options).map(|(package, _)| package)
        }
        (_, Some(url)) => {
            let options = HttpOptions { limits, ..HttpOptions::default() };
            Package::open_url_with(url, &options).map(|(package, _)| package)
        }
        (_, None) => open_file(package).and_then(|source| Package::from_source(source, limits)),
    };
    opened.map_err(|error| Failure::with(package, &error))
}

/// The place to which a verb writes a new package.
#[derive(Debug)]
pub(crate) enum Rewritten {
    /// The file that `-o` names.
    File(PathBuf),
    /// The place of the old package. The new package is written to a temporary file first.
    Published { place: Place, file: PathBuf, _folder: TempDir },
}

impl Rewritten {
    /// Returns the place of the new package: `output`, if it is given. Otherwise the new package
    /// replaces the old one, which must be published in parts.
    pub(crate) fn new(
        package: &Path,
        output: Option<&Path>,
        publish: &PublishArgs,
        inputs: &[&Path],
    ) -> Result<Self, Failure> {
        if let Some(path) = output {
            let inputs: Vec<&Path> = inputs.iter().copied().chain([package]).collect();
            Output { path, option: "-o", has_standard: false }.check(&inputs)?;
            return Ok(Self::File(path.into()));
        }
        if !is_published(package) {
            let message = "name the new file with -o OUT: only a package that is published in \
                           parts is replaced in its place";
            return Err(Failure::Usage(message.into()));
        }
        let place = publish.place(package)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(place.name());
        Ok(Self::Published { place, file, _folder: folder })
    }

    /// Returns the file that the new package is written to.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Published { file, .. } => file,
        }
    }

    /// Publishes the new package in the place of the old one, unless `-o` names a file. The new
    /// package has another file id, so readers of the old package keep their view until they open
    /// the package anew.
    pub(crate) fn finish(
        &self,
        publish_args: &PublishArgs,
        key: Option<SecretKey>,
        unsigned: bool,
    ) -> Result<(), Failure> {
        let Self::Published { place, file, .. } = self else { return Ok(()) };
        let failed = |error| Failure::with(Path::new(&place.shown()), &error);
        let package = Package::open(file).map_err(failed)?;
        let options = PublishOptions { replace: true, ..publish_args.options(key, unsigned) };
        publish(&package, place, &options).map_err(failed)?;
        Ok(())
    }
}
