//! `dacti site` and `dacti inspect --serve` without a browser: the files, the refusals, updates and
//! pages. `tests/browser` tests both verbs in real browsers.

use dacti::Package;
use dacti_tests::http;
use dacti_tests::program::{Folder, program};
use dacti_tests::served::Served;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Stdio};

struct Site(Folder);

impl Deref for Site {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.0
    }
}

impl Site {
    fn new() -> Self {
        let site = Self(Folder::new());
        for n in 0..20 {
            site.write(&format!("in/docs/{n}.html"), &[b'a' + n; 5000]);
        }
        site.write("in/index.html", b"<h1>Home</h1>");
        assert_eq!(site.run(&["key", "new", "-o", "key"]).0, Some(0));
        site
    }

    #[track_caller]
    fn made(&self, more: &[&str]) -> Value {
        let arguments = [&["site", "in", "-o", "out", "--json"], more].concat();
        let (code, out, err) = self.run(&arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {err}");
        serde_json::from_str(&out).unwrap()
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], says: &str) {
        let before = files(&self.at(""));
        let (code, _, err) = self.run(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {err}");
        assert!(err.contains(says), "{err}");
        let locks = |path: &String| path.contains(".dacti-lock");
        let mut after = files(&self.at(""));
        after.retain(|path, _| !locks(path));
        assert!(before.iter().filter(|(path, _)| !locks(path)).eq(&after), "it wrote something");
    }
}

/// Returns the contents of all files below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let inner = files(&path);
            found.extend(inner.into_iter().map(|(path, bytes)| (format!("{name}/{path}"), bytes)));
        } else {
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

const PACKAGE: &str = "out/dacti-site/site.dacti-pack";

#[test]
fn a_site_has_a_worker_with_the_key_and_a_package_in_parts() {
    let site = Site::new();
    let made = site.made(&["--sign", "key", "--precache=docs/", "--base", "/sub/"]);
    assert_eq!((&made["standing"], &made["sequence"]), (&"first".into(), &1.into()), "{made}");
    assert_eq!((&made["files"], &made["signed"]), (&21.into(), &true.into()));
    let out = files(&site.at("out"));
    let text = |name: &str| String::from_utf8(out[name].clone()).unwrap();
    let key = fs::read_to_string(site.at("key.pub")).unwrap();
    let line = key.lines().find(|line| line.starts_with("dacti-ed25519-public")).unwrap();
    let worker = text("dacti-worker.js");
    let call = worker.lines().last().unwrap();
    assert!(call.contains(line), "{call}");
    assert!(call.contains(r#""precache":["docs/"]"#), "{call}");
    assert!(call.contains(r#""package":"dacti-site/site.dacti-pack""#), "{call}");
    // The worker names a WebAssembly module, which must exist.
    let named = call.split("\"url\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert!(out[named].starts_with(b"\0asm"), "{named}");
    assert!(call.contains("\"integrity\":\"sha256-"));
    assert!(text("index.html").contains("src=\"dacti-site/boot.js\""));
    assert!(text("404.html").contains("src=\"/sub/dacti-site/boot.js\""));
    for page in ["index.html", "404.html"] {
        assert!(text(page).contains("default-src 'none'"), "{page}");
    }
    let package = Package::open(site.at(PACKAGE)).unwrap();
    assert_eq!(package.get("index.html").unwrap(), b"<h1>Home</h1>");
    let parts = package.view().parts().unwrap();
    assert!(parts.region.is_signed());
}

#[test]
fn a_second_run_publishes_what_changed() {
    let site = Site::new();
    site.made(&["--sign", "key"]);
    let before = files(&site.at("out"));
    assert_eq!(site.made(&["--sign", "key"])["standing"], "same");
    assert_eq!(files(&site.at("out")), before);
    site.write("in/docs/3.html", b"<p>changed</p>");
    site.write("in/new.html", b"<p>new</p>");
    fs::remove_file(site.at("in/docs/4.html")).unwrap();
    let made = site.made(&["--sign", "key"]);
    assert_eq!((&made["standing"], &made["sequence"]), (&"continued".into(), &2.into()), "{made}");
    let after = files(&site.at("out"));
    let added: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
    assert_eq!(added.len(), 1, "{added:?}");
    // The removal causes a fold. It writes a new index of one group, which takes 6 KiB.
    assert!(after[added[0]].len() < 8192, "one small part");
    for (path, bytes) in &before {
        let is_head = path == "dacti-site/site.dacti-pack";
        assert_eq!(after[path] == *bytes, !is_head, "{path}");
    }
    let package = Package::open(site.at(PACKAGE)).unwrap();
    assert_eq!(package.get("docs/3.html").unwrap(), b"<p>changed</p>");
    assert_eq!(package.get("new.html").unwrap(), b"<p>new</p>");
    assert!(package.find("docs/4.html").unwrap().is_none());
    assert_eq!(package.get("docs/5.html").unwrap(), [b'f'; 5000]);
}

#[test]
fn a_site_loses_no_file_and_publishes_no_secret() {
    let site = Site::new();
    site.refused(&["site", "in", "-o", "in"], "lies in in");
    site.refused(&["site", "in", "-o", "in/new/out"], "lies in in");
    site.refused(&["site", "none", "-o", "out"], "is not a folder");
    site.write("full/index.html", b"mine");
    site.refused(&["site", "in", "-o", "full"], "name a new folder");
    site.write("in/dacti-site/x", b"x");
    site.refused(&["site", "in", "-o", "out"], "the worker needs this name");
    fs::remove_dir_all(site.at("in/dacti-site")).unwrap();
    fs::copy(site.at("key"), site.at("in/key")).unwrap();
    let (code, _, err) = site.run(&["site", "in", "-o", "out"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("is a private key and would be published"), "{err}");
    assert!(!site.at("out/index.html").exists());
    fs::remove_file(site.at("in/key")).unwrap();
    // Hidden files are left out, as by `dacti pack`.
    site.write("in/.env", b"secret");
    site.made(&[]);
    assert!(Package::open(site.at(PACKAGE)).unwrap().find(".env").unwrap().is_none());
}

#[test]
fn the_pinned_key_stays() {
    let site = Site::new();
    site.made(&["--sign", "key"]);
    site.write("in/index.html", b"<h1>Other</h1>");
    site.refused(&["site", "in", "-o", "out"], "--sign KEY signs the update");
    assert_eq!(site.run(&["key", "new", "-o", "other"]).0, Some(0));
    site.refused(&["site", "in", "-o", "out", "--sign", "other"], "another key has signed");
    assert_eq!(site.run(&["site", "in", "-o", "plain"]).0, Some(0));
    site.refused(&["site", "in", "-o", "plain", "--sign", "key"], "the site is not signed");
}

#[test]
fn a_served_site_answers_unknown_paths_with_its_first_page() {
    let site = Site::new();
    site.made(&[]);
    let server = Served::start(&site.at("out"), &[]);
    let page = http::ask(&server.address, "GET", "/docs/3", "").unwrap();
    assert_eq!((page.status, page.field("cache-control")), (404, "no-store"));
    assert_eq!(page.field("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.body, fs::read(site.at("out/404.html")).unwrap());
    let ranged = http::ask(&server.address, "GET", "/docs/3", "range: bytes=0-3\r\n").unwrap();
    assert_eq!((ranged.status, ranged.body), (404, page.body));
    let part = fs::read_dir(site.at("out/dacti-site/site.dacti-pack.parts")).unwrap();
    let part = part.map(|entry| entry.unwrap().file_name()).next().unwrap();
    let path = format!("/dacti-site/site.dacti-pack.parts/{}", part.to_str().unwrap());
    let part = http::ask(&server.address, "GET", &path, "range: bytes=0-9\r\n").unwrap();
    assert_eq!(part.status, 206);
    assert!(part.field("cache-control").contains("immutable"));
}

#[test]
fn the_inspector_is_served_below_a_folder_that_nobody_can_guess() {
    let site = Site::new();
    site.made(&[]);
    let mut child = Command::new(program())
        .args(["-q", "inspect", "--serve", PACKAGE])
        .current_dir(site.at(""))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (page, file) = line.trim().split_once("#served=").unwrap();
    let (address, path) = page.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let folder = path.split('/').next().unwrap();
    assert_eq!(folder.len(), 32, "{folder}");
    let get = |path: &str| http::ask(address, "GET", path, "").unwrap();
    let shown = get(&format!("/{path}"));
    assert_eq!((shown.status, shown.field("content-type")), (200, "text/html; charset=utf-8"));
    let file = file.strip_prefix(&format!("http://{address}")).unwrap();
    assert_eq!(get(file).body, fs::read(site.at(PACKAGE)).unwrap());
    let module = get(&format!("/{folder}/-inspector/dacti.wasm"));
    assert!(module.body.starts_with(b"\0asm"));
    for hidden in ["/", "/site.dacti-pack", "/-inspector/dacti.js", &format!("/{folder}/key")] {
        assert_eq!(get(hidden).status, 404, "{hidden}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, _, err) = site.run(&["inspect", "--serve", "s3://bucket/p"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("dacti pull"), "{err}");
}
