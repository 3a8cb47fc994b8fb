//! Reads from our gateway with clients that other projects wrote: `@ipld/car` and
//! `ipfs-unixfs-exporter` from npm. The clients verify the answers. The files that they write must
//! equal the packed files.

use super::npm::{programs, run};
use dacti_tests::lab::{Tool, full, missing};
use dacti_tests::program::program;
use dacti_tests::served::Served;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Creates a folder of files: empty files, short files, files whose names need escapes, a long
/// file, and 6,000 more files, which make the folder sharded.
fn input(folder: &Path, long: usize) {
    fs::create_dir_all(folder.join("many")).unwrap();
    fs::create_dir_all(folder.join("deep/er/st")).unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("deep/er/st/a b%2F\u{e4}.txt"), "hello").unwrap();
    for number in 0..6_000 {
        let name = format!("a name that makes the folder large enough to be sharded {number}");
        fs::write(folder.join("many").join(name), number.to_string()).unwrap();
    }
    let mut file = File::create(folder.join("deep/long.bin")).unwrap();
    let mut state = 1_u64;
    for _ in 0..long {
        let mut mebibyte = Vec::with_capacity(1 << 20);
        while mebibyte.len() < 1 << 20 {
            // These numbers are pseudo-random (Knuth's generator), so no two leaves are equal.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            mebibyte.extend(state.to_le_bytes());
        }
        file.write_all(&mebibyte).unwrap();
    }
}

#[test]
fn clients_of_others_read_and_verify_what_the_gateway_serves() {
    if missing(&[Tool::NODE, Tool::NPM]) {
        return;
    }
    let clients = programs();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    // A file of 1 GiB takes time and space, so only the full lab has it.
    input(&at("in"), if full() { 1024 } else { 48 });
    fs::create_dir(at("site")).unwrap();
    let mut create = Command::new(program());
    create.current_dir(dir.path()).args(["dar", "create", "in", "-o", "site/x.dar", "--json"]);
    let made: serde_json::Value = serde_json::from_str(&run(&mut create)).unwrap();
    let (root, blocks) = (made["roots"][0]["cid"].as_str().unwrap(), &made["written"]["blocks"]);
    let served = Served::start(&at("site"), &[]);
    let gateway = format!("http://{}", served.address);
    let client = |mode: &str, more: &[&str]| {
        let mut node = Tool::NODE.command().unwrap();
        node.current_dir(&clients).args(["gateway.mjs", mode, &gateway, root]).args(more);
        serde_json::from_str::<serde_json::Value>(&run(&mut node)).unwrap()
    };
    // The client reads one CAR, and checks that each block matches its CID.
    assert_eq!(client("car", &[])["blocks"], *blocks);
    let same = |name: &str| {
        let told = run(Command::new("diff").arg("-r").arg(at("in")).arg(at(name)));
        assert_eq!(told, "", "{name}");
        fs::remove_dir_all(at(name)).unwrap();
    };
    // The client requests each block separately.
    assert_eq!(client("raw", &[at("raw").to_str().unwrap()])["files"], 6_003);
    same("raw");
    if !full() {
        // The client reads one CAR, and keeps the blocks in memory.
        assert_eq!(client("tree", &[at("tree").to_str().unwrap()])["files"], 6_003);
        same("tree");
    }
    // Our own program reads the archive, from the file and over HTTP.
    for source in ["site/x.dar".to_owned(), format!("{gateway}/x.dar")] {
        let mut extract = Command::new(program());
        extract.current_dir(dir.path()).args(["dar", "extract", &source, "--files", "-C", "out"]);
        run(&mut extract);
        same("out");
    }
}
