//! A scratch package that `cdn-check --write` publishes, updates, reads back and deletes.

use crate::outcome::Failure;
use crate::{Talk, interrupt, output, place};
use core::time::Duration;
use dacti::fetch::{HttpAsker, HttpOptions, Location};
use dacti::publish::{Place, PublishOptions, publish};
use dacti::report::host::{HostCheck, HostFinding, HostVerdict};
use dacti::update::{Update, UpdateOptions};
use dacti::{BuildOptions, EncodingChoice, Error, HEAD_LEN, Package, PackageBuilder, Span};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The paths of the two regions. The first holds the version; the second never changes.
const VERSION: &str = "version";
const DATA: &str = "data";
/// The length of the second region. It exceeds the length of files that readers may fetch whole, so
/// readers must request ranges.
const DATA_LEN: usize = 3 << 20;
/// The time between two reads of one URL.
const PAUSE: Duration = Duration::from_millis(500);
/// The suffix of the copy that is one file.
const ONE_FILE: &str = "-one-file";

/// A published scratch package.
#[derive(Debug)]
pub(super) struct Scratch {
    place: Place,
    /// A second copy of the package, as one file, and the folder of both; `None` in an object
    /// store.
    one_file: Option<(PathBuf, PathBuf)>,
}

fn data() -> Vec<u8> {
    let mut state = 1_u64;
    let bytes = core::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes().first().copied().unwrap_or_default()
    });
    bytes.take(DATA_LEN).collect()
}

impl Scratch {
    /// Publishes the package at `dest`. Fails if an object exists there.
    pub(super) fn publish(dest: &Path, talk: Talk) -> Result<Self, Failure> {
        let failed = |error: Error| Failure::with(dest, &error);
        let place = place::of(dest)?;
        if place.store().get(place.name(), None).map_err(failed)?.is_some() {
            return Err(Failure::Usage(format!(
                "{} exists already: name a new place for the scratch package",
                place.shown()
            )));
        }
        if talk >= Talk::Normal {
            output::note(&format!("a scratch package is published at {}", place.shown()));
        }
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(place.name());
        let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
        let mut builder = PackageBuilder::new(options);
        builder.add(VERSION, b"1".to_vec()).map_err(failed)?;
        builder.add(DATA, data()).map_err(failed)?;
        builder.build(&file).map_err(failed)?;
        let is_path = !Location::from(dest).is_url();
        let folder = dest.parent().unwrap_or(Path::new("")).to_owned();
        let one_file = is_path.then(|| (one_file(dest), folder));
        let scratch = Self { place, one_file };
        let published = scratch.fill(&file);
        if let Err(error) = published {
            scratch.remove()?;
            return Err(failed(error));
        }
        Ok(scratch)
    }

    fn fill(&self, file: &Path) -> Result<(), Error> {
        publish(&Package::open(file)?, &self.place, &PublishOptions::default())?;
        if let Some((one_file, _)) = &self.one_file {
            let io = |source| Error::Io { action: "write", path: one_file.clone(), source };
            std::fs::copy(file, one_file).map_err(io)?;
        }
        Ok(())
    }

    /// Updates the package, and reads it back from all places.
    pub(super) fn update(
        &self,
        asker: &HttpAsker,
        options: &HttpOptions,
        urls: &[&str],
        patience: Duration,
    ) -> Result<Vec<HostFinding>, Failure> {
        let failed = |error: Error| Failure::with(Path::new(&self.place.shown()), &error);
        let mut findings = Vec::new();
        // These reads put the old state into the caches.
        let before: Vec<_> = urls.iter().map(|url| version_at(url, options)).collect();
        let update =
            Update::at_place(&self.place, UpdateOptions::default(), PublishOptions::default());
        put_second_version(update.map_err(failed)?).map_err(failed)?;
        let published = self.place.store().get(self.place.name(), None).map_err(failed)?;
        let head = published.map(|published| published.bytes).unwrap_or_default();
        for (url, before) in urls.iter().zip(before) {
            findings.extend(past_caches(asker, url, &head)?);
            findings.push(in_parts(url, options, before, patience)?);
        }
        if let Some((file, _)) = &self.one_file {
            let urls: Vec<String> = urls.iter().map(|url| with_suffix(url)).collect();
            // These reads put the old state into the caches, heads included.
            let before: Vec<_> = urls.iter().map(|url| version_at(url, options)).collect();
            let update = Update::open(file, UpdateOptions::default());
            put_second_version(update.map_err(failed)?).map_err(failed)?;
            for (url, before) in urls.iter().zip(before) {
                let fresh_head = urls.first().cloned();
                findings.push(in_place(url, fresh_head, options, before));
            }
        }
        Ok(findings)
    }

