//! `dacti serve` as an origin: the properties that readers of packages and caches need.

use dacti::seal::SecretKey;
use dacti::{BuildOptions, EncodingChoice, PackageBuilder};
use dacti_tests::http::{self, Answer};
use dacti_tests::program::program;
use dacti_tests::served::Served;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use uuid::Uuid;

/// A client of the server. Each request opens a new connection.
trait Ask {
    fn connect(&self) -> TcpStream;

    /// Sends one request, and reads the answer to its end.
    fn ask(&self, method: &str, path: &str, fields: &str) -> Answer;

    fn get(&self, path: &str, fields: &str) -> Answer {
        self.ask("GET", path, fields)
    }
}

impl Ask for Served {
    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    fn ask(&self, method: &str, path: &str, fields: &str) -> Answer {
        http::ask(&self.address, method, path, fields).unwrap()
    }
}

const SHORT: &str = "public, max-age=5, no-transform";
const LONG: &str = "public, max-age=31536000, immutable, no-transform";

/// Returns a folder with a page, a package that holds the page, and a file that is no package.
fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let site = dir.path().join("site");
    fs::create_dir_all(site.join("sub")).unwrap();
    fs::write(site.join("sub/index.html"), "<p>index").unwrap();
    fs::write(site.join("plain.bin"), [7; 200_000]).unwrap();
    fs::write(site.join(".hidden"), "no").unwrap();
    fs::write(dir.path().join("secret.txt"), "no").unwrap();
    let options = BuildOptions { slice_len: 65_536, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    builder.add("a/page.html", page()).unwrap();
    builder.add("a/index.html", b"<p>in a".to_vec()).unwrap();
    builder.build(site.join("p.dacti-pack")).unwrap();
    dir
}

fn page() -> Vec<u8> {
    "<p>a page that Brotli makes smaller</p>\n".repeat(500).into_bytes()
}

#[test]
fn ranges_are_exact_and_kept_for_as_long_as_they_stay() {
    let dir = site();
    let site = dir.path().join("site");
    let server = Served::start(&site, &[]);
    let file = fs::read(site.join("p.dacti-pack")).unwrap();
    let len = file.len();
    for (range, start, end, lifetime) in [
        ("0-65535", 0, 65_536, SHORT),
        ("100-199", 100, 200, SHORT),
        ("65536-65999", 65_536, 66_000, LONG),
        ("65536-131071", 65_536, 131_072, LONG),
        ("65536-", 65_536, len, "no-store"),
        ("-16", len - 16, len, "no-store"),
        ("65536-9999999", 65_536, len, "no-store"),
    ] {
        let answer = server.get("/p.dacti-pack", &format!("Range: bytes={range}\r\n"));
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.body, file[start..end], "{range}");
        assert_eq!(answer.field("content-range"), format!("bytes {start}-{}/{len}", end - 1));
        assert_eq!(answer.field("content-length"), (end - start).to_string());
        assert_eq!(answer.field("cache-control"), lifetime, "{range}");
        assert_eq!((answer.field("etag"), answer.field("last-modified")), ("", ""));
    }
    let whole = server.get("/p.dacti-pack", "");
    assert_eq!((whole.status, &whole.body), (200, &file));
    assert_eq!(whole.field("accept-ranges"), "bytes");
    assert_eq!(whole.field("content-type"), "application/prs.dacti-pack");
    assert_eq!(whole.field("cache-control"), SHORT);
    assert_eq!(whole.field("access-control-allow-origin"), "*");
    assert!(whole.field("access-control-expose-headers").contains("content-range"));
    let plain = server.get("/plain.bin", "Range: bytes=100000-100009\r\n");
    assert_eq!((plain.status, plain.body.len(), plain.field("cache-control")), (206, 10, SHORT));
}

