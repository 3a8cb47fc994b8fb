//! A real S3 server on loopback. It has one bucket, and records all requests.

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const KEY: &str = "an-access-key";
pub const SECRET: &str = "a-secret-of-ours";

/// A server with one bucket. Dropping it stops the server.
pub struct S3<T> {
    pub dir: TempDir,
    pub endpoint: String,
    seen: Arc<Mutex<Vec<T>>>,
    _runtime: Runtime,
}

/// The S3 service, and the records of the requests: for each request, the value that `note`
/// returned.
struct Noted<T> {
    server: S3Service,
    note: fn(&Request<Incoming>) -> T,
    seen: Arc<Mutex<Vec<T>>>,
}

impl<T> Clone for Noted<T> {
    fn clone(&self) -> Self {
        Self { server: self.server.clone(), note: self.note, seen: Arc::clone(&self.seen) }
    }
}

impl<T> Service<Request<Incoming>> for Noted<T> {
    type Response = <S3Service as Service<Request<Incoming>>>::Response;
    type Error = <S3Service as Service<Request<Incoming>>>::Error;
    type Future = <S3Service as Service<Request<Incoming>>>::Future;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.seen.lock().expect("no thread panicked").push((self.note)(&request));
        Service::call(&self.server, request)
    }
}

impl<T: Send + 'static> S3<T> {
    /// Starts a server. It records what `note` returns for each request.
    pub fn start(note: fn(&Request<Incoming>) -> T) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path().join("s3");
        fs::create_dir_all(root.join("bucket")).expect("there is room");
        let mut service =
            S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).expect("it is there"));
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let seen = Arc::<Mutex<Vec<T>>>::default();
        let service = Noted { server: service.build(), note, seen: Arc::clone(&seen) };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("it starts");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new());
                    // This may fail, because a client can close its connection at any time.
                    let _ = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { dir, endpoint, seen, _runtime: runtime }
    }

    /// Returns the path of the file that holds an object.
    pub fn object(&self, key: &str) -> PathBuf {
        self.dir.path().join("s3/bucket").join(key)
    }

    /// Returns the settings that a client needs to use the server. Their names are names of
    /// environment variables.
    pub fn settings(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT", self.endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Returns the records of all requests since the last call.
    pub fn requests(&self) -> Vec<T> {
        std::mem::take(&mut *self.seen.lock().expect("no thread panicked"))
    }
}
