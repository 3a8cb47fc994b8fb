//! First publications and updates in a bucket of moto. `dacti` publishes in parts and as one
//! object. boto3 publishes a ZIP archive, and one object for each file.
//!
//! A proxy in front of moto counts the bytes. The log of moto has a line for each request.

use crate::stores::moto;
use crate::updates::tell;
use dacti_tests::lab::{Tool, free_port, full, missing, skipped};
use dacti_tests::program::program;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The number of files that each update changes. After these updates comes one update that needs a
/// fold.
const UPDATES: [usize; 3] = [1, 100, 255];

/// A proxy that counts the bytes that clients send.
struct Meter {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
}

impl Meter {
    fn start(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(free_port()?)?;
        let (address, sent) = (listener.local_addr()?, Arc::new(AtomicU64::new(0)));
        let counter = Arc::clone(&sent);
        // The threads end when the process of the test ends.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(to) = TcpStream::connect(server) else { return };
                let (Ok(client_2), Ok(to_2)) = (client.try_clone(), to.try_clone()) else { return };
                let sent = Arc::clone(&counter);
                std::thread::spawn(move || forward(client, to, &sent));
                std::thread::spawn(move || forward(to_2, client_2, &AtomicU64::new(0)));
            }
        });
        Ok(Self { address, sent })
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        count.fetch_add(len as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// A bucket, and the settings with which clients reach it through a [`Meter`].
struct Bucket {
    dir: tempfile::TempDir,
    meter: Meter,
    settings: Vec<(&'static str, String)>,
}

/// The cost of some commands.
struct Cost {
    seconds: f64,
    reads: usize,
    puts: usize,
    sent: u64,
    lines: Vec<String>,
}

impl Bucket {
    /// Runs commands one after the other. Returns their cost in total.
    fn measured(&self, commands: &mut [Command]) -> Cost {
        let before = (self.log().len(), self.meter.sent.load(Ordering::Relaxed));
        let start = Instant::now();
        for command in commands {
            let settings = self.settings.iter().map(|(name, value)| (name, value));
            let output = command.envs(settings).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}: {said}");
        }
        let seconds = start.elapsed().as_secs_f64();
        let log = self.log();
        let lines = log.get(before.0..).unwrap_or_default().lines();
        let requests: Vec<_> = lines.filter(|line| line.contains(" HTTP/1.1\"")).collect();
        let reads = requests.iter().filter(|line| line.contains("\"GET /")).count();
        let sent = self.meter.sent.load(Ordering::Relaxed) - before.1;
        let lines = requests.iter().map(|line| (*line).to_owned()).collect();
        Cost { seconds, reads, puts: requests.len() - reads, sent, lines }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("output")).unwrap()
    }
}

fn dacti(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.arg("--quiet").args(arguments);
    command
}

fn boto3(verb: &str, path: &Path, key: &str) -> Command {
    let mut command = Tool::PYTHON.command().unwrap();
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/deploys.py"));
    command.arg(verb).arg(path).arg(key);
    command
}

/// Fills a folder. The full form of the test takes the documentation of the toolchain, and the
/// short form takes 600 small files.
fn contents(to: &Path) {
    if full() {
        let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().unwrap();
        let sysroot = String::from_utf8(sysroot.stdout).unwrap();
        let from = PathBuf::from(sysroot.trim()).join("share/doc/rust/html");
        let copied = Command::new("cp").arg("-r").arg(&from).arg(to).status().unwrap();
        assert!(copied.success(), "{} is missing: rustup component add rust-docs", from.display());
        return;
    }
    fs::create_dir(to).unwrap();
    for n in 0..600 {
        fs::write(to.join(format!("{n}.html")), format!("page {n} ").repeat(100)).unwrap();
    }
}

