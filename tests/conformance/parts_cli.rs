//! The program's verbs with packages in parts, which are in a folder.

use crate::store::NAME;
use crate::updates::content;
use dacti_tests::program::Folder;
use dacti_tests::reference::parts::assemble;
use dacti_tests::served::Served;
use serde_json::Value;
use std::fs;
use std::ops::Deref;

struct Site(Folder);

impl Deref for Site {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.0
    }
}

impl Site {
    /// Publishes a package of ten files.
    fn new() -> Self {
        let site = Self(Folder::new());
        for n in 0..10 {
            site.write(&format!("in/file/{n}"), &content(n, 0));
        }
        site.ok(&["pack", "in", "-o", "one", "--encoding", "none"]);
        site.ok(&["publish", "one", "www/p.dacti-pack"]);
        site
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {err}");
        out
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32, says: &str) {
        let (found, _, err) = self.run(arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {err}");
        assert!(err.contains(says), "{err}");
    }

    fn assembled(&self) -> Vec<u8> {
        let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
        let read = |name: &str| fs::read(self.at("www").join(name)).unwrap();
        assemble(&read(NAME), &hash, &read)
    }
}

const PKG: &str = "www/p.dacti-pack";

#[test]
fn a_local_head_is_a_package_for_every_verb() {
    let site = Site::new();
    assert_eq!(site.assembled(), fs::read(site.at("one")).unwrap());
    assert_eq!(site.ok(&["ls", PKG]).lines().count(), 10);
    assert_eq!(
        site.ok(&["get", PKG, "file/3"]).len(),
        String::from_utf8_lossy(&content(3, 0)).len()
    );
    site.ok(&["unpack", PKG, "-C", "out"]);
    assert_eq!(fs::read(site.at("out/file/9")).unwrap(), content(9, 0));
    site.ok(&["verify", PKG]);
    site.ok(&["diff", PKG, "one"]);
    site.write("n", b"changed");
    site.ok(&["put", PKG, "file/3=n", "one-more=n"]);
    assert_eq!(site.ok(&["get", PKG, "file/3"]), "changed");
    site.ok(&["rm", PKG, "file/4"]);
    assert_eq!(site.ok(&["ls", PKG]).lines().count(), 10);
    site.ok(&["sync", PKG, "in", "--delete"]);
    assert_eq!(site.ok(&["ls", PKG]).lines().count(), 10);
    let inspected: Value = serde_json::from_str(&site.ok(&["inspect", PKG, "--json"])).unwrap();
    assert_eq!(inspected["format"]["version"], "0.2");
    site.write("assembled", &site.assembled());
    site.ok(&["verify", "assembled"]);
    site.ok(&["compact", PKG]);
    assert_eq!(
        site.ok(&["get", PKG, "file/4"]).len(),
        String::from_utf8_lossy(&content(4, 0)).len()
    );
    site.ok(&["compact", PKG, "-o", "compacted"]);
    assert_eq!(site.ok(&["ls", "compacted"]), site.ok(&["ls", PKG]));
    site.ok(&["du", PKG]);
}

#[test]
fn versions_are_listed_read_and_brought_back() {
    let site = Site::new();
    site.write("n", b"second");
    site.ok(&["put", PKG, "file/1=n", "--archive"]);
    site.write("n", b"third");
    site.ok(&["put", PKG, "file/1=n", "--archive"]);
    let log = site.ok(&["log", PKG, "--json"]);
    let versions: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = versions.iter().map(|v| v["version"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(site.ok(&["get", PKG, "file/1", "--at", "2"]), "second");
    assert_eq!(site.ok(&["get", PKG, "file/1"]), "third");
    site.refused(&["get", PKG, "file/1", "--at", "7"], 1, "no version 7: `dacti log` lists");
    let head = format!("www/{}", versions[0]["object"].as_str().unwrap());
    assert!(site.at(&head).is_file());
    site.ok(&["tag", PKG, "preview"]);
    site.ok(&["tag", PKG, NAME, "--at", "2"]);
    assert_eq!(site.ok(&["get", PKG, "file/1"]), "second");
    assert_eq!(site.ok(&["get", "www/preview", "file/1"]), "third");
}

#[test]
fn a_copy_is_pulled_over_http_and_grows() {
    let site = Site::new();
    let server = Served::start(&site.at("www"), &[]);
    let url = format!("http://{}/{NAME}", server.address);
    site.ok(&["pull", &url, "copy"]);
    assert_eq!(fs::read(site.at("copy")).unwrap(), site.assembled());
    site.write("n", b"changed");
    site.ok(&["put", PKG, "file/3=n"]);
    let pulled: Value = serde_json::from_str(&site.ok(&["pull", &url, "copy", "--json"])).unwrap();
    assert_eq!(pulled["copy"], "grown");
    assert!(pulled["fetched"].as_u64().unwrap() < 1000, "{pulled}");
    assert_eq!(fs::read(site.at("copy")).unwrap(), site.assembled());
    site.ok(&["unpack", &url, "-C", "out"]);
    assert_eq!(fs::read(site.at("out/file/3")).unwrap(), b"changed");
    let planned = site.ok(&["get", &url, "file/3", "--dry-run"]);
    assert!(planned.contains("to fetch    1 request, 39 bytes"), "{planned}");
}

#[test]
fn wrong_places_are_refused_with_the_way_out() {
    let site = Site::new();
    site.write("n", b"new");
    site.refused(&["put", "http://127.0.0.1:1/p", "a=n"], 2, "a web server takes no uploads");
    site.refused(&["publish", "one", "https://host/p"], 2, "name the bucket or the folder");
    site.refused(&["put", PKG, "a=n", "--plan", "plan"], 2, "run again without --plan");
    site.refused(&["compact", "one"], 2, "-o OUT");
    site.refused(&["log", "one"], 1, "is not the head of a package in parts");
    site.refused(&["gc", PKG, "--grace", "0"], 1, "give at least 3600");
    site.refused(&["publish", "one", "www/other", "--prefix", "../"], 1, "cannot be the folder");
    site.refused(&["tag", PKG, "../up"], 1, "one plain path segment");
    // The test damages the package's part in three ways: it shortens the file, removes it, and puts
    // a folder in its place.
    let part = fs::read_dir(site.at("www/p.dacti-pack.parts")).unwrap().next().unwrap().unwrap();
    let bytes = fs::read(part.path()).unwrap();
    fs::write(part.path(), &bytes[1..]).unwrap();
    site.refused(&["get", PKG, "file/1"], 1, "has");
    fs::remove_file(part.path()).unwrap();
    site.refused(&["get", PKG, "file/1"], 1, "No such file");
    fs::create_dir(part.path()).unwrap();
    site.refused(&["get", PKG, "file/1"], 1, "not a regular file");
    // The head is one byte too short.
    fs::write(site.at(PKG), &fs::read(site.at(PKG)).unwrap()[..65_535]).unwrap();
    site.refused(&["get", PKG, "file/1"], 1, "65535");
}
