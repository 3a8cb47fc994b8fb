//! Packages in object stores: a real S3 server on loopback, folders, and servers that answer like
//! Google's and Azure's stores.

mod s3_server;
mod store_clouds;

use dacti::dar::{Archive, DarSource};
use dacti::fetch::RemoteSource;
use dacti::fetch::StoreOptions;
use dacti::update::{Update, UpdateOptions};
use dacti::{
    AsyncPackage, BuildOptions, EncodingChoice, Error, ErrorKind, Package, PackageBuilder,
};
use dacti_dar::unixfs::Item;
use dacti_dar::{BlockStore, Cid, ReadError, WriteOptions, Writer, write_dag};
use dacti_tests::program::program;
use hyper::{Method, header};
use s3_server::{S3, SECRET};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

/// The method of a request, and its range if any.
type Asked = (Method, Option<String>);

/// An S3 store with one bucket. Dropping it stops its server.
struct Store(S3<Asked>);

impl Store {
    fn start() -> Self {
        Self(S3::start(|request| {
            let range = request.headers().get(header::RANGE);
            let range = range.map(|range| range.to_str().expect("it is text").to_owned());
            (request.method().clone(), range)
        }))
    }

    fn object(&self, key: &str) -> PathBuf {
        self.0.object(key)
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        // Replaces the whole object in one step, as a real store does.
        let next = self.0.dir.path().join("next");
        fs::write(&next, bytes).expect("there is room");
        fs::rename(next, self.object(key)).expect("it is replaced");
    }

    fn options(&self) -> StoreOptions {
        StoreOptions { settings: self.0.settings(), retries_max: 0, ..StoreOptions::default() }
    }

    fn open(&self, key: &str) -> Result<(Package, Arc<RemoteSource>), Error> {
        Package::open_store_with(&format!("s3://bucket/{key}"), &self.options())
    }

    /// Returns the requested ranges since the last call.
    fn ranges(&self) -> Vec<String> {
        let range = |(method, range): Asked| {
            assert_eq!(method, Method::GET);
            range.expect("never a whole object")
        };
        self.0.requests().into_iter().map(range).collect()
    }

    /// Runs the program with the settings that it needs to use the store.
    fn dacti(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program());
        command.envs(self.0.settings()).args(arguments).output().expect("it runs")
    }
}

fn content(n: usize) -> Vec<u8> {
    (0..500 + n % 700).map(|i| ((i * i) >> 3) as u8 ^ (n as u8)).collect()
}

fn build(at: &Path, regions: usize, hot: Option<&str>) {
    let hot = hot.map(|hot| (hot.to_owned(), content(1)));
    let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    for n in 0..regions {
        builder.add(format!("{n}.bin"), content(n)).expect("the path is good");
    }
    if let Some((path, content)) = hot {
        builder.add_hot(path, content).expect("the path is good");
    }
    builder.build(at).expect("it can be built");
}

fn packed(regions: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    build(&dir.path().join("p"), regions, None);
    fs::read(dir.path().join("p")).expect("it was written")
}

#[test]
fn a_region_takes_as_many_requests_as_over_http() {
    // spec: R-HTTP-01, R-HTTP-60
    let store = Store::start();
    for (regions, requests) in [(1_500, 2), (20_000, 3)] {
        store.put("p", &packed(regions));
        let (package, source) = store.open("p").expect("it is good");
        assert_eq!(package.get("1234.bin").expect("it is there"), content(1234));
        let ranges = store.ranges();
        assert_eq!((ranges.len(), source.stats().requests), (requests, requests as u64));
        assert_eq!(ranges[0], "bytes=0-65535");
        let located = package.locate("1234.bin").expect("it is there").span;
        let last = located.end + 32 - 1;
        assert_eq!(ranges[requests - 1], format!("bytes={}-{last}", located.start));
        assert_eq!(package.find("no such").expect("it is sound"), None);
        assert!(store.ranges().len() <= 1);
    }
    build(&store.object("hot"), 100, Some("hot.bin"));
    let (package, _) = store.open("hot").expect("it is good");
    assert_eq!(package.get("hot.bin").expect("it is in the head"), content(1));
    assert_eq!(store.ranges().len(), 1);
}

#[test]
fn many_regions_come_by_few_requests_and_async_ones_too() {
    // spec: R-HTTP-03
    let store = Store::start();
    store.put("p", &packed(1_000));
    let (package, source) = store.open("p").expect("it is good");
    let paths: Vec<_> = (0..1_000).map(|n| format!("{n}.bin")).collect();
    for (n, got) in package.get_many(paths.iter().map(String::as_str)).into_iter().enumerate() {
        assert_eq!(got.expect("it is there"), content(n));
    }
    assert!(store.ranges().len() <= 3, "{:?}", source.stats());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("it starts").block_on(async {
        let package = AsyncPackage::open_store_with("s3://bucket/p", &store.options()).await;
        let package = package.expect("it is good");
        assert_eq!(package.get("77.bin").await.expect("it is there"), content(77));
        let many = package.get_many(paths.iter().map(String::as_str)).await;
        assert!(many.into_iter().zip(0..).all(|(got, n)| got.ok() == Some(content(n))));
        assert!(package.stats().requests <= 5, "{:?}", package.stats());
    });
}

