//! `dacti serve` under load: compares its speed with that of nginx for the same file. Also reads
//! from a server that is killed again and again.

use dacti::fetch::HttpOptions;
use dacti::{BuildOptions, EncodingChoice, Package, PackageBuilder};
use dacti_tests::http::ask;
use dacti_tests::lab::{Lab, Lifetimes, Tool, full, missing};
use dacti_tests::program::program;
use dacti_tests::served::Served;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const LEN: usize = 4 << 20;

fn content() -> Vec<u8> {
    bytes(0..LEN)
}

fn bytes(span: Range<usize>) -> Vec<u8> {
    span.map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

/// Requests random ranges with 64 connections. Returns the number of answers per second.
fn load(at: &str, script: &Path) -> f64 {
    let seconds = if full() { "30s" } else { "3s" };
    let mut wrk = Tool::WRK.command().unwrap();
    wrk.args(["-t", "1", "-c", "64", "-d", seconds, "-s"]).arg(script);
    let output = wrk.arg(format!("http://{at}/file")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!said.contains("Non-2xx") && !said.contains("Socket errors"), "{said}");
    let rate = said.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.unwrap_or_else(|| panic!("{said}")).trim().parse().unwrap()
}

#[test]
fn serve_answers_64_connections_without_an_error() {
    if missing(&[Tool::NGINX, Tool::WRK]) {
        return;
    }
    let lab = Lab::start(Lifetimes { head: 2, data: 3600 }).unwrap();
    fs::write(lab.data().join("file"), content()).unwrap();
    let served = Served::start(&lab.data(), &[]);
    for len in [1024, 65_536] {
        let script = lab.data().join("ranges.lua");
        let last = LEN - len;
        let code = format!(
            "request = function()\n\
             local at = math.random(0, {last})\n\
             local range = 'bytes=' .. at .. '-' .. (at + {len} - 1)\n\
             return wrk.format('GET', '/file', {{ ['Range'] = range }})\n\
             end\n"
        );
        fs::write(&script, code).unwrap();
        let nginx = load(&lab.origin().to_string(), &script);
        let serve = load(&served.address, &script);
        // Other programs on the machine change this number, so it is only printed.
        eprintln!(
            "ranges of {len} bytes: dacti serve {serve:.0} a second, nginx {nginx:.0}: {:.2} x",
            serve / nginx
        );
    }
}

const REGIONS: usize = 16;

fn region(n: usize) -> Vec<u8> {
    bytes(n * 1_000..n * 9_000 + 300_000)
}

/// The results of the readers, while their server was killed again and again.
#[derive(Debug, Default)]
struct Read {
    right: AtomicU64,
    failed: AtomicU64,
}

/// Reads regions with the program or with the library. A read may fail while the server does not
/// answer. But all bytes that it returns must be right.
fn read_package(url: &str, by_program: bool, over: &AtomicBool, read: &Read) {
    let mut n = usize::from(by_program);
    while !over.load(Ordering::Relaxed) {
        n = (n * 5 + 3) % REGIONS;
        let got = if by_program {
            let output = Command::new(program()).args(["get", url, &n.to_string()]).output();
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            // If the run succeeds, its output is the whole content. If it fails, its output is the
            // first bytes of the content.
            assert!(region(n).starts_with(&output.stdout), "wrong bytes of {n}: {said}");
            assert!(output.status.success() || said.contains("error: "), "{said}");
            output.status.success().then_some(output.stdout)
        } else {
            let options = HttpOptions::default();
            let opened = Package::open_url_with(url, &options);
            opened.and_then(|(package, _)| package.get(n.to_string().as_str())).ok()
        };
        match got {
            Some(bytes) => {
                assert!(bytes == region(n), "wrong bytes of {n}");
                read.right.fetch_add(1, Ordering::Relaxed);
            }
            None => drop(read.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

#[test]
fn a_server_that_is_killed_sends_no_wrong_byte() {
    let dir = tempfile::tempdir().unwrap();
    let content = content();
    fs::write(dir.path().join("file"), &content).unwrap();
    let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    for n in 0..REGIONS {
        builder.add(format!("{n}").as_str(), region(n)).unwrap();
    }
    builder.build(dir.path().join("p.dacti-pack")).unwrap();
    let mut served = Some(Served::start(dir.path(), &[]));
    let address = served.as_ref().unwrap().address.clone();
    let url = format!("http://{address}/p.dacti-pack");
    let (over, right, failed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let read = Read::default();
    std::thread::scope(|scope| {
        for reader in 0..8_usize {
            let (address, content) = (&address, &content);
            let (over, right, failed) = (&over, &right, &failed);
            scope.spawn(move || {
                let mut at = reader * 77_777;
                while !over.load(Ordering::Relaxed) {
                    let len = 1 + at % 50_000;
                    let start = at % (LEN - len);
                    at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) % (1 << 40);
                    let fields = format!("Range: bytes={start}-{}\r\n", start + len - 1);
                    match ask(address, "GET", "/file", &fields) {
                        Ok(answer) => {
                            assert_eq!(answer.status, 206);
                            assert!(answer.body == content[start..start + len], "wrong bytes");
                            right.fetch_add(1, Ordering::Relaxed);
                        }
                        // The server was killed during the answer, and the client reported an
                        // error.
                        Err(_) => drop(failed.fetch_add(1, Ordering::Relaxed)),
                    }
                }
            });
        }
        for reader in 0..4_usize {
            let (url, over, read) = (&url, &over, &read);
            scope.spawn(move || read_package(url, reader.is_multiple_of(2), over, read));
        }
        let mut seen = 0;
        for _ in 0..if full() { 50 } else { 5 } {
            let enough = read.right.load(Ordering::Relaxed) + 20;
            while right.load(Ordering::Relaxed) < seen + 100
                || read.right.load(Ordering::Relaxed) < enough
            {
                std::thread::yield_now();
            }
            seen = right.load(Ordering::Relaxed);
            drop(served.take());
            served = Some(Served::start_at(dir.path(), &address, &[]));
        }
        over.store(true, Ordering::Relaxed);
    });
    let (right, failed) = (right.into_inner(), failed.into_inner());
    eprintln!("killed under load: {right} answers, all right; {failed} connections broke");
    let Read { right: regions, failed } = read;
    let (regions, failed) = (regions.into_inner(), failed.into_inner());
    eprintln!("by readers of packages: {regions} regions, all right; {failed} errors");
    assert!(right >= 500 && regions >= 100);
}
