//! Packages of dacti, written and read as any program would do it.

use crate::store::{Look, Reads, Store};
use crate::work::{Key, Work};
use dacti::fetch::{Counted, FileSource};
use dacti::seal::SealPolicy;
use dacti::{
    BuildOptions, Content, EncodingChoice, Error, Limits, Located, Package, PackageBuilder,
};
use dacti_benches::Numbers;
use std::path::Path;
use std::sync::Arc;

/// A store of packages: how they are written and read.
#[derive(Clone, Copy)]
pub struct Dacti {
    pub name: &'static str,
    pub how: &'static str,
    /// Whether packages have digests, which readers then check.
    pub digests: bool,
    /// Whether regions have paths, so that the package has a names list.
    pub paths: bool,
    /// Whether the file is mapped. If it is not, it is read by position.
    pub mapped: bool,
}

impl Dacti {
    fn builder(&self, work: &Work) -> PackageBuilder {
        let options = BuildOptions {
            encoding: EncodingChoice::None,
            seals: self.digests,
            ..BuildOptions::default()
        };
        let mut builder = PackageBuilder::new(options);
        for key in &work.keys {
            let content = Content::shared(&work.content, work.range(key.at)).expect("it is there");
            let added = if self.paths {
                builder.add(key.name(), content)
            } else {
                builder.add(key.id, content)
            };
            added.expect("it can be added");
        }
        builder
    }

    /// Opens the package at `path`. One thread or several threads use it.
    pub fn shared(&self, path: &Path) -> Open {
        let package = if self.mapped { Package::open_mapped(path) } else { Package::open(path) };
        Open { package: self.package(package.expect("it was packed")), paths: self.paths }
    }

    fn package(&self, package: Package) -> Package {
        if self.digests { package } else { package.require(SealPolicy::Nothing) }
    }
}

impl Store for Dacti {
    fn name(&self) -> &'static str {
        self.name
    }

    fn file(&self) -> &'static str {
        match (self.digests, self.paths) {
            (false, false) => "dacti",
            (true, false) => "dacti-digests",
            (_, true) => "dacti-paths",
        }
    }

    fn how(&self) -> &'static str {
        self.how
    }

    fn pack(&self, work: &Work, path: &Path) {
        self.builder(work).build(path).expect("it can be built");
    }

    fn open(&self, path: &Path, with: &mut dyn FnMut(&mut dyn Look)) {
        with(&mut self.shared(path));
    }

    fn cold(&self, path: &Path, key: &Key, out: &mut Vec<u8>) -> Option<Reads> {
        if self.mapped {
            return None;
        }
        let counted = Counted::new(Arc::new(FileSource::open(path).expect("it was packed")));
        let source = Arc::new(counted.clone());
        let package = Package::from_source(source, Limits::default()).expect("it was packed");
        let package = self.package(package);
        assert!(Open { package, paths: self.paths }.copied(key, out), "it is there");
        let stats = counted.stats();
        Some(Reads { reads: stats.reads, bytes: stats.bytes })
    }
}

/// An open package.
pub struct Open {
    package: Package,
    paths: bool,
}

impl Look for Open {
    fn get(&mut self, key: &Key, out: &mut Vec<u8>) -> bool {
        self.copied(key, out)
    }
}

impl Open {
    #[inline]
    pub fn copied(&self, key: &Key, out: &mut Vec<u8>) -> bool {
        if self.paths {
            copied(&self.package, self.package.find(key.name()), out)
        } else {
            copied(&self.package, self.package.find(key.id), out)
        }
    }
}

/// Copies a region, if it was found. This function is always inlined, because the compiler would
/// inline it in a program that has only one look-up in its code. A function call would slow the
/// look-ups down, because it passes the result through memory.
#[inline(always)]
fn copied(package: &Package, found: Result<Option<Located>, Error>, out: &mut Vec<u8>) -> bool {
    let Some(located) = found.expect("the package is sound") else { return false };
    // If the file is mapped, the content is borrowed from the map.
    out.extend_from_slice(&package.region_at(located).expect("the region is sound"));
    true
}

/// Builds a package of `count` regions of a few bytes and one region of 1 KiB. Returns the reads of
/// a cold look-up of the region of 1 KiB.
pub fn one_among(count: usize, dir: &Path) -> Reads {
    let mut numbers = Numbers::new(12);
    let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    let (id, content) = (numbers.id(), vec![7; 1024]);
    builder.add(id, content.clone()).expect("it can be added");
    for _ in 1..count {
        builder.add(numbers.id(), vec![1; 8]).expect("it can be added");
    }
    let path = dir.join("many");
    builder.build(&path).expect("it can be built");
    let counted = Counted::new(Arc::new(FileSource::open(&path).expect("it was built")));
    let source = Arc::new(counted.clone());
    let package = Package::from_source(source, Limits::default()).expect("it was built");
    assert_eq!(package.get(id).expect("it is there"), content);
    let stats = counted.stats();
    Reads { reads: stats.reads, bytes: stats.bytes }
}
