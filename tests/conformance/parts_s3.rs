//! Packages in parts in an S3 bucket, by a real server on loopback.

use crate::store::NAME;
use crate::updates::content;
use dacti_tests::program::program;
use dacti_tests::reference::parts::{assemble, is_in_parts};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Method, Request, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::fs;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A request: its method, its path, and the length of its body.
type Seen = Arc<Mutex<Vec<(Method, String, u64)>>>;

/// A store with one bucket, stopped when this is dropped.
struct Bucket {
    dir: TempDir,
    endpoint: String,
    seen: Seen,
    _runtime: Runtime,
}

#[derive(Clone)]
struct Noted {
    server: S3Service,
    seen: Seen,
}

impl Service<Request<Incoming>> for Noted {
    type Response = <S3Service as Service<Request<Incoming>>>::Response;
    type Error = <S3Service as Service<Request<Incoming>>>::Error;
    type Future = <S3Service as Service<Request<Incoming>>>::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let len = request.headers().get(header::CONTENT_LENGTH);
        let len = len.and_then(|len| len.to_str().ok()?.parse().ok()).unwrap_or(0);
        let seen = (request.method().clone(), request.uri().path().to_owned(), len);
        self.seen.lock().unwrap().push(seen);
        Service::call(&self.server, request)
    }
}

const KEY: &str = "an-access-key";
const SECRET: &str = "a-secret-of-ours";

impl Bucket {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("s3/bucket")).unwrap();
        let files = s3s_fs::FileSystem::new(dir.path().join("s3")).unwrap();
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let seen = Seen::default();
        let service = Noted { server: service.build(), seen: Arc::clone(&seen) };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new());
                    // The other side may go at any time.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { dir, endpoint, seen, _runtime: runtime }
    }

    /// Runs the program as a job of a build server does: with the binary and the environment alone.
    fn dacti(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program());
        command.env_clear().envs([
            ("AWS_ENDPOINT", self.endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ]);
        command.current_dir(self.dir.path()).args(arguments).output().unwrap()
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.dacti(arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {err}");
        assert!(!err.contains(SECRET), "{err}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The requests since the last look.
    fn requests(&self) -> Vec<(Method, String, u64)> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    fn object(&self, name: &str) -> Vec<u8> {
        fs::read(self.dir.path().join("s3/bucket").join(name))
            .unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.dir.path().join("in").join(name);
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
    let one = fs::read(bucket.dir.path().join("one")).unwrap();
    assert_eq!(assemble(&head, &hash, &|name| bucket.object(name)), one);
    // The file is not needed any more.
    fs::remove_file(bucket.dir.path().join("one")).unwrap();
    for (count, version) in [(1, 1), (100, 2), (255, 3)] {
        let mut len = 0;
        for n in 0..count {
            let bytes = content(n, version);
            len += bytes.len() as u64 + 32;
            bucket.write(&format!("new/file/{n}"), &bytes);
        }
        bucket.requests();
        bucket.ok(&["put", DEST, "in/new"]);
        let requests = bucket.requests();
        let puts: Vec<_> = requests.iter().filter(|(method, ..)| *method == Method::PUT).collect();
        assert_eq!(puts.len(), 2, "{requests:?}");
        let uploaded: u64 = puts.iter().map(|(_, _, len)| *len).sum();
        // The names list grows by nothing, because the paths are there.
        assert!(uploaded <= len + 1024 + 65_536, "{uploaded} for {len}");
        let gets = requests.iter().filter(|(method, ..)| *method == Method::GET).count();
        // Four for the plan, and a look whether the part is there.
        assert!(gets <= 5, "{count}: {requests:?}");
        let got = bucket.dacti(&["get", DEST, "file/0"]);
        assert_eq!(got.stdout, content(0, version));
    }
    let file = assemble(&bucket.object(NAME), &hash, &|name| bucket.object(name));
    fs::write(bucket.dir.path().join("assembled"), file).unwrap();
    bucket.ok(&["verify", "assembled"]);
    bucket.ok(&["verify", DEST]);
    bucket.ok(&["pull", DEST, "copy"]);
    let pulled = fs::read(bucket.dir.path().join("copy")).unwrap();
    assert_eq!(pulled, fs::read(bucket.dir.path().join("assembled")).unwrap());
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
    fs::remove_file(bucket.dir.path().join("in/file/2")).unwrap();
    bucket.ok(&["sync", DEST, "in", "--delete"]);
    assert_eq!(bucket.ok(&["ls", DEST]), "file/0\nfile/1\nfile/3\nfile/4\n");
    bucket.ok(&["compact", DEST]);
    assert_eq!(bucket.ok(&["ls", DEST]), "file/0\nfile/1\nfile/3\nfile/4\n");
    let log = bucket.ok(&["log", DEST, "--json"]);
    assert!(log.lines().count() >= 1, "{log}");
    let key = bucket.dir.path().join("key");
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
        .envs([
            ("AWS_ENDPOINT", bucket.endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", "another-secret"),
        ])
        .current_dir(bucket.dir.path())
        .args(["publish", "one", DEST])
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(1), "{err}");
    assert!(err.contains("AWS_ACCESS_KEY_ID") && !err.contains("another-secret"), "{err}");
}
