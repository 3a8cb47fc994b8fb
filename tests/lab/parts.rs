//! Publishes a package in parts again and again while eight readers read it through a cache. Some
//! of the caches have settings that break the reading of a package in one file. No reader may get a
//! wrong byte or an error. No publication waits for caches.

use crate::updates::{Over, content, path, read_next, tell};
use dacti::compact::CompactOptions;
use dacti::fetch::HttpOptions;
use dacti::publish::{Place, PublishOptions, publish, tag};
use dacti::update::{Update, UpdateOptions};
use dacti::{BuildOptions, EncodingChoice, Package, PackageBuilder};
use dacti_tests::lab::{Edge, Lab, Lifetimes, Tool, full, missing};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const READERS: usize = 8;
const REGIONS: usize = 12;
const NAME: &str = "p.dacti-pack";
/// Caches keep heads for two seconds, and parts for a year.
const LIFETIMES: Lifetimes = Lifetimes { head: 2, data: 31_536_000 };

/// How a publication gets into the folder that the origin serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deploy {
    /// The publisher writes directly into the folder.
    InPlace,
    /// `rsync -a` copies the parts, and then the head.
    Rsync,
    /// The publication is a git commit, and git checks it out in the folder. git decides the order
    /// of the files.
    Git,
}

/// A kind of cache of the lab, or nginx with these settings.
#[derive(Debug, Clone, Copy)]
enum Cache {
    Lab(Edge),
    Nginx(&'static str, &'static str),
}

/// A cache that leaves out the query when it looks for a stored answer.
const IGNORES_QUERIES: &str = "proxy_cache_path KEPT keys_zone=packages:4m;
server { listen ADDRESS; location / {
    proxy_cache packages; proxy_cache_key $uri; proxy_pass http://ORIGIN$uri;
    proxy_cache_valid 200 206 404 2s; } }";
/// A cache that compares the validators of slices. It ends an answer early if two slices have
/// different validators.
const COMPARES_VALIDATORS: &str = "proxy_cache_path KEPT keys_zone=packages:4m;
server { listen ADDRESS; location / {
    slice 16k; proxy_set_header Range $slice_range; proxy_http_version 1.1;
    proxy_cache packages; proxy_cache_key $uri$is_args$args$slice_range;
    proxy_cache_valid 200 206 2s; proxy_pass http://ORIGIN; } }";
/// An origin whose answers all have validators and a lifetime.
const WITH_VALIDATORS: &str = "server { listen ADDRESS; root ROOT; etag on;
    location / { add_header Cache-Control 'public, max-age=2' always; }
    location ~ \\.parts/ {
        add_header Cache-Control 'public, max-age=31536000, immutable'; } }";

/// The folder of a publisher, in which it publishes the package and its updates.
struct Publisher<'p> {
    place: Place,
    folder: &'p Path,
    www: &'p Path,
    deploy: Deploy,
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

impl Publisher<'_> {
    fn first(&self) {
        let (encoding, share) = (EncodingChoice::None, false);
        let options = BuildOptions { encoding, share, ..BuildOptions::default() };
        let mut builder = PackageBuilder::new(options);
        for region in 0..REGIONS {
            builder.add(path(region).as_str(), content(region, 0)).unwrap();
        }
        for other in 0..3_000 {
            builder.add(format!("others/{other}").as_str(), vec![b'x'; 20]).unwrap();
        }
        let one = self.folder.with_extension("one");
        builder.build(&one).unwrap();
        publish(&Package::open(&one).unwrap(), &self.place, &PublishOptions::default()).unwrap();
        if self.deploy == Deploy::Git {
            self.git(self.folder, &["init", "--quiet"]);
        }
        self.deploy();
    }

    fn put(&self, version: u64) {
        let publish = PublishOptions { archive: true, ..PublishOptions::default() };
        let mut update = Update::at_place(&self.place, UpdateOptions::default(), publish).unwrap();
        for region in 0..REGIONS {
            update.put(path(region).as_str(), content(region, version)).unwrap();
        }
        update.plan().unwrap().apply().unwrap();
        self.deploy();
    }

    fn compact(&self) {
        let one = self.folder.with_extension("compacted");
        let package = dacti::fetch::open_file(self.folder.join(NAME)).unwrap();
        let package = Package::from_source(package, dacti::Limits::default()).unwrap();
        let go_on = &mut |_| std::ops::ControlFlow::Continue(());
        package.compact(&one, &CompactOptions::default(), go_on).unwrap();
        let options = PublishOptions { replace: true, ..PublishOptions::default() };
        publish(&Package::open(&one).unwrap(), &self.place, &options).unwrap();
        fs::remove_file(one).unwrap();
        self.deploy();
    }

    /// Tags the present version, publishes one update, and publishes the tagged version again.
    fn tag_and_roll_back(&self, version: u64) {
        let options = PublishOptions::default();
        let now = tag(&self.place, None, "tagged.dacti-pack", &options).unwrap();
        self.put(version);
        tag(&self.place, Some(now), NAME, &options).unwrap();
        self.deploy();
    }

    fn git(&self, folder: &Path, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=lab", "-c", "user.email=lab@example.org"]);
        run(git.args(arguments).current_dir(folder));
    }

    fn deploy(&self) {
        let (from, to) = (self.folder, self.www);
        match self.deploy {
            Deploy::InPlace => {}
            Deploy::Rsync => {
                let parts = from.join(format!("{NAME}.parts"));
                run(Command::new("rsync").arg("-a").arg(parts).arg(to));
                run(Command::new("rsync").arg("-a").arg(from.join(NAME)).arg(to));
            }
            Deploy::Git => {
                self.git(from, &["add", "--all"]);
                self.git(from, &["commit", "--quiet", "--allow-empty", "-m", "published"]);
                let tree = format!("--work-tree={}", to.display());
                self.git(from, &[&tree, "checkout", "--quiet", "--force", "HEAD", "--", "."]);
            }
        }
    }
}