#[test]
fn a_long_region_is_verified_and_served() {
    let dir = tempfile::tempdir().unwrap();
    // Both regions are longer than the limits on the work for one region without its own length.
    let long: Vec<u8> = (0..10_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let path = dir.path().join("p.dacti-pack");
    let mut tag = String::new();
    for encoding in [EncodingChoice::None, EncodingChoice::Brotli] {
        let options = BuildOptions { encoding, quality: 0, ..BuildOptions::default() };
        let mut builder = PackageBuilder::new(options);
        builder.add("long.bin", long.clone()).unwrap();
        builder.build(&path).unwrap();
        let server = Served::start(dir.path(), &[]);
        let answer = server.get("/p.dacti-pack/-/long.bin", "");
        assert_eq!((answer.status, answer.body == long), (200, true), "{encoding:?}");
        tag = answer.field("etag").to_owned();
    }
    // One altered byte at the end of the region is found before the first byte is sent.
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let package = dacti::Package::open(&path).unwrap();
    let end = package.find("long.bin").unwrap().unwrap().span.end;
    let mut last = [0];
    file.read_exact_at(&mut last, end - 1).unwrap();
    file.write_all_at(&[last[0] ^ 1], end - 1).unwrap();
    let server = Served::start(dir.path(), &[]);
    assert_eq!(server.get("/p.dacti-pack/-/long.bin", "").status, 500);
    // The region is not read if the client has it. The update of one byte in place, which no
    // publisher makes, kept the tag.
    let known = format!("If-None-Match: {tag}\r\n");
    assert_eq!(server.get("/p.dacti-pack/-/long.bin", &known).status, 304);
}

#[test]
fn a_range_behind_the_end_is_refused_and_not_kept() {
    let dir = site();
    let site = dir.path().join("site");
    let server = Served::start(&site, &[]);
    let len = fs::metadata(site.join("p.dacti-pack")).unwrap().len();
    let answer = server.get("/p.dacti-pack", &format!("Range: bytes={len}-{len}\r\n"));
    assert_eq!((answer.status, answer.field("cache-control")), (416, "no-store"));
    assert_eq!(answer.field("content-range"), format!("bytes */{len}"));
    // The answer is the whole file if the request has several ranges, or a range with an unknown
    // validator.
    for fields in ["Range: bytes=0-1,4-5\r\n", "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n"] {
        assert_eq!(server.get("/p.dacti-pack", fields).status, 200);
    }
}

#[test]
fn what_is_asked_for_by_head_has_the_same_fields_and_no_body() {
    let dir = site();
    let server = Served::start(&dir.path().join("site"), &[]);
    let (get, head) = (server.get("/plain.bin", ""), server.ask("HEAD", "/plain.bin", ""));
    assert!(head.body.is_empty());
    assert_eq!((head.status, head.field("content-length")), (200, "200000"));
    let but_date = |answer: &Answer| {
        let mut fields = answer.fields.clone();
        fields.remove("date");
        fields
    };
    assert_eq!(but_date(&get), but_date(&head));
    assert_eq!(server.ask("POST", "/plain.bin", "Content-Length: 0\r\n").status, 405);
    let preflight = server.ask("OPTIONS", "/plain.bin", "Origin: http://x\r\n");
    assert_eq!(preflight.status, 204);
    assert!(preflight.field("access-control-allow-headers").contains("range"));
}

#[test]
fn nothing_outside_is_served() {
    let dir = site();
    let site = dir.path().join("site");
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret.txt", site.join("link.txt")).unwrap();
    // Creates a folder with the name `-`. In URLs, `-` separates the path of a package from the
    // path of a region.
    fs::create_dir_all(site.join("sub/-")).unwrap();
    fs::create_dir_all(site.join(".git")).unwrap();
    fs::write(site.join("sub/-/open.txt"), "yes").unwrap();
    fs::write(site.join(".git/config"), "no").unwrap();
    let mut builder = PackageBuilder::new(BuildOptions::default());
    builder.add("a", b"no".to_vec()).unwrap();
    builder.build(site.join(".git/p.dacti-pack")).unwrap();
    let server = Served::start(&site, &[]);
    for path in [
        "/../secret.txt",
        "/sub/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "//secret.txt",
        "/link.txt",
        "/.hidden",
        "/sub/%2e%2e/.hidden",
        "/nothing",
        "/p.dacti-pack/",
        "/p.dacti-pack/x",
        "/p.dacti-pack/-/nothing",
        "/p.dacti-pack/-/../../secret.txt",
        "/plain.bin/-/a",
        "/plain.bin.head",
        "/sub/-/../../.git/config",
        "/sub/-/%2e%2e/%2e%2e/.git/config",
        "/sub/-/../../.hidden",
        "/sub/-/.././../.git/config",
        "/sub/-/../../.git/",
        "/sub/-/..",
        "/sub/-/../../.git/p.dacti-pack/-/a",
        "/sub/-/../../.git/p.dacti-pack.head",
        "/sub/-/../../p.dacti-pack",
    ] {
        let answer = server.get(path, "");
        assert_eq!((answer.status, answer.field("cache-control")), (404, "no-store"), "{path}");
    }
    assert_eq!(server.get("/sub/-/open.txt", "").body, b"yes");
    assert_eq!(server.get("/sub/", "").body, b"<p>index");
    let moved = server.get("/sub", "");
    assert_eq!((moved.status, moved.field("location")), (301, "/sub/"));
    let one = Served::start(&site.join("plain.bin"), &[]);
    assert_eq!(one.get("/plain.bin", "").status, 200);
    assert_eq!(one.get("/p.dacti-pack", "").status, 404, "a neighbour of the one file");
}

#[test]
fn a_private_key_is_not_served() {
    let dir = site();
    let key = SecretKey::from_seed(&[7; 32], Uuid::from_u128(9));
    let site = dir.path().join("site");
    fs::write(site.join("own.key"), key.to_text()).unwrap();
    fs::write(site.join("own.key.pub"), key.public().to_text()).unwrap();
    let served = Served::start(&site, &[]);
    for _ in 0..2 {
        let answer = served.get("/own.key", "");
        assert_eq!(answer.status, 404);
        assert!(!String::from_utf8_lossy(&answer.body).contains("dacti-ed25519-private"));
    }
    assert_eq!(served.get("/own.key.pub", "").body, key.public().to_text().into_bytes());
}

#[test]
fn a_long_file_is_served_at_once_and_a_key_in_it_never() {
    let dir = site();
    let site = dir.path().join("site");
    let key = SecretKey::from_seed(&[7; 32], Uuid::from_u128(9)).to_text();
    let (len, key_at) = (1 << 40, (30 << 20) - 40);
    for (name, has_key) in [("long.bin", false), ("keys.bin", true)] {
        // The file is sparse, so it takes little space. Reading all of it would take hours.
        let file = fs::File::create(site.join(name)).unwrap();
        file.set_len(len).unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"the end", len - 7).unwrap();
        if has_key {
            file.write_all_at(key.as_bytes(), key_at).unwrap();
        }
    }
    let served = Served::start(&site, &[]);
    let part = |path: &str, start: u64, end: u64| {
        served.get(path, &format!("Range: bytes={start}-{}\r\n", end - 1))
    };
    for path in ["/long.bin", "/keys.bin"] {
        assert_eq!(part(path, 0, 5).body, b"begin");
        assert_eq!(part(path, len - 7, len).body, b"the end");
        // This range lies in two chunks of the server.
        assert_eq!(part(path, (1 << 20) - 2, (1 << 20) + 2).body, [0; 4]);
        assert_eq!(part(path, 3, 3_000_000).body.len(), 2_999_997);
    }
    // The last byte of this range is the first byte of a private key. The server ends the answer
    // before the chunk that holds this byte.
    let request = format!("GET /keys.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=5-{key_at}\r\n\r\n");
    let mut stream = TcpStream::connect(&served.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut sent = Vec::new();
    let _ = stream.read_to_end(&mut sent);
    let head = sent.windows(4).position(|end| end == b"\r\n\r\n").expect("the answer began");
    assert!(sent.starts_with(b"HTTP/1.1 206 "));
    assert_eq!(sent.len() - head - 4, (29 << 20) - 5);
    // The server now knows that the file contains a key, so it no longer serves the file.
    for (start, end) in [(0, 5), (key_at + 30, key_at + 31), (len - 7, len)] {
        assert_eq!(part("/keys.bin", start, end).status, 404);
    }
    assert_eq!(part("/long.bin", 0, 5).status, 206);
}

#[test]
fn regions_are_pages() {
    let dir = site();
    let server = Served::start(&dir.path().join("site"), &[]);
    let plain = server.get("/p.dacti-pack/-/a/page.html", "");
    assert_eq!((plain.status, &plain.body), (200, &page()));
    assert_eq!(plain.field("content-type"), "text/html; charset=utf-8");
    assert_eq!((plain.field("vary"), plain.field("content-encoding")), ("accept-encoding", ""));
    let packed = server.get("/p.dacti-pack/-/a/page.html", "Accept-Encoding: gzip, br\r\n");
    assert_eq!(packed.field("content-encoding"), "br");
    let mut content = Vec::new();
    brotli::Decompressor::new(&packed.body[..], 4096).read_to_end(&mut content).unwrap();
    assert_eq!(content, page());
    assert_ne!(plain.field("etag"), packed.field("etag"), "other bytes, another tag");
    let tag = plain.field("etag");
    for (tags, status) in [
        (tag.to_owned(), 304),
        (format!("\"x\", W/{tag}"), 304),
        ("*".to_owned(), 304),
        ("\"x\"".to_owned(), 200),
    ] {
        let known = format!("If-None-Match: {tags}\r\n");
        assert_eq!(server.get("/p.dacti-pack/-/a/page.html", &known).status, status, "{tags}");
    }
    let part = server.get("/p.dacti-pack/-/a/page.html", "Range: bytes=3-5\r\n");
    assert_eq!((part.status, &part.body[..]), (206, &page()[3..6]));
    assert_eq!(server.get("/p.dacti-pack/-/a/", "").body, b"<p>in a");
    let head = server.get("/p.dacti-pack.head", "");
    let file = fs::read(dir.path().join("site/p.dacti-pack")).unwrap();
    assert_eq!(head.body, file[..65_536]);
    assert_eq!(head.field("cache-control"), SHORT);
}

#[test]
fn the_head_may_come_from_its_copy() {
    let dir = site();
    let server = Served::start(&dir.path().join("site"), &[]);
    let url = format!("http://{}/p.dacti-pack", server.address);
    let get = |options: &[&str]| {
        let mut command = Command::new(program());
        command.args(["get", &url, "a/page.html", "--stats"]).args(options);
        command.output().unwrap()
    };
    let with_copy = get(&["--head", &format!("{url}.head")]);
    assert_eq!(String::from_utf8(with_copy.stdout).unwrap().into_bytes(), page());
    let said = String::from_utf8(with_copy.stderr).unwrap();
    assert!(said.contains("2 requests"), "{said}");
    // The requests to both URLs count against one budget.
    let poor = get(&["--head", &format!("{url}.head"), "--max-requests", "1"]);
    assert!(!poor.status.success() && poor.stdout.is_empty());
    let none = get(&["--head", &format!("{url}.nothing")]);
    assert!(String::from_utf8(none.stderr).unwrap().contains("404"));
}

#[test]
fn damaged_regions_are_not_sent() {
    let dir = site();
    let path = dir.path().join("site/p.dacti-pack");
    let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    let large: Vec<u8> = (0..9_000_000_u32).map(|i| (i % 251) as u8).collect();
    builder.add("large.bin", large.clone()).unwrap();
    builder.add("small.txt", b"small content".to_vec()).unwrap();
    builder.build(&path).unwrap();
    let server = Served::start(&dir.path().join("site"), &[]);
    let streamed = server.get("/p.dacti-pack/-/large.bin", "");
    assert_eq!((streamed.status, streamed.body == large), (200, true));
    let part = server.get("/p.dacti-pack/-/large.bin", "Range: bytes=8000000-8000009\r\n");
    assert_eq!((part.status, &part.body[..]), (206, &large[8_000_000..8_000_010]));

    let package = dacti::Package::open(&path).unwrap();
    let at = |key: &str| package.locate(key).unwrap().span.start;
    let mut bytes = fs::read(&path).unwrap();
    bytes[at("small.txt") as usize] ^= 1;
    bytes[at("large.bin") as usize + 5_000_000] ^= 1;
    fs::write(dir.path().join("site/broken.dacti-pack"), bytes).unwrap();
    let small = server.get("/broken.dacti-pack/-/small.txt", "");
    assert_eq!(small.status, 500);
    assert!(!small.body.windows(5).any(|window| window == b"mall "));
    // The server verifies a long region before it sends any byte of the region or of a range of it.
    let altered_around = "Range: bytes=5000000-5000009\r\n";
    for fields in ["", "Range: bytes=0-9\r\n", altered_around] {
        let large_broken = server.get("/broken.dacti-pack/-/large.bin", fields);
        assert_eq!(large_broken.status, 500);
        assert!(large_broken.body.len() < 1000 && !large_broken.body.starts_with(&large[..5]));
    }
    // The answer has no last chunk, so a client can tell that the body is incomplete.
    let mut stream = server.connect();
    let request =
        "GET /broken.dacti-pack/-/large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut cut = Vec::new();
    let _ = stream.read_to_end(&mut cut);
    assert!(!cut.ends_with(b"0\r\n\r\n"), "the last chunk says that all of it came");
}

#[test]
fn an_update_is_seen_by_the_next_request() {
    let dir = site();
    let path = dir.path().join("site/plain.bin");
    let server = Served::start(&dir.path().join("site"), &[]);
    assert_eq!(server.get("/plain.bin", "").body.len(), 200_000);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
    assert_eq!(server.get("/plain.bin", "Range: bytes=200000-200003\r\n").body, b"more");
    fs::write(dir.path().join("site/new"), b"another").unwrap();
    fs::rename(dir.path().join("site/new"), &path).unwrap();
    assert_eq!(server.get("/plain.bin", "").body, b"another");
}

#[test]
fn another_package_of_the_same_length_and_time_is_another() {
    let dir = site();
    let path = dir.path().join("site/q.dacti-pack");
    let build = |content: &[u8], to: &Path| {
        let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
        let mut builder = PackageBuilder::new(options);
        builder.add("a.txt", content.to_vec()).unwrap();
        builder.build(to).unwrap();
        // The file always gets the same time, because some tools set one time for all files of a
        // site.
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        fs::File::options().write(true).open(to).unwrap().set_modified(time).unwrap();
    };
    build(b"one", &path);
    let server = Served::start(&dir.path().join("site"), &[]);
    assert_eq!(server.get("/q.dacti-pack/-/a.txt", "").body, b"one");
    let len = fs::metadata(&path).unwrap().len();
    let new = dir.path().join("site/new");
    build(b"two!", &new);
    assert_eq!(fs::metadata(&new).unwrap().len(), len, "packages are padded");
    fs::rename(new, &path).unwrap();
    assert_eq!(server.get("/q.dacti-pack/-/a.txt", "").body, b"two!");
}

#[test]
fn a_directory_without_an_index_is_not_listed_if_that_is_switched_off() {
    let dir = site();
    let server = Served::start(&dir.path().join("site"), &["--no-index"]);
    let root = server.get("/", "");
    assert_eq!(root.status, 404);
    let said = String::from_utf8(root.body).unwrap();
    assert!(said.contains("index.html") && !said.contains("plain.bin"), "{said}");
}

#[test]
fn the_url_that_is_told_is_that_of_the_file() {
    let dir = site();
    for name in ["a b?c%20#ü.bin", ".hidden"] {
        let path = dir.path().join("site").join(name);
        fs::write(&path, "x").unwrap();
        let one = Served::start(&path, &[]);
        let (address, at) = one.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        assert_eq!(address, one.address);
        assert_eq!(one.get(&format!("/{at}"), "").body, b"x", "{}", one.url);
        assert_eq!(one.get("/plain.bin", "").status, 404);
    }
    let encoded = Served::start(&dir.path().join("site/a b?c%20#ü.bin"), &[]);
    assert!(encoded.url.ends_with("/a%20b%3Fc%2520%23%C3%BC.bin"), "{}", encoded.url);
}

#[test]
fn it_listens_where_it_is_told_by_either_protocol() {
    let dir = site();
    let site = dir.path().join("site");
    // Some machines have no loopback address of IPv6.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let server = Served::start_at(&site, "[::1]:0", &[]);
        assert!(server.address.starts_with("[::1]:"), "{}", server.address);
        assert_eq!(server.get("/plain.bin", "Range: bytes=0-1\r\n").body, [7, 7]);
    }
    let taken = Served::start(&site, &[]);
    let mut command = Command::new(program());
    let second = command.args(["serve", "--listen", &taken.address]).arg(&site).output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success() && second.stdout.is_empty());
    assert!(said.contains("cannot listen at") && said.contains(&taken.address), "{said}");
}

