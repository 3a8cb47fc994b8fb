//! The requests and bytes that `dacti get` needs for one region, with a real nginx. The numbers
//! that the program prints must be those that a relay counts between program and server.

use dacti::{BuildOptions, EncodingChoice, PackageBuilder};
use dacti_tests::lab::{Edge, Lab, Lifetimes, Tool, full, missing};
use dacti_tests::program::program;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const HEAD: u64 = 65_536;
/// The length of a region of 1 KiB with its digest.
const REGION: u64 = 1_024 + 32;

/// The requests and bytes that have passed a [`Relay`].
#[derive(Debug, Default)]
struct Wire {
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// A relay between clients and a server. It counts the requests, and the bytes of the answers.
pub(super) struct Relay {
    address: SocketAddr,
    wire: Arc<Wire>,
}

impl Relay {
    pub(super) fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, wire) = (listener.local_addr().unwrap(), Arc::<Wire>::default());
        let counted = Arc::clone(&wire);
        // The thread ends when the process of the test ends.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(server)) else { return };
                let ways = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (asked, sent) = (Arc::clone(&counted), Arc::clone(&counted));
                std::thread::spawn(move || hand_on(client, server, |bytes| asked.asked(bytes)));
                std::thread::spawn(move || hand_on(ways.1, ways.0, |bytes| sent.sent(bytes)));
            }
        });
        Self { address, wire }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of requests, and the number of bytes of answers, since the last call.
    pub(super) fn take(&self) -> (u64, u64) {
        let Wire { requests, bytes } = &*self.wire;
        (requests.swap(0, Ordering::SeqCst), bytes.swap(0, Ordering::SeqCst))
    }
}

impl Wire {
    /// Counts the requests in `bytes`. This works because the program sends each request in one
    /// piece, and without a body.
    fn asked(&self, bytes: &[u8]) {
        let starts = bytes.windows(5).filter(|window| window == b"GET /").count();
        self.requests.fetch_add(starts as u64, Ordering::SeqCst);
    }

    fn sent(&self, bytes: &[u8]) {
        self.bytes.fetch_add(bytes.len() as u64, Ordering::SeqCst);
    }
}

fn hand_on(mut from: TcpStream, mut to: TcpStream, count: impl Fn(&[u8])) {
    let mut piece = vec![0; 65_536];
    let copied: io::Result<()> = (|| {
        loop {
            let read = from.read(&mut piece)?;
            if read == 0 {
                return Ok(());
            }
            // Counts the bytes before forwarding them. So the count is complete when the other side
            // has received them.
            count(&piece[..read]);
            to.write_all(&piece[..read])?;
        }
    })();
    // One side has closed its connection, so the relay also closes the connection to the other
    // side.
    drop(copied);
    let _ = to.shutdown(Shutdown::Write);
}

fn content(n: usize, len: usize) -> Vec<u8> {
    let mut content = format!("{n:07} ").into_bytes();
    content.resize(len, b'a' + (n % 26) as u8);
    content
}

/// Packs `regions` regions. The first one is hot. One other region has 1,024 bytes, and all others
/// have `len` bytes.
fn pack(at: &Path, regions: usize, len: usize) {
    let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    builder.add_hot("hot.txt", b"in the head".to_vec()).unwrap();
    for n in 1..regions {
        let len = if n == regions / 3 { 1_024 } else { len };
        builder.add(format!("region/{n:07}").as_str(), content(n, len)).unwrap();
    }
    builder.build(at).unwrap();
}

/// Runs `dacti get --stats`, with no state from earlier runs. Returns the content, and the numbers
/// of requests and bytes that the program prints.
fn get(relay: &Relay, path: &str) -> (Option<Vec<u8>>, u64, u64) {
    let url = format!("http://{}/p.dacti-pack", relay.address);
    let output = Command::new(program()).args(["get", &url, path, "--stats"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let number = |unit: &str| {
        let words: Vec<_> = said.split([' ', ',']).collect();
        let at = words.iter().position(|word| *word == unit).unwrap_or_else(|| panic!("{said}"));
        words[..at].iter().rev().find_map(|word| word.parse::<u64>().ok()).unwrap()
    };
    let (requests, bytes) = (number("requests"), number("bytes"));
    (output.status.success().then_some(output.stdout), requests, bytes)
}

/// Gets `path`, and checks that the printed costs are the counted ones.
#[track_caller]
fn check(relay: &Relay, path: &str, expected: Option<&[u8]>, requests: u64, bytes_max: u64) {
    relay.take();
    let (found, told, bytes) = get(relay, path);
    let (asked, sent) = relay.take();
    assert!(found.as_deref() == expected, "{path}");
    assert_eq!((told, asked), (requests, requests), "requests for {path}");
    assert!(bytes <= bytes_max, "{bytes} bytes for {path}, not {bytes_max}");
    // The bytes that the relay counts include the header of each answer, which takes less than 1
    // KiB.
    assert!((bytes..bytes + 1_024 * requests).contains(&sent), "{bytes} bytes told, {sent} sent");
    eprintln!("{path}: {requests} requests, {bytes} bytes");
}

/// Checks the row for `regions` regions in the table of costs in `docs/performance.md`.
fn counts(regions: usize, len: usize, requests: u64, bytes_max: u64) {
    if missing(&[Tool::NGINX]) {
        return;
    }
    let mut lab = Lab::start(Lifetimes { head: 2, data: 3600 }).unwrap();
    pack(&lab.data().join("p.dacti-pack"), regions, len);
    let slices = lab.edge(Edge::NginxSlice1m).unwrap();
    let whole = lab.edge(Edge::NginxWhole).unwrap();
    let n = regions / 3;
    for server in [lab.origin(), slices, whole] {
        let relay = Relay::start(server);
        let asked_for = format!("region/{n:07}");
        check(&relay, &asked_for, Some(&content(n, 1_024)), requests, bytes_max);
        check(&relay, "hot.txt", Some(b"in the head"), 1, HEAD);
        // To know that a region is missing, the program needs only the head, or the head and one
        // block of the index.
        check(&relay, "no such region", None, requests - 1, bytes_max - REGION);
    }
}

#[test]
fn a_region_of_a_thousand_takes_two_requests() {
    counts(1_000, 1_024, 2, HEAD + REGION);
}

#[test]
fn a_region_of_fifteen_hundred_takes_two_requests() {
    counts(1_500, 1_024, 2, HEAD + REGION);
}

#[test]
fn a_region_of_a_hundred_thousand_takes_three_requests() {
    counts(100_000, 64, 3, 75_000);
}

#[test]
fn a_region_of_a_million_takes_three_requests() {
    if full() {
        counts(1_000_000, 64, 3, 90_000);
    }
}