/// Opens the package again and again, and reads regions by each view.
fn read(url: &str, over: &AtomicBool, seed: usize, read: &AtomicU64) {
    let mut pick = seed;
    while !over.load(Ordering::Relaxed) {
        let mut options = HttpOptions::default();
        options.session.backoff_millis = 5;
        options.session.backoff_millis_max = 100;
        let (package, _) = Package::open_url_with(url, &options).unwrap();
        let mut seen = None;
        for _ in 0..6 {
            let (_, version) = read_next(&package, REGIONS, &mut pick);
            assert_eq!(*seen.get_or_insert(version), version, "half an update");
            read.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn publish_and_read(name: &str, cache: Cache, deploy: Deploy) {
    let tool = match cache {
        Cache::Lab(edge) => edge.tool(),
        Cache::Nginx(..) => Tool::NGINX,
    };
    if missing(&[Tool::NGINX, tool]) {
        return;
    }
    let (mut lab, edge) = match cache {
        Cache::Lab(edge) => {
            let mut lab = Lab::start(LIFETIMES).unwrap();
            let address = lab.edge(edge).unwrap();
            (lab, address)
        }
        Cache::Nginx(origin, settings) => {
            let mut lab = if origin.is_empty() {
                Lab::start(LIFETIMES).unwrap()
            } else {
                Lab::start_with(origin).unwrap()
            };
            let address = lab.edge_with(settings).unwrap();
            (lab, address)
        }
    };
    let _ = &mut lab;
    let www = lab.data();
    let folder = if deploy == Deploy::InPlace { www.clone() } else { lab.scratch("publisher") };
    fs::create_dir_all(&folder).unwrap();
    let place = Place::in_folder(folder.join(NAME)).unwrap();
    let publisher = Publisher { place, folder: &folder, www: &www, deploy };
    publisher.first();
    let updates = match (full(), deploy) {
        (true, Deploy::InPlace) => 200,
        (true, _) => 60,
        (false, _) => 12,
    };
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let url = format!("http://{edge}/{NAME}");
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for reader in 0..READERS {
            let (url, over, count) = (&url, &over, &count);
            scope.spawn(move || {
                let _over = Over(over);
                read(url, over, reader * 1_234_567, count);
            });
        }
        for version in 1..=updates {
            let before = count.load(Ordering::Relaxed);
            publisher.put(version);
            if version == updates / 2 {
                publisher.compact();
                publisher.tag_and_roll_back(version + 1_000);
            }
            // Waits until readers have made 16 more reads, even if the machine is busy.
            while count.load(Ordering::Relaxed) < before + 16 && !over.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        }
    });
    let count = count.load(Ordering::Relaxed);
    assert!(count > updates * 16, "{count} reads");
    tell("parts", &format!("| {name} | {updates} | {count} |"));
}

#[test]
fn parts_through_nginx_with_slices() {
    publish_and_read("nginx, slices of 64 KiB", Cache::Lab(Edge::NginxSlice64k), Deploy::InPlace);
}

#[test]
fn parts_through_nginx_with_whole_objects() {
    publish_and_read("nginx, whole objects", Cache::Lab(Edge::NginxWhole), Deploy::InPlace);
}

#[test]
fn parts_through_varnish_by_ranges() {
    publish_and_read("Varnish, ranges", Cache::Lab(Edge::VarnishRanges), Deploy::InPlace);
}

#[test]
fn parts_through_a_cache_that_ignores_queries() {
    let cache = Cache::Nginx("", IGNORES_QUERIES);
    publish_and_read("nginx that ignores queries", cache, Deploy::InPlace);
}

#[test]
fn parts_through_a_cache_that_keeps_the_first_total_length() {
    publish_and_read("Traffic Server, slices", Cache::Lab(Edge::Ats), Deploy::InPlace);
}

#[test]
fn parts_through_a_cache_that_compares_validators() {
    let cache = Cache::Nginx(WITH_VALIDATORS, COMPARES_VALIDATORS);
    publish_and_read("nginx that compares validators", cache, Deploy::InPlace);
}

#[test]
fn parts_deployed_by_rsync() {
    let cache = Cache::Lab(Edge::NginxSlice64k);
    publish_and_read("rsync -a, nginx with slices", cache, Deploy::Rsync);
}

#[test]
fn parts_deployed_by_git() {
    let cache = Cache::Lab(Edge::NginxSlice64k);
    publish_and_read("git checkout, nginx with slices", cache, Deploy::Git);
}
