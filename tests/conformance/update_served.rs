//! Updates of a file that a server serves and a cache keeps. Each barrier reads from both of them.

use dacti_tests::program::program;
use dacti_tests::served::Served;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A cache that answers all requests from its copy of the file. Only `refresh` gets a new copy.
struct Cache {
    address: String,
    file: Arc<Mutex<Vec<u8>>>,
    /// The ranges that were requested.
    asked: Arc<Mutex<Vec<String>>>,
    over: Arc<AtomicBool>,
}

impl Cache {
    fn new(file: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let cache = Self {
            address,
            file: Arc::new(Mutex::new(file)),
            asked: Arc::default(),
            over: Arc::default(),
        };
        let (file, asked) = (Arc::clone(&cache.file), Arc::clone(&cache.asked));
        let over = Arc::clone(&cache.over);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                answer(stream.unwrap(), &file, &asked);
            }
        });
        cache
    }

    fn url(&self) -> String {
        format!("http://{}/p", self.address)
    }

    fn refresh(&self, path: &Path) {
        *self.file.lock().unwrap() = fs::read(path).unwrap();
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address);
    }
}

/// Answers one request from the copy. Then closes the connection.
fn answer(mut stream: TcpStream, file: &Mutex<Vec<u8>>, asked: &Mutex<Vec<String>>) {
    let mut range = String::new();
    for line in BufReader::new(stream.try_clone().unwrap()).lines() {
        let line = line.unwrap_or_default().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("range: bytes=") {
            range = value.into();
        }
        if line.is_empty() {
            break;
        }
    }
    let Some((start, last)) = range.split_once('-') else { return };
    let (start, last): (usize, usize) = (start.parse().unwrap(), last.parse().unwrap());
    asked.lock().unwrap().push(range.clone());
    let file = file.lock().unwrap();
    let head = |status: &str, len| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\nConnection: close\r\n")
    };
    if last >= file.len() {
        let _ = stream.write_all(format!("{}\r\n", head("416 Range", 0)).as_bytes());
    } else {
        let body = &file[start..=last];
        let fields = format!("Content-Range: bytes {start}-{last}/{}\r\n\r\n", file.len());
        let _ = stream.write_all(format!("{}{fields}", head("206 Part", body.len())).as_bytes());
        let _ = stream.write_all(body);
    }
    let _ = stream.flush();
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read(&mut [0; 64]);
}

struct Site {
    dir: TempDir,
    origin: Served,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("in")).unwrap();
        fs::write(dir.path().join("in/a"), "one\n").unwrap();
        fs::write(dir.path().join("new"), "two\n").unwrap();
        fs::create_dir(dir.path().join("www")).unwrap();
        let packed = run(&dir, &["pack", "in", "-o", "www/p", "--encoding", "none"]);
        assert!(packed.status.success(), "{packed:?}");
        let origin = Served::start(&dir.path().join("www"), &[]);
        Self { dir, origin }
    }

    fn origin(&self) -> String {
        format!("http://{}/p", self.origin.address)
    }

    fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("www/p")
    }

    fn read(&self) -> Vec<u8> {
        run(&self.dir, &["get", "www/p", "a"]).stdout
    }
}

fn run(dir: &TempDir, arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).current_dir(dir.path()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_update_waits_for_each_cache_and_ends_if_one_stays_stale() {
    // spec: R-CDN-18
    let site = Site::new();
    let cache = Cache::new(fs::read(site.file()).unwrap());
    let (origin, edge) = (site.origin(), cache.url());
    // The cache never gets the new bytes, so the barrier after the append fails.
    let put = ["put", "www/p", "a=new", "--origin", &origin, "--edge", &edge, "--max-age", "0"];
    let stale = run(&site.dir, &put);
    assert_eq!(stale.status.code(), Some(1), "{stale:?}");
    let text = said(&stale);
    assert!(text.contains("cannot pass a barrier of") && text.contains("416"), "{text}");
    assert!(text.contains("--plan OUT"), "{text}");
    assert_eq!(site.read(), b"one\n", "the switch was not written");
    // A saved plan can be resumed at the step that failed.
    let saved = run(&site.dir, &["put", "www/p", "a=new", "--plan", "plan"]);
    assert!(saved.status.success(), "{saved:?}");
    let apply = ["apply", "plan", "www/p", "--resume", "--origin", &origin, "--edge", &edge];
    let apply = [&apply[..], &["--max-age", "0"]].concat();
    cache.refresh(&site.file());
    let stopped = run(&site.dir, &apply);
    assert_eq!(stopped.status.code(), Some(1), "{stopped:?}");
    assert_eq!(site.read(), b"one\n");
    // From now on, the cache gets a new copy from the origin again and again.
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                cache.refresh(&site.file());
                std::thread::yield_now();
            }
        });
        let applied = run(&site.dir, &apply);
        over.store(true, Ordering::Relaxed);
        assert!(applied.status.success(), "{applied:?}");
    });
    assert_eq!(site.read(), b"two\n");
    // The barriers must request the same ranges as readers: the head, and pieces of the block.
    let asked = cache.asked.lock().unwrap();
    assert!(asked.iter().any(|range| range == "0-65535"), "{asked:?}");
    assert!(asked.iter().any(|range| !range.starts_with("0-")), "{asked:?}");
}

#[test]
fn an_update_without_edges_waits_for_the_lifetimes() {
    let site = Site::new();
    let started = std::time::Instant::now();
    let put = ["put", "www/p", "a=new", "--origin", &site.origin(), "--max-age", "1"];
    let output = run(&site.dir, &put);
    assert!(output.status.success(), "{output:?}");
    // There are three barriers: before the append, after the append, and after the reserve.
    assert!(started.elapsed().as_secs() >= 3, "{:?}", started.elapsed());
    assert_eq!(site.read(), b"two\n");
    let missing = ["put", "www/p", "a=in/a", "--origin", "ftp://h/p"];
    let output = run(&site.dir, &missing);
    assert!(said(&output).contains("not an http or https URL"), "{output:?}");
}
