//! Streams and ranges of the async package. They run on executors other than `tokio`'s, and with a
//! transport that the test implements.

use crate::{Script, Seen, Server, content, options, packed, right};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use dacti::fetch::{Fetching, HttpOptions, Remote, RemoteFile};
use dacti::seal::{SealPolicy, Verdict};
use dacti::{AsyncPackage, Error, ErrorKind, Limits, Package, Span};
use futures_util::{AsyncReadExt, StreamExt};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::Wake;
use std::thread::Thread;

/// A waker that unparks a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread. This is a minimal executor without a runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn a_url_is_read_on_any_executor() {
    let server = Server::start(packed(40, content), Box::new(|seen, _, file| right(seen, file)));
    let expected: Vec<Vec<u8>> = (0..40).map(content).collect();
    // These calls run first without a runtime, and then on both kinds of `tokio` runtime.
    let all = async |url: &str| {
        let package = AsyncPackage::open_url_with(url, &options()).await.expect("it is good");
        assert_eq!(package.get("7.bin").await.expect("it is there"), content(7));
        let paths: Vec<_> = (0..40).map(|n| format!("{n}.bin")).collect();
        let many = package.get_many(paths.iter().map(String::as_str)).await;
        let many: Vec<_> = many.into_iter().map(|got| got.expect("it is there")).collect();
        assert!(many == expected);
        let mut reader = package.reader("3.bin").await.expect("it is there");
        let mut read = Vec::new();
        reader.read_to_end(&mut read).await.expect("it is good");
        assert!(read == content(3));
        assert!(package.get("none").await.is_err_and(|e| e.kind() == ErrorKind::NotFound));
    };
    block_on(all(&server.url));
    let one = tokio::runtime::Builder::new_current_thread().enable_all().build();
    one.expect("it starts").block_on(all(&server.url));
    let many = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    many.expect("it starts").block_on(all(&server.url));
    // One runtime opens the package. The package is then read after that runtime has ended.
    let first = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let first = first.expect("it starts");
    let opened = first.block_on(AsyncPackage::open_url_with(&server.url, &options()));
    drop(first);
    let got = block_on(opened.expect("it is good").get("5.bin"));
    assert_eq!(got.expect("it is there"), content(5));
}

#[test]
fn a_runtime_without_io_gives_an_error_that_says_what_is_needed() {
    let server = Server::start(packed(3, content), Box::new(|seen, _, file| right(seen, file)));
    let bare = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
    let error = bare.block_on(AsyncPackage::open_url_with(&server.url, &options()));
    let error = error.expect_err("it has neither IO nor time");
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("enable_all"), "{error}");
}

/// A transport as a user would write it. It needs no runtime.
#[derive(Debug)]
struct Peer {
    file: RemoteFile,
    bytes: Vec<u8>,
    fetched: Mutex<Vec<Span>>,
    under_way: AtomicUsize,
    most: AtomicUsize,
    /// The number of bytes by which each answer is too short. The head is complete.
    short_by: usize,
}

impl Peer {
    fn new(bytes: Vec<u8>, short_by: usize) -> Arc<Self> {
        let head = bytes[..bytes.len().min(65_536)].to_vec();
        let mut file = RemoteFile::new(head, bytes.len() as u64);
        file.concurrency = 3;
        file.read_len = 100_000;
        let (fetched, under_way, most) = Default::default();
        Arc::new(Self { file, bytes, fetched, under_way, most, short_by })
    }
}

impl Remote for Peer {
    fn file(&self) -> &RemoteFile {
        &self.file
    }

    fn fetch(self: Arc<Self>, span: Span) -> Fetching<Vec<u8>> {
        Box::pin(async move {
            self.fetched.lock().expect("no thread panicked").push(span);
            self.most.fetch_max(self.under_way.fetch_add(1, Relaxed) + 1, Relaxed);
            // This future is pending once, so the executor also polls the other requests.
            let mut polled = false;
            core::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                if core::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            self.under_way.fetch_sub(1, Relaxed);
            let range = span.start as usize..span.end as usize - self.short_by;
            Ok(self.bytes[range].to_vec())
        })
    }
}

