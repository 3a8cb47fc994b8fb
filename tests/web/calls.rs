//! Single calls of the reader: calls that are aborted, answers like those of a server, cached
//! answers, and calls with stale caches or bad servers.

use crate::{Site, System};
use dacti_tests::program::program;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::Command;

const SYSTEMS: [System; 3] = [System::Node, System::Deno, System::Chromium];

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a content that Brotli makes shorter.
fn text(n: usize) -> Vec<u8> {
    (0..400).flat_map(|line| format!("line {line} of file {n}\n").into_bytes()).collect()
}

fn noise(n: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32.wrapping_mul(u32::try_from(n).expect("few files") + 1) | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..9000).map(|_| step()).collect()
}

fn run(folder: &Path, arguments: &[&str]) {
    let output = Command::new(program()).args(arguments).current_dir(folder).output();
    let output = output.expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
}

/// Packs 40 files into a signed package, and publishes it in parts, as `p.dacti-pack` and as
/// `q.dacti-pack`.
fn publish(folder: &Path) {
    let files = folder.join("files");
    fs::create_dir(&files).expect("a folder");
    for n in 0..20 {
        fs::write(files.join(format!("text-{n}.txt")), text(n)).expect("a file");
        fs::write(files.join(format!("noise-{n}.bin")), noise(n)).expect("a file");
    }
    run(folder, &["key", "new", "-o", "k.key"]);
    run(folder, &["key", "new", "-o", "other.key"]);
    run(folder, &["pack", "files", "-o", "p.dacti-pack", "--sign", "k.key"]);
    run(folder, &["publish", "p.dacti-pack", "q.dacti-pack", "--sign", "k.key"]);
}

fn key(site: &Site, name: &str) -> String {
    fs::read_to_string(site.path().join(name)).expect("the program wrote it")
}

/// Returns the digest of each region.
fn expected() -> Value {
    let texts = (0..20).map(|n| (format!("text-{n}.txt"), digest(&text(n)).into()));
    let noises = (0..20).map(|n| (format!("noise-{n}.bin"), digest(&noise(n)).into()));
    Value::Object(texts.chain(noises).collect())
}

#[test]
fn the_first_region_takes_two_round_trips() {
    let site = Site::new(publish);
    for system in SYSTEMS {
        for name in ["p.dacti-pack", "q.dacti-pack"] {
            let found = site.run(system, "firstRegion", &json!([site.url(name), "text-3.txt"]));
            assert_eq!(found["content"], digest(&text(3)), "{system:?} {name}");
            assert_eq!((&found["requests"], &found["roundTrips"]), (&json!(2), &json!(2)));
        }
    }
}

#[test]
fn an_aborted_call_ends_its_requests_and_nothing_else() {
    let site = Site::new(publish);
    for system in SYSTEMS {
        let found = site.run(system, "aborts", &json!([site.url("q.dacti-pack"), "text-3.txt"]));
        for when in ["before", "while"] {
            for call in ["get", "stream", "response", "refresh", "open"] {
                assert_eq!(found[when][call], true, "{system:?}: {call} {when}: {found}");
            }
        }
        assert_eq!(found["stopped"], 5, "{system:?}");
        assert_eq!(found["after"], digest(&text(3)), "{system:?}");
    }
}

/// A read must keep its package alive. Here, the look-up takes two requests, and the test runs the
/// garbage collector before each of them.
#[test]
fn a_package_that_is_dropped_or_closed_ends_its_reads() {
    let site = Site::new(|folder| {
        let files = folder.join("files");
        fs::create_dir(&files).expect("a folder");
        for n in 0..3000 {
            fs::write(files.join(format!("{n}.txt")), text(n)).expect("a file");
        }
        run(folder, &["pack", "files", "-o", "p.dacti-pack"]);
    });
    let found = site.run(System::Node, "dropped", &json!([site.url("p.dacti-pack"), "1234.txt"]));
    let content = digest(&text(1234));
    let expected = json!({ "content": content, "stream": content, "closed": "unavailable" });
    assert_eq!(found, expected);
}

#[test]
fn responses_are_those_of_a_server() {
    let site = Site::new(publish);
    for system in SYSTEMS {
        for (path, content, kind) in [
            ("text-1.txt", text(1), "text/plain; charset=utf-8"),
            ("noise-1.bin", noise(1), "application/octet-stream"),
        ] {
            let len = content.len();
            let arguments = json!([site.url("p.dacti-pack"), path, len]);
            let found = site.run(system, "responses", &arguments);
            let answer =
                |status: u16, length: Option<usize>, range: Option<String>, body: &[u8]| {
                    let length = length.map(|length| length.to_string());
                    let body = digest(body);
                    json!({ "status": status, "type": kind, "length": length, "range": range,
                    "body": body })
                };
            let part = |start: usize, end: usize| {
                let range = format!("bytes {start}-{}/{len}", end - 1);
                answer(206, Some(end - start), Some(range), &content[start..end])
            };
            let whole = answer(200, Some(len), None, &content);
            let name = format!("{system:?} {path}");
            assert_eq!(found["plain"], whole, "{name}");
            assert_eq!(found["head"], answer(200, Some(len), None, &[]), "{name}");
            assert_eq!(found["first"], part(0, 10), "{name}");
            assert_eq!(found["last"], part(len - 5, len), "{name}");
            assert_eq!(found["open"], part(len - 3, len), "{name}");
            let outside = answer(416, None, Some(format!("bytes */{len}")), &[]);
            assert_eq!(found["outside"], outside, "{name}");
            assert_eq!(found["same"], answer(304, None, None, &[]), "{name}");
            for other in ["several", "other", "late"] {
                assert_eq!(found[other], whole, "{name} {other}");
            }
            assert_eq!(found["absent"]["kind"], "not found", "{name}");
        }
    }
}

