//! Packages in parts in an S3 bucket. The server is a real one on loopback.

use crate::s3_server::{S3, SECRET};
use crate::store::NAME;
use crate::updates::content;
use dacti_tests::program::program;
use dacti_tests::reference::parts::{assemble, is_in_parts};
use hyper::{Method, header};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// The method of a request, its path, and the length of its body.
type Asked = (Method, String, u64);

/// A server with one bucket. Dropping it stops the server.
struct Bucket(S3<Asked>);

impl Bucket {
    fn start() -> Self {
        Self(S3::start(|request| {
            let len = request.headers().get(header::CONTENT_LENGTH);
            let len = len.and_then(|len| len.to_str().ok()?.parse().ok()).unwrap_or(0);
            (request.method().clone(), request.uri().path().to_owned(), len)
        }))
    }

    /// Returns the place of `path` in the folder in which the program runs.
    fn at(&self, path: &str) -> PathBuf {
        self.0.dir.path().join(path)
    }

    /// Runs the program as a job of a build server would: its environment has only the settings of
    /// the store.
    fn dacti(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program());
        command.env_clear().envs(self.0.settings()).current_dir(self.at(""));
        command.args(arguments).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.dacti(arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {err}");
        assert!(!err.contains(SECRET), "{err}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn object(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.object(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.at("in").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

const DEST: &str = "s3://bucket/p.dacti-pack";

#[test]
fn a_bucket_is_updated_by_two_uploads_without_a_local_copy() {
    let bucket = Bucket::start();
    for n in 0..300 {
        bucket.write(&format!("file/{n}"), &content(n, 0));
    }
    bucket.ok(&["pack", "in", "-o", "one", "--encoding", "none"]);
    bucket.ok(&["publish", "one", DEST]);
    let head = bucket.object(NAME);
    assert!(is_in_parts(&head));
    let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    let one = fs::read(bucket.at("one")).unwrap();
    assert_eq!(assemble(&head, &hash, &|name| bucket.object(name)), one);
    // Updates read the published package. They do not need the local file, so the test removes it.
    fs::remove_file(bucket.at("one")).unwrap();
    for (count, version) in [(1, 1), (100, 2), (255, 3)] {
        let mut len = 0;
        for n in 0..count {
            let bytes = content(n, version);
            len += bytes.len() as u64 + 32;
            bucket.write(&format!("new/file/{n}"), &bytes);
        }
        bucket.0.requests();
        bucket.ok(&["put", DEST, "in/new"]);
        let requests = bucket.0.requests();
        let puts: Vec<_> = requests.iter().filter(|(method, ..)| *method == Method::PUT).collect();
        assert_eq!(puts.len(), 2, "{requests:?}");
        let uploaded: u64 = puts.iter().map(|(_, _, len)| *len).sum();
        // All paths are already in the names list, so the names list does not grow.
        assert!(uploaded <= len + 1024 + 65_536, "{uploaded} for {len}");
        let gets = requests.iter().filter(|(method, ..)| *method == Method::GET).count();
        // Four requests are for the plan. One more request checks whether the part already exists.
        assert!(gets <= 5, "{count}: {requests:?}");
        let got = bucket.dacti(&["get", DEST, "file/0"]);
        assert_eq!(got.stdout, content(0, version));
    }
    let file = assemble(&bucket.object(NAME), &hash, &|name| bucket.object(name));
    fs::write(bucket.at("assembled"), file).unwrap();
    bucket.ok(&["verify", "assembled"]);
    bucket.ok(&["verify", DEST]);
    bucket.ok(&["pull", DEST, "copy"]);
    let pulled = fs::read(bucket.at("copy")).unwrap();
    assert_eq!(pulled, fs::read(bucket.at("assembled")).unwrap());
}

#[test]
fn every_verb_works_in_a_bucket() {
    let bucket = Bucket::start();
    for n in 0..5 {
        bucket.write(&format!("file/{n}"), &content(n, 0));
    }
    bucket.ok(&["pack", "in", "-o", "one"]);
    bucket.ok(&["publish", "one", DEST]);
    bucket.ok(&["tag", DEST, "v1.dacti-pack"]);
    bucket.ok(&["rm", DEST, "file/1"]);
    assert_eq!(bucket.ok(&["ls", DEST]).lines().count(), 4);
    fs::remove_file(bucket.at("in/file/2")).unwrap();
    bucket.ok(&["sync", DEST, "in", "--delete"]);
    assert_eq!(bucket.ok(&["ls", DEST]), "file/0\nfile/1\nfile/3\nfile/4\n");
    bucket.ok(&["compact", DEST]);
    assert_eq!(bucket.ok(&["ls", DEST]), "file/0\nfile/1\nfile/3\nfile/4\n");
    let log = bucket.ok(&["log", DEST, "--json"]);
    assert!(log.lines().count() >= 1, "{log}");
    let key = bucket.at("key");
    bucket.ok(&["key", "new", "-o", key.to_str().unwrap()]);
    bucket.ok(&["sign", DEST, "--key", key.to_str().unwrap()]);
    bucket.ok(&["verify", DEST]);
    bucket.ok(&["gc", DEST]);
    bucket.ok(&["tag", "s3://bucket/v1.dacti-pack", NAME, "--replace", "--unsigned"]);
    assert_eq!(bucket.ok(&["ls", DEST]).lines().count(), 5);
    bucket.ok(&["du", DEST]);
    bucket.ok(&["inspect", DEST]);
    bucket.ok(&["diff", DEST, "s3://bucket/v1.dacti-pack"]);
}

#[test]
fn a_bucket_without_the_package_or_the_right_secret_is_told() {
    let bucket = Bucket::start();
    bucket.write("a", b"a");
    bucket.ok(&["pack", "in", "-o", "one"]);
    let failed = |arguments: &[&str], says: &str| {
        let output = bucket.dacti(arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(says), "{err}");
        assert!(!err.contains(SECRET), "{err}");
    };
    failed(&["put", DEST, "in/a"], "holds no package: publish one there first");
    let mut command = Command::new(program());
    let wrong = command
        .env_clear()
        .envs(bucket.0.settings())
        .env("AWS_SECRET_ACCESS_KEY", "another-secret")
        .current_dir(bucket.at(""))
        .args(["publish", "one", DEST])
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(1), "{err}");
    assert!(err.contains("AWS_ACCESS_KEY_ID") && !err.contains("another-secret"), "{err}");
}