/// Changes the first `count` pages of a folder, and returns their paths.
fn change(folder: &Path, count: usize) -> Vec<String> {
    let pages = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten();
    let pages = pages.filter(|entry| entry.path().extension().is_some_and(|end| end == "html"));
    let changed = pages.take(count).map(|entry| {
        let mut page = fs::read_to_string(entry.path()).unwrap();
        let _ = write!(page, "<!-- changed with {count} pages -->");
        fs::write(entry.path(), page).unwrap();
        let path = entry.path().strip_prefix(folder).unwrap();
        path.to_str().unwrap().to_owned()
    });
    changed.collect()
}

#[test]
fn an_update_beside_other_ways_to_a_bucket() {
    if missing(&[Tool::MOTO, Tool::PYTHON]) {
        return;
    }
    let mut python = Tool::PYTHON.command().unwrap();
    let has_boto3 = python.args(["-c", "import boto3"]).output().unwrap().status.success();
    if !has_boto3 && skipped("pip install boto3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (server, settings) = moto(dir.path());
    let meter = Meter::start(server.address()).unwrap();
    let mut settings = Vec::from(settings);
    settings.retain(|(name, _)| *name != "AWS_ENDPOINT");
    settings.push(("AWS_ENDPOINT", format!("http://{}", meter.address)));
    let bucket = Bucket { dir, meter, settings };
    let at = |name: &str| bucket.dir.path().join(name).to_str().unwrap().to_owned();
    let (files, package) = (bucket.dir.path().join("files"), at("p"));
    contents(&files);
    let folder = files.to_str().unwrap();
    let (parts, whole) = ("s3://bucket/p", "s3://bucket/whole");
    let mut rows = vec![
        ("`dacti publish`, `dacti put`", Vec::new()),
        ("`dacti publish --form whole`", Vec::new()),
        ("boto3, one ZIP archive", Vec::new()),
        ("boto3, one object for each file", Vec::new()),
    ];
    let mut measure = |row: usize, commands: &mut [Command]| {
        let cost = bucket.measured(commands);
        rows[row].1.push(cost);
    };
    let publish_whole = || dacti(&["publish", &package, whole, "--form", "whole"]);
    measure(
        0,
        &mut [dacti(&["pack", folder, "-o", &package]), dacti(&["publish", &package, parts])],
    );
    measure(1, &mut [dacti(&["pack", folder, "-o", &at("q")]), publish_whole()]);
    measure(2, &mut [boto3("zip", &files, "archive.zip")]);
    measure(3, &mut [boto3("sync", &files, "files/")]);
    for count in UPDATES {
        let changed = change(&files, count);
        assert_eq!(changed.len(), count);
        let edits: Vec<_> = changed.iter().map(|path| format!("{path}={folder}/{path}")).collect();
        let put = |to: &str| {
            let mut command = dacti(&["put", to]);
            command.args(&edits);
            command
        };
        measure(0, &mut [put(parts)]);
        measure(1, &mut [put(&package), publish_whole()]);
        measure(2, &mut [boto3("zip", &files, "archive.zip")]);
        measure(3, &mut [boto3("sync", &files, "files/")]);
    }
    for cost in &rows[0].1[1..] {
        // The two uploads are one part and the head. Of the reads, four are for the plan and one is
        // for the dictionary. One more read checks that the part was stored.
        assert_eq!(cost.puts, 2);
        assert!(cost.reads <= 6, "{:?}", cost.lines);
    }
    for count in 1..=UPDATES.len() {
        let [ours, whole, zip, _] = [0, 1, 2, 3].map(|row: usize| rows[row].1[count].sent);
        assert!(ours < whole && (ours < zip || !full()), "{ours} bytes, {whole}, {zip}");
    }
    report(&rows);
}

/// Writes a row for each way to publish. For each step, it has the seconds, the requests and the
/// sent bytes.
fn report(rows: &[(&str, Vec<Cost>)]) {
    for (way, costs) in rows {
        let mut row = format!("| {way} |");
        for cost in costs {
            let Cost { seconds, reads, puts, sent, .. } = cost;
            let kib = sent.div_ceil(1024);
            let _ = write!(row, " {seconds:.1} s, {} requests, {kib} KiB |", reads + puts);
        }
        tell("deploys", &row);
    }
}
