//! Google Cloud Storage and Azure. Reads packages from a server on loopback that answers like their
//! servers. Also checks the messages for missing credentials.

use crate::{Store, content, packed};
use dacti::fetch::StoreOptions;
use dacti::{ErrorKind, LayoutChoice, Package, PackageBuilder};
use dacti_tests::program::program;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A server that has one object. Dropping it stops the server.
struct Cloud {
    endpoint: String,
    /// The path and the range of each request.
    seen: Arc<Mutex<Vec<(String, String)>>>,
    _runtime: Runtime,
}

impl Cloud {
    /// Starts a server that answers requests for `path`. It reports all other paths as missing.
    fn start(path: &'static str, file: Vec<u8>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("it starts");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port is free");
        let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let world = (Arc::clone(&seen), Arc::new(file));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, file) = world.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let range = request.headers().get("range").map(|range| range.to_str());
                    let range = range.map_or("", |range| range.expect("it is text")).to_owned();
                    let asked = request.uri().path().to_owned();
                    let answer = answer(asked == path, &range, &file);
                    seen.lock().expect("no thread panicked").push((asked, range));
                    async { Ok::<_, Infallible>(answer) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { endpoint, seen, _runtime: runtime }
    }

    fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().expect("no thread panicked").clone()
    }
}

fn answer(is_there: bool, range: &str, file: &[u8]) -> Response<s3s::Body> {
    let range = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let Some((first, last)) = range.filter(|_| is_there) else {
        let none = Response::builder().status(404).body(s3s::Body::from(Vec::new()));
        return none.expect("it is well-formed");
    };
    let first: usize = first.parse().expect("it is a number");
    let last = last.parse::<usize>().expect("it is a number").min(file.len() - 1);
    let answer = Response::builder()
        .status(206)
        .header("content-range", format!("bytes {first}-{last}/{}", file.len()))
        .header("etag", "\"1\"")
        .header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        .body(s3s::Body::from(file[first..=last].to_vec()));
    answer.expect("it is well-formed")
}

#[test]
fn other_stores_are_read_as_s3_is() {
    // spec: R-HTTP-01
    let google = ["GOOGLE_BASE_URL", "GOOGLE_ALLOW_HTTP", "GOOGLE_SKIP_SIGNATURE"];
    let azure = ["AZURE_STORAGE_ENDPOINT", "AZURE_ALLOW_HTTP", "AZURE_SKIP_SIGNATURE"];
    // Google's API escapes all characters in names of objects, except letters and digits.
    for (url, path, names) in [
        ("gs://bucket/dir/p.dacti-pack", "/bucket/dir%2Fp%2Edacti%2Dpack", google),
        ("az://bucket/dir/p.dacti-pack", "/bucket/dir/p.dacti-pack", azure),
    ] {
        let cloud = Cloud::start(path, packed(1_500));
        let values = [&*cloud.endpoint, "true", "true"];
        let mut settings: Vec<_> = names.into_iter().zip(values).collect();
        if url.starts_with("az") {
            settings.push(("AZURE_STORAGE_ACCOUNT_NAME", "account"));
        }
        let settings = settings.into_iter().map(|(name, value)| (name.into(), value.into()));
        let settings = settings.collect();
        let options = StoreOptions { settings, retries_max: 0, ..StoreOptions::default() };
        let (package, source) = Package::open_store_with(url, &options).expect("it is good");
        assert_eq!(package.get("1234.bin").expect("it is there"), content(1234));
        let span = package.locate("1234.bin").expect("it is there").span;
        // The reader must request the region together with its seal.
        let range = format!("bytes={}-{}", span.start, span.end + 32 - 1);
        let asked = ["bytes=0-65535".to_owned(), range].map(|range| (path.to_owned(), range));
        assert_eq!(cloud.seen(), asked);
        assert_eq!(source.stats().requests, 2);
        let missing = Package::open_store_with(&format!("{url}.old"), &options);
        let error = missing.expect_err("it is not there");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    }
}

/// Runs the program. Its environment has only these settings.
fn get(url: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|store| name.starts_with(store)) {
            command.env_remove(name);
        }
    }
    command.args(["get", url, "0.bin", "--timeout", "10"]);
    command.envs(environment.iter().copied()).output().expect("it runs")
}

#[test]
fn without_credentials_it_is_said_what_to_set() {
    // No server listens at this address. So no machine can get credentials from it.
    let nobody = "127.0.0.1:1";
    let metadata = format!("http://{nobody}");
    let google = [("GCE_METADATA_HOST", nobody), ("GCE_METADATA_IP", nobody), ("HOME", "/nowhere")];
    type Environment<'e> = &'e [(&'e str, &'e str)];
    let cases: [(&str, Environment<'_>, &str); 3] = [
        ("az://container/p", &[], "AZURE_STORAGE_ACCOUNT_NAME"),
        ("gs://bucket/p", &google, "GOOGLE_SERVICE_ACCOUNT"),
        ("s3://bucket/p", &[("AWS_METADATA_ENDPOINT", &metadata)], "AWS_ACCESS_KEY_ID"),
    ];
    for (url, environment, says) in cases {
        let output = get(url, environment);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(url) && told.contains(says), "{told}");
    }
}

#[test]
fn an_object_shorter_than_a_head_is_complete() {
    // spec: R-HTTP-60
    let store = Store::start();
    let options = dacti::BuildOptions { layout: LayoutChoice::Compact, ..Default::default() };
    let mut builder = PackageBuilder::new(options);
    builder.add("hello.txt", b"Hello.\n".to_vec()).expect("the path is good");
    builder.build(store.object("p")).expect("it can be built");
    let len = std::fs::metadata(store.object("p")).expect("it was written").len();
    assert!(len < 65_536, "{len}");
    let (package, source) = store.open("p").expect("it is good");
    assert_eq!(package.get("hello.txt").expect("it is there"), b"Hello.\n");
    assert_eq!((package.view().len(), source.stats().bytes), (len, len));
    assert_eq!(store.ranges(), ["bytes=0-65535"]);
}