#[test]
fn an_archive_is_read_by_the_same_ranges_as_over_http() {
    // spec: R-HTTP-60
    let store = Store::start();
    let blocks: Vec<Vec<u8>> = (0..300_u32).map(|n| n.to_le_bytes().repeat(1_000)).collect();
    let cid = |n: usize| Item::leaf(&blocks[n]).cid;
    let options = WriteOptions { index: true, ..WriteOptions::default() };
    let mut writer = Writer::with_options(Vec::new(), &options).expect("a vector takes it");
    for (n, block) in blocks.iter().enumerate() {
        write_dag(&mut writer, &cid(n), &mut Only(block)).expect("it is one block");
    }
    store.put("x.dar", &writer.finish().expect("it is sound").0);
    let (source, remote) =
        DarSource::open_store("s3://bucket/x.dar", &store.options()).expect("it is there");
    let archive = Archive::open(source).expect("it is sound");
    assert_eq!(archive.get(&cid(234)).expect("it is sound").as_ref(), Some(&blocks[234]));
    let stats = remote.stats();
    assert!(stats.requests <= 4 && stats.bytes <= 4 << 16, "{stats:?}");
    assert_eq!(store.ranges()[0], "bytes=0-65535");
    let summary = archive.into_stream().expect("it is sound").verify().expect("it is sound");
    assert_eq!(summary.blocks, 300);
}

/// A block store that returns the same block for every CID.
struct Only<'b>(&'b [u8]);

impl BlockStore for Only<'_> {
    fn get(&mut self, _: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        into.extend(self.0);
        Ok(true)
    }
}

