//! `dacti serve` for people: pages, redirects, a log, and requests that it refuses.

use dacti::{BuildOptions, PackageBuilder};
use dacti_tests::http::{self, Answer};
use dacti_tests::program::program;
use dacti_tests::served::Served;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

fn get(server: &Served, path: &str) -> Answer {
    http::ask(&server.address, "GET", path, "").unwrap()
}

fn site() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a <b>/c")).unwrap();
    fs::write(dir.path().join("plain & simple.txt"), "x").unwrap();
    fs::write(dir.path().join(".hidden"), "no").unwrap();
    build(&dir.path().join("p.dacti-pack"));
    dir
}

fn build(to: &Path) {
    let mut builder = PackageBuilder::new(BuildOptions::default());
    for path in ["top.txt", "docs/index.html", "docs/deep/a.txt", "docs/deep/b.txt", "x/y.txt"] {
        builder.add(path, path.as_bytes().to_vec()).unwrap();
    }
    builder.build(to).unwrap();
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

#[test]
fn folders_of_files_and_of_packages_have_index_pages() {
    let dir = site();
    let server = Served::start(dir.path(), &[]);
    let root = get(&server, "/");
    assert_eq!((root.status, root.field("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(root.field("cache-control"), "no-store");
    assert!(root.field("content-security-policy").contains("default-src 'none'"));
    let page = text(&root);
    for link in [
        "<a href=\"./a%20%3Cb%3E/\">a &lt;b&gt;/</a>",
        "<a href=\"./plain%20%26%20simple.txt\">plain &amp; simple.txt</a>",
        "<a href=\"./p.dacti-pack/-/\">regions</a>",
    ] {
        assert!(page.contains(link), "{link}: {page}");
    }
    assert!(!page.contains("hidden"), "{page}");
    assert!(text(&get(&server, "/a%20%3Cb%3E/")).contains("<a href=\"./c/\">c/</a>"));
    let regions = text(&get(&server, "/p.dacti-pack/-/"));
    for link in ["<a href=\"./docs/\">docs/</a>", "<a href=\"./top.txt\">top.txt</a>"] {
        assert!(regions.contains(link), "{link}: {regions}");
    }
    assert_eq!(regions.matches("<li>").count(), 3, "{regions}");
    let deep = text(&get(&server, "/p.dacti-pack/-/docs/deep/"));
    assert!(deep.contains("<a href=\"./a.txt\">a.txt</a>") && deep.contains("\"../\""), "{deep}");
    // If the package has its own page for a folder, the server sends this page.
    assert_eq!(get(&server, "/p.dacti-pack/-/docs/").body, b"docs/index.html");
    for path in ["/no/", "/p.dacti-pack/-/no/", "/p.dacti-pack/-/docs/deep/a.txt/"] {
        assert_eq!(get(&server, path).status, 404, "{path}");
    }
    let head = http::ask(&server.address, "HEAD", "/", "").unwrap();
    assert_eq!(head.field("content-length"), root.field("content-length"));
    // A link in a page leads to the file whose name it shows.
    assert_eq!(get(&server, "/plain%20%26%20simple.txt").body, b"x");
    let hidden = Served::start(dir.path(), &["--no-index"]);
    assert_eq!(get(&hidden, "/").status, 404);
    assert_eq!(get(&hidden, "/p.dacti-pack/-/").status, 404);
    assert_eq!(get(&hidden, "/p.dacti-pack/-/top.txt").status, 200);
}

#[test]
fn a_folder_without_its_slash_is_redirected() {
    let dir = site();
    let server = Served::start(dir.path(), &[]);
    for (path, to) in [
        ("/p.dacti-pack/-", "/p.dacti-pack/-/"),
        ("/p.dacti-pack/-/docs", "/p.dacti-pack/-/docs/"),
        ("/a%20%3Cb%3E", "/a%20%3Cb%3E/"),
    ] {
        let answer = get(&server, path);
        assert_eq!((answer.status, answer.field("location")), (301, to), "{path}");
    }
    assert_eq!(get(&server, "/p.dacti-pack/-/no").status, 404);
}

#[test]
fn a_request_without_one_host_is_refused() {
    let dir = site();
    let server = Served::start(dir.path(), &[]);
    for (request, status) in [
        ("GET / HTTP/1.1\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\n", "200"),
        ("GET / HTTP/1.0\r\n", "200"),
    ] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream.write_all(format!("{request}Connection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request:?}: {answer}");
    }
}

#[test]
fn it_tells_what_to_open_and_logs_requests_on_demand() {
    let dir = site();
    let start = |verbose: &[&str]| {
        let mut command = Command::new(program());
        // The address may consist of a port only.
        command.args(["serve", "-l", "0"]).args(verbose).arg(dir.path().join("p.dacti-pack"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        told.read_line(&mut line).unwrap();
        let url = url.trim_end().to_owned();
        assert!(line.contains(&format!("open {url}/-/ in a browser")), "{line}");
        let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        (child, told, address)
    };
    let (mut child, mut told, address) = start(&["-v"]);
    http::ask(&address, "GET", "/p.dacti-pack?g=0&sig=hunter2", "Range: bytes=0-9\r\n").unwrap();
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    let expected = "GET /p.dacti-pack?g=0&sig=... bytes=0-9 -> 206, 10 bytes, ";
    assert!(line.contains(expected) && line.trim_end().ends_with(" ms"), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut child, mut told, address) = start(&[]);
    http::ask(&address, "GET", "/p.dacti-pack", "").unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "nothing is logged without -v");
}