#[test]
fn a_transport_of_somebody_elses_reads_packages() {
    let bytes = packed(400, |n| vec![n as u8; 30_000]);
    let peer = Peer::new(bytes.clone(), 0);
    block_on(async {
        let remote = Arc::clone(&peer) as Arc<dyn Remote>;
        let package = AsyncPackage::from_remote(remote, Limits::default()).await;
        let package = package.expect("it is good");
        assert!(peer.fetched.lock().expect("no thread panicked").is_empty(), "the head is there");
        assert_eq!(package.get("9.bin").await.expect("it is there"), vec![9; 30_000]);
        let paths: Vec<_> = (0..400).map(|n| format!("{n}.bin")).collect();
        for (n, got) in package.get_many(paths.iter().map(String::as_str)).await.iter().enumerate()
        {
            assert_eq!(got.as_ref().expect("it is there"), &vec![n as u8; 30_000]);
        }
        assert_eq!(peer.most.load(Relaxed), 3, "as many at once as it allows");
        assert_eq!(package.list().await.expect("it is good").len(), 400);
        assert_eq!(package.stats().requests, 0, "it counts nothing");
    });
    // If the answers of a transport are too short, the reader returns an error. It does not repeat
    // requests for ever.
    let peer = Peer::new(bytes, 1);
    block_on(async {
        let package = AsyncPackage::from_remote(peer as _, Limits::default()).await;
        let error = package.expect("the head is good").get("300.bin").await.expect_err("cut");
        assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
    });
}

/// Opens a package with this transport, which fetches pieces of at most 100,000 bytes.
async fn by_peer(bytes: Vec<u8>) -> (Arc<Peer>, AsyncPackage) {
    let peer = Peer::new(bytes, 0);
    let package = AsyncPackage::from_remote(Arc::clone(&peer) as _, Limits::default()).await;
    (peer, package.expect("it is good"))
}

fn long() -> Vec<u8> {
    (0..500_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 26).to_le_bytes()).collect()
}

#[test]
fn a_stream_is_read_by_chunks_by_either_read_and_as_a_stream() {
    let bytes = packed(1, |_| long());
    block_on(async {
        let (peer, package) = by_peer(bytes.clone()).await;
        let found = package.locate("0.bin").await.expect("it is there");
        let fetches = found.span.len().div_ceil(100_000) as usize;
        let reader = async || package.reader("0.bin").await.expect("it is there");
        let mut by_chunk = Vec::new();
        let mut chunks = reader().await;
        assert_eq!(chunks.verdict(), None);
        while let Some(chunk) = chunks.chunk().await.expect("it is good") {
            assert_eq!(chunks.verdict(), Some(Verdict::Digest), "before the first byte");
            by_chunk.extend(chunk);
        }
        assert!(by_chunk == long());
        assert_eq!(peer.fetched.lock().expect("no thread panicked").len(), fetches, "each once");

        let mut stream = reader().await;
        let mut by_stream = Vec::new();
        while let Some(chunk) = stream.next().await {
            by_stream.extend_from_slice(&chunk.expect("it is good"));
        }
        assert!(by_stream == long());
        assert!(stream.next().await.is_none(), "it has ended");

        let mut by_futures = Vec::new();
        reader().await.read_to_end(&mut by_futures).await.expect("it is good");
        assert!(by_futures == long());

        let mut by_tokio = vec![0; long().len()];
        let (mut reader, mut filled) = (reader().await, 0);
        while filled < by_tokio.len() {
            let mut buf = tokio::io::ReadBuf::new(&mut by_tokio[filled..]);
            core::future::poll_fn(|context| {
                tokio::io::AsyncRead::poll_read(Pin::new(&mut reader), context, &mut buf)
            })
            .await
            .expect("it is good");
            assert!(!buf.filled().is_empty(), "it ended early");
            filled += buf.filled().len();
        }
        assert!(by_tokio == long());

        let mut verified = package.verified_reader("0.bin").await.expect("it has a seal");
        let mut read = Vec::new();
        verified.read_to_end(&mut read).await.expect("it is good");
        assert!(read == long() && verified.verdict() == Some(Verdict::Digest));
        let package = package.require(SealPolicy::Nothing);
        assert!(package.verified_reader("0.bin").await.is_err(), "nothing is checked");
    });
}