#[test]
fn what_is_not_there_or_denied_is_told_with_what_to_do() {
    let store = Store::start();
    store.put("p", &packed(3));
    let failed = |url: &str, settings: &[(&str, &str)]| {
        let mut options = store.options();
        options.settings.extend(settings.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())));
        let error = Package::open_store_with(url, &options).expect_err(url);
        let text = error.to_string();
        assert!(!text.contains(SECRET) && !text.contains("wrong-secret"), "{text}");
        (error.kind(), text)
    };
    let (kind, text) = failed("s3://bucket/other", &[]);
    assert_eq!(kind, ErrorKind::NotFound, "{text}");
    assert!(text.contains("s3://bucket/other"), "{text}");
    assert_eq!(failed("s3://no-such-bucket/p", &[]).0, ErrorKind::NotFound);
    let wrong = [("AWS_SECRET_ACCESS_KEY", "wrong-secret")];
    let (kind, text) = failed("s3://bucket/p", &wrong);
    assert_eq!(kind, ErrorKind::Denied, "{text}");
    assert!(text.contains("AWS_SECRET_ACCESS_KEY"), "{text}");
    let (kind, text) = failed("s3://bucket/p", &[("AWS_SKIP_SIGNATURE", "true")]);
    assert_eq!(kind, ErrorKind::Denied, "{text}");
    let (kind, text) = failed("s3://bucket/p", &[("AWS_ENDPOINT", "http://127.0.0.1:1")]);
    assert_eq!(kind, ErrorKind::Unavailable, "{text}");
    assert!(text.contains("AWS_ENDPOINT"), "{text}");
    let (kind, text) = failed("s3://bucket/p", &[("AWS_NO_SUCH_SETTING", "x")]);
    assert_eq!(kind, ErrorKind::Misuse, "{text}");
    for (bytes, says) in [(&b""[..], "ends at"), (b"no package", "not a daicon container")] {
        store.put("odd", bytes);
        let error = store.open("odd").expect_err("it is none");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn a_budget_ends_in_an_error() {
    // spec: R-HTTP-50
    let store = Store::start();
    store.put("p", &packed(3));
    for options in [
        StoreOptions { requests_max: 1, ..store.options() },
        StoreOptions { bytes_max: 65_600, ..store.options() },
    ] {
        let (package, source) = Package::open_store_with("s3://bucket/p", &options).expect("good");
        let error = package.get("1.bin").expect_err("that is too much");
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
        assert_eq!((source.stats().requests, source.stats().bytes), (1, 65_536));
    }
    let options = StoreOptions { bytes_max: 1000, ..store.options() };
    let error = Package::open_store_with("s3://bucket/p", &options).expect_err("no head");
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
}

#[test]
fn a_view_goes_on_when_the_object_grows_and_ends_when_it_is_another() {
    // spec: R-HTTP-11, R-HTTP-32, R-HTTP-61, R-HTTP-62, R-HTTP-63, R-CDN-32
    let store = Store::start();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("p");
    build(&path, 3, None);
    store.put("p", &fs::read(&path).expect("it was built"));
    let (old, _) = store.open("p").expect("it is good");
    let mut update = Update::open(&path, UpdateOptions::default()).expect("it is good");
    update.put("1.bin", content(600)).expect("the path is good");
    update.plan().expect("there is room").apply().expect("it is written");
    store.put("p", &fs::read(&path).expect("it was updated"));
    assert_eq!(old.get("1.bin").expect("its bytes are where they were"), content(1));
    let (new, _) = store.open("p").expect("it is good");
    assert_eq!(new.get("1.bin").expect("it is there"), content(600));
    // Builds another package. Its regions have the same lengths and different bytes.
    let other = dir.path().join("other");
    let mut builder = PackageBuilder::new(BuildOptions {
        encoding: EncodingChoice::None,
        share: false,
        ..BuildOptions::default()
    });
    for n in 0..3 {
        builder.add(format!("{n}.bin"), vec![9; content(n).len()]).expect("the path is good");
    }
    builder.build(&other).expect("it can be built");
    store.put("p", &fs::read(&other).expect("it was built"));
    let error = old.get("2.bin").expect_err("these are not its bytes");
    assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
    // A damaged object must not be reported as another package.
    let (package, source) = store.open("p").expect("it is good");
    let mut bytes = fs::read(&other).expect("it was built");
    let at = package.locate("0.bin").expect("it is there").span.start;
    bytes[usize::try_from(at).unwrap()] ^= 1;
    store.put("p", &bytes);
    let error = package.get("0.bin").expect_err("it is damaged");
    assert_eq!(error.kind(), ErrorKind::Stale, "{error}");
    assert!(error.to_string().contains("read twice"), "{error}");
    assert_eq!(source.stats().retries, 1);
    bytes.truncate(65_536);
    store.put("p", &bytes);
    let error = package.get("1.bin").expect_err("it was cut");
    assert!(matches!(error.kind(), ErrorKind::Stale | ErrorKind::Unavailable), "{error}");
}

#[test]
fn heads_may_come_from_a_copy() {
    let store = Store::start();
    let bytes = packed(3);
    store.put("p", &bytes);
    store.put("p.head", &bytes[..65_536]);
    let head_url = Some("s3://bucket/p.head".to_owned());
    let options = StoreOptions { head_url, ..store.options() };
    let (package, source) = Package::open_store_with("s3://bucket/p", &options).expect("good");
    assert_eq!(package.get("2.bin").expect("it is there"), content(2));
    assert_eq!(source.stats().requests, 2);
}

#[test]
fn the_program_reads_from_stores() {
    let store = Store::start();
    store.put("p", &packed(40));
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let url = "s3://bucket/p";
    let got = store.dacti(&["get", url, "7.bin", "--stats"]);
    assert_eq!(got.stdout, content(7), "{got:?}");
    let told = String::from_utf8_lossy(&got.stderr).into_owned();
    assert!(told.contains("2 requests, "), "{told}");
    let listed = store.dacti(&["ls", url]);
    assert_eq!(text(&listed).lines().count(), 40, "{listed:?}");
    for verb in ["inspect", "verify", "du"] {
        let output = store.dacti(&[verb, url]);
        assert!(output.status.success(), "{output:?}");
    }
    let to = store.0.dir.path().join("unpacked");
    let shown = to.to_str().expect("it is text");
    assert!(store.dacti(&["unpack", url, "-C", shown]).status.success());
    assert_eq!(fs::read(to.join("39.bin")).expect("it was written"), content(39));
    let file = store.object("p");
    let plain = format!("file://{}", file.display());
    let differ = store.dacti(&["diff", url, &plain]);
    assert!(differ.status.success(), "{differ:?}");
    let got = store.dacti(&["get", &plain, "7.bin"]);
    assert_eq!(got.stdout, content(7), "{got:?}");
    let spent = store.dacti(&["get", url, "7.bin", "--max-requests", "1"]);
    assert_eq!(spent.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&spent.stderr).contains("requests is spent"), "{spent:?}");
    let header = store.dacti(&["get", url, "7.bin", "--header", "Authorization: secret"]);
    assert_eq!(header.status.code(), Some(2), "it would change nothing");
    let told = String::from_utf8_lossy(&header.stderr).into_owned();
    assert!(told.contains("--header is for http") && !told.contains("secret"), "{told}");
    let missing = store.dacti(&["get", "s3://bucket/none", "7.bin"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("s3://bucket/none"), "{missing:?}");
}