#[test]
fn a_range_that_is_cached_costs_no_request() {
    let site = Site::new(publish);
    let arguments = json!([site.url("q.dacti-pack"), "text-3.txt"]);
    let cost = |requests: u32, hits: u32| {
        let content = digest(&text(3));
        json!({ "content": content, "requests": requests, "cacheHits": hits })
    };
    // Chromium has Cache Storage for pages from the loopback address, and Node has no Cache
    // Storage.
    let in_chromium = site.run(System::Chromium, "cached", &arguments);
    assert_eq!(in_chromium, json!([cost(2, 0), cost(1, 1)]));
    assert_eq!(site.run(System::Node, "cached", &arguments), json!([cost(2, 0), cost(2, 0)]));
    // Only the names of parts are hashes of their bytes, so only parts are cached. A package in one
    // file has no parts.
    let arguments = json!([site.url("p.dacti-pack"), "text-3.txt"]);
    let whole = site.run(System::Chromium, "cached", &arguments);
    assert_eq!(whole, json!([cost(2, 0), cost(2, 0)]));
}

#[test]
fn a_bad_server_gives_no_wrong_bytes() {
    let site = Site::new(publish);
    let expected = expected();
    let mut right = 0;
    for name in ["p.dacti-pack", "q.dacti-pack"] {
        for (system, seeds) in [(System::Node, 1..40), (System::Chromium, 40..44)] {
            for seed in seeds {
                let keys = json!({ "keys": [key(&site, "k.key.pub")] });
                let options = if seed % 2 == 0 { keys } else { json!({}) };
                let arguments = json!([site.url(name), seed, options]);
                let found = site.run(system, "tampered", &arguments);
                for (path, content) in found.as_object().expect("regions or an error") {
                    if content.is_string() && path != "kind" && path != "what" {
                        assert_eq!(content, &expected[path], "{name} seed {seed} {path}");
                        right += 1;
                    }
                }
                assert!(found.get("thrown").is_none(), "{name} seed {seed}: {found}");
            }
        }
    }
    assert!(right > 100, "only {right} regions were read at all");
}

#[test]
fn only_a_trusted_key_counts() {
    let site = Site::new(publish);
    for system in SYSTEMS {
        for name in ["p.dacti-pack", "q.dacti-pack"] {
            let read = |file: &str| {
                let keys = json!({ "keys": [key(&site, file)], "cache": false });
                site.run(system, "packageOf", &json!([site.url(name), keys]))
            };
            let own = read("k.key.pub");
            assert_eq!(own["contents"], expected(), "{system:?} {name}");
            let public = key(&site, "k.key.pub");
            let hex = public.lines().last().and_then(|line| line.split(' ').nth(2));
            assert_eq!(own["signer"].as_str(), hex, "{system:?} {name}");
            let other = read("other.key.pub");
            assert_eq!(other["kind"], "denied", "{system:?} {name}: {other}");
        }
        let secret = json!({ "keys": [key(&site, "k.key")] });
        let found = site.run(system, "packageOf", &json!([site.url("p.dacti-pack"), secret]));
        assert_eq!(found["kind"], "misuse", "{system:?}");
    }
}

#[test]
fn a_stale_head_leads_to_an_old_package_and_never_back() {
    let site = Site::new(|folder| {
        publish(folder);
        fs::copy(folder.join("q.dacti-pack"), folder.join("stale")).expect("a file");
        fs::write(folder.join("new.txt"), "new").expect("a file");
        run(folder, &["put", "q.dacti-pack", "text-3.txt=new.txt", "--sign", "k.key"]);
    });
    for system in SYSTEMS {
        let arguments = json!([site.url("q.dacti-pack"), site.url("stale"), "text-3.txt"]);
        let found = site.run(system, "staleHead", &arguments);
        let (old, new) = (digest(&text(3)), digest(b"new"));
        let expected = json!({
            "stale": old, "still": false, "again": old,
            "fresh": true, "content": new, "sequences": [1, 2],
            "back": false, "last": new,
        });
        assert_eq!(found, expected, "{system:?}");
    }
}

#[test]
fn a_file_is_described_as_the_program_describes_it() {
    let site = Site::new(|folder| {
        publish(folder);
        fs::write(folder.join("other.bin"), dacti_tests::NOTE).expect("a file");
    });
    for name in ["p.dacti-pack", "q.dacti-pack", "other.bin"] {
        let output = Command::new(program())
            .args(["inspect", "--json", name])
            .current_dir(site.path())
            .output()
            .expect("the program starts");
        let expected: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        for system in SYSTEMS {
            let found = site.run(system, "described", &json!([site.url(name)]));
            assert_eq!(found["url"], expected, "{system:?} {name}");
            if name != "q.dacti-pack" {
                assert_eq!(found["file"], expected, "{system:?} {name}");
            }
        }
    }
}