    /// Deletes all objects of the package.
    pub(super) fn remove(self) -> Result<(), Failure> {
        let failed = |error: Error| Failure::with(Path::new(&self.place.shown()), &error);
        let store = self.place.store();
        store.delete(self.place.name()).map_err(failed)?;
        let prefix = self.place.default_prefix();
        for folder in [prefix.clone(), format!("{prefix}heads/")] {
            for object in store.list(&folder).map_err(failed)? {
                store.delete(&object.name).map_err(failed)?;
            }
        }
        let Some((one_file, folder)) = self.one_file else { return Ok(()) };
        if one_file.is_file() {
            std::fs::remove_file(&one_file)?;
        }
        // Failures are ignored, because a leftover folder or lock file does no harm.
        for left in [format!("{prefix}heads"), prefix] {
            let _ = std::fs::remove_dir(folder.join(left));
        }
        let _ = std::fs::remove_file(folder.join(format!(".dacti-lock-{}", self.place.name())));
        Ok(())
    }
}

fn one_file(dest: &Path) -> PathBuf {
    let mut name = dest.as_os_str().to_owned();
    name.push(ONE_FILE);
    name.into()
}

/// Returns the URL of the copy that is one file.
fn with_suffix(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (path, query) = url.split_at_checked(end).unwrap_or((url, ""));
    format!("{path}{ONE_FILE}{query}")
}

fn put_second_version(mut update: Update) -> Result<(), Error> {
    update.put(VERSION, b"2".to_vec())?;
    update.plan()?.apply()
}

/// Opens the package at a URL, and returns the version in it. Also reads the other region.
fn version_at(url: &str, options: &HttpOptions) -> Result<Vec<u8>, Error> {
    let (package, _) = Package::open_url_with(url, options)?;
    package.get(DATA)?;
    package.get(VERSION)
}

/// Sends a request with a new query. Returns a finding if a cache answers it with the old head.
fn past_caches(asker: &HttpAsker, url: &str, head: &[u8]) -> Result<Option<HostFinding>, Failure> {
    let nonce = super::nonce()?;
    let joint = if url.contains('?') { '&' } else { '?' };
    let tagged = format!("{url}{joint}g=0-{nonce:016x}");
    let answer = asker.ask_range(&tagged, Span { start: 0, end: HEAD_LEN }, &[]);
    let answer = answer.map_err(|error| super::failed(&error))?;
    let is_old = answer.body != head;
    Ok(is_old.then(|| HostFinding {
        place: Location::from(url),
        check: HostCheck::Query,
        seen: "ignored: after an update, a new query led to the old head".into(),
        one_file: HostVerdict::Bad,
        in_parts: HostVerdict::Fair,
        set: Some("make the query, at least `g`, part of the cache key".into()),
    }))
}

/// Waits until the package in parts shows the update at a place.
fn in_parts(
    url: &str,
    options: &HttpOptions,
    before: Result<Vec<u8>, Error>,
    patience: Duration,
) -> Result<HostFinding, Failure> {
    let started = Instant::now();
    let mut seen = before;
    while started.elapsed() < patience {
        interrupt::check()?;
        seen = match (seen, version_at(url, options)) {
            (Err(error), _) => Err(error),
            (_, now) => now,
        };
        if !matches!(&seen, Ok(version) if version == b"1") {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    let (seen, in_parts) = match seen {
        Ok(version) if version == b"2" => {
            (format!("in parts: read back after {} s", started.elapsed().as_secs()), None)
        }
        Ok(_) => {
            let seconds = patience.as_secs();
            let set = "shorten the head's lifetime, or purge the head after each update";
            (format!("in parts: not seen within {seconds} s"), Some(set.to_owned()))
        }
        Err(error) => (format!("in parts: {error}"), Some("repair the rows above".into())),
    };
    let verdict = if in_parts.is_some() { HostVerdict::Bad } else { HostVerdict::Good };
    Ok(HostFinding {
        place: Location::from(url),
        check: HostCheck::Update,
        seen,
        one_file: HostVerdict::Good,
        in_parts: verdict,
        set: in_parts,
    })
}

/// Reads the updated file through a cache. The head is read from the first place, so it may refer
/// to bytes that the cache does not have yet.
fn in_place(
    url: &str,
    head_url: Option<String>,
    options: &HttpOptions,
    before: Result<Vec<u8>, Error>,
) -> HostFinding {
    let head_url = head_url.filter(|head| head != url);
    let options = HttpOptions { head_url, ..options.clone() };
    let now = before.and_then(|_| version_at(url, &options));
    let (seen, one_file, set) = match now {
        Ok(version) if version == b"2" => ("read back at once".into(), HostVerdict::Good, None),
        Ok(_) => (
            "still the old version, until the head's lifetime ends".into(),
            HostVerdict::Good,
            None,
        ),
        Err(error) => {
            let set =
                "publish in parts, or let updates wait for this cache: `dacti put --edge URL`";
            (error.to_string(), HostVerdict::Bad, Some(set.into()))
        }
    };
    HostFinding {
        place: Location::from(url),
        check: HostCheck::Update,
        seen: format!("in place: {seen}"),
        one_file,
        in_parts: HostVerdict::Good,
        set,
    }
}