#[test]
fn a_client_that_says_nothing_is_let_go() {
    let dir = site();
    let options = ["--connections-max", "1", "--idle-max", "1"];
    let server = Served::start(&dir.path().join("site"), &options);
    let mut silent = server.connect();
    silent.write_all(b"GET / HT").unwrap();
    // The silent client uses the only allowed connection. The next request succeeds because the
    // server closes the silent client's connection.
    assert_eq!(server.get("/plain.bin", "").status, 200);
    let mut rest = Vec::new();
    let _ = silent.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_let_go() {
    const LEN: u64 = 64 << 20;
    let dir = site();
    // The file is longer than the system's buffers for one connection. It is sparse, so it takes no
    // space on the disk.
    let large = fs::File::create(dir.path().join("site/large.bin")).unwrap();
    large.set_len(LEN).unwrap();
    let options = ["--connections-max", "1", "--idle-max", "1"];
    let server = Served::start(&dir.path().join("site"), &options);
    let mut greedy = server.connect();
    greedy.write_all(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // The client that reads nothing uses the only allowed connection. The next request succeeds
    // because the server closes that client's connection.
    assert_eq!(server.get("/plain.bin", "").status, 200);
    let mut taken = Vec::new();
    let _ = greedy.read_to_end(&mut taken);
    assert!(taken.starts_with(b"HTTP/1.1 200"), "it was answered");
    assert!(u64::try_from(taken.len()).unwrap() < LEN, "and broken off");
}

#[test]
fn a_client_that_takes_its_answer_slowly_gets_all_of_it() {
    const LEN: usize = 64 << 20;
    let dir = site();
    let large = fs::File::create(dir.path().join("site/large.bin")).unwrap();
    large.set_len(LEN as u64).unwrap();
    let server = Served::start(&dir.path().join("site"), &["--idle-max", "1"]);
    let mut slow = server.connect();
    slow.write_all(b"GET /large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let (mut piece, mut taken) = (vec![0; LEN / 256], 0);
    let begun = std::time::Instant::now();
    loop {
        // In total, the client takes at least three times the limit of silence. Each of its pauses
        // is shorter than the limit.
        std::thread::park_timeout(std::time::Duration::from_millis(12));
        match slow.read(&mut piece).unwrap() {
            0 => break,
            read => taken += read,
        }
    }
    assert!(taken > LEN && begun.elapsed().as_secs() >= 3, "{taken} bytes");
}

#[test]
fn a_connection_without_a_further_request_is_let_go() {
    let dir = site();
    let options = ["--connections-max", "1", "--idle-max", "1"];
    let server = Served::start(&dir.path().join("site"), &options);
    for request in [
        "",
        "GET /plain.bin HTTP/1.1\r\nHost: x\r\n\r\n",
        // The body of this request never arrives.
        "POST /plain.bin HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
        "GET /plain.bin HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
    ] {
        let mut kept = server.connect();
        kept.write_all(request.as_bytes()).unwrap();
        // The server must close the connection, because the client keeps it open.
        let mut taken = Vec::new();
        let _ = kept.read_to_end(&mut taken);
        assert_eq!(taken.is_empty(), request.is_empty(), "{request}");
        assert_eq!(server.get("/plain.bin", "").status, 200, "{request}");
    }
}

#[test]
fn more_silent_clients_than_there_are_places_hold_nobody_up_for_long() {
    let dir = site();
    let options = ["--connections-max", "4", "--idle-max", "1"];
    let server = Served::start(&dir.path().join("site"), &options);
    let mut silent: Vec<_> = (0..12).map(|_| server.connect()).collect();
    for stream in &mut silent {
        stream.write_all(b"GET /plain.bin HTTP/1.1\r\n").unwrap();
    }
    // The server allows four connections, and twelve clients are silent. This request is answered
    // when the server has closed their connections.
    assert_eq!(server.get("/plain.bin", "").status, 200);
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_when_answers_are_out() {
    let dir = site();
    let mut server = Served::start(&dir.path().join("site"), &[]);
    let mut stream = server.connect();
    // After the answer, the client keeps the connection open, and sends no request. The server must
    // not wait for it.
    stream.write_all(b"GET /plain.bin HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut one = [0; 1];
    stream.read_exact(&mut one).unwrap();
    let id = server.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > 200_000, "what was under way is finished");
    assert!(server.child.wait().unwrap().success());
    assert!(TcpStream::connect(&server.address).is_err());
}