#[test]
fn no_byte_of_an_altered_region_comes_from_afar() {
    // spec: R-SEAL-13
    let mut bytes = packed(1, |_| long());
    let found = Package::from_bytes(bytes.clone()).expect("good").locate("0.bin").expect("there");
    bytes[found.span.end as usize - 1] ^= 1;
    block_on(async {
        let (_, package) = by_peer(bytes).await;
        let mut reader = package.reader("0.bin").await.expect("it is there");
        let error = reader.chunk().await.expect_err("its last byte is altered");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let mut stream = package.reader("0.bin").await.expect("it is there");
        assert!(stream.next().await.is_some_and(|chunk| chunk.is_err()));
        assert!(stream.next().await.is_none(), "a stream ends with its error");
        let error = package.range("0.bin", 0..10).await.expect_err("it is altered");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let mut unverified = package.unverified_reader_at(found).expect("it is there");
        assert!(unverified.chunk().await.is_ok_and(|chunk| chunk.is_some()), "it says so");
    });
}

#[test]
fn ranges_come_from_afar() {
    for seals in [true, false] {
        let mut builder = dacti::PackageBuilder::new(dacti::BuildOptions {
            seals,
            encoding: dacti::EncodingChoice::None,
            ..dacti::BuildOptions::default()
        });
        builder.add("a", long()).expect("the path is good");
        let (bytes, _) = builder.build_to_vec().expect("it can be built");
        block_on(async {
            let (peer, package) = by_peer(bytes).await;
            for range in [0..10, 150_000..700_000, 1_999_990..3_000_000, 5..5] {
                let expected = &long()[range.start..range.end.min(2_000_000)];
                let range = range.start as u64..range.end as u64;
                assert!(package.range("a", range).await.expect("it is good") == expected);
            }
            let found = package.locate("a").await.expect("it is there");
            peer.fetched.lock().expect("no thread panicked").clear();
            let got = package.range_at(found, 1_000_000..1_000_100).await.expect("it is good");
            assert!(got == long()[1_000_000..1_000_100]);
            let fetched = peer.fetched.lock().expect("no thread panicked").clone();
            let at = found.span.start;
            // The region was verified before. So the reader fetches only the pieces that have a
            // part of the range.
            let piece = if seals { 983_040..1_048_576 } else { 1_000_000..1_000_100 };
            assert_eq!(fetched, [Span { start: at + piece.start, end: at + piece.end }]);
        });
    }
}

#[test]
fn stale_bytes_are_fetched_again_before_any_comes() {
    // spec: R-HTTP-21
    let wrong: Box<Script> = Box::new(|seen: &Seen, n, file| {
        let mut whole = right(seen, file);
        if n > 0 && !seen.target.contains("?g=0") {
            *whole.last_mut().expect("it is not empty") ^= 1;
        }
        whole
    });
    let server = Server::start(packed(1, |_| long()), wrong);
    let options = HttpOptions { read_len: 100_000, ..options() };
    let got: Result<Vec<u8>, Error> = block_on(async {
        let package = AsyncPackage::open_url_with(&server.url, &options).await?;
        let mut reader = package.reader("0.bin").await?;
        let mut read = Vec::new();
        while let Some(chunk) = reader.chunk().await? {
            read.extend(chunk);
        }
        Ok(read)
    });
    assert!(got.expect("the query helps") == long());
}
