//! `dacti dar` over HTTP: counts requests, and compares the results with those of a local file.

use crate::dar_cli::Folder;
use crate::dar_support::{cid, tree, tree_plan, write};
use dacti_tests::dar_reference::Block;
use dacti_tests::served::Served;
use std::fs;

/// Returns the numbers of requests and of bytes that `--stats` has printed.
fn spent(err: &str) -> (u64, u64) {
    let line = err.lines().find(|line| line.contains(" requests, ")).expect("it tells");
    let mut numbers = line.split(|c: char| !c.is_ascii_digit()).filter(|text| !text.is_empty());
    let mut next = || numbers.next().expect("a number").parse().expect("a number");
    (next(), next())
}

#[test]
fn a_block_takes_four_requests_and_a_sub_dag_four() {
    let folder = Folder::new();
    let blocks = tree(24 * 1000 + 1, 400, 5);
    fs::create_dir(folder.at("site")).expect("a folder");
    fs::write(folder.at("site/x.dar"), write(&tree_plan(&blocks, true))).expect("a file");
    let served = Served::start(&folder.at("site"), &[]);
    let url = format!("http://{}/x.dar", served.address);
    for number in [0, 1, 777, 12_345, 24_000] {
        let name = cid(&blocks[number].cid).to_string();
        let (_, err) = folder.ends(0, &["get", &url, &name, "-o", "block", "--stats"]);
        assert_eq!(fs::read(folder.at("block")).expect("it is there"), blocks[number].data);
        let (requests, bytes) = spent(&err);
        assert!(requests <= 4 && bytes <= 4 << 16, "{number}: {requests} requests, {bytes} bytes");
    }
    // The subtree has 2,667 blocks and 1 MB. One range fetches it.
    let child = cid(&blocks[1].cid).to_string();
    let (_, err) = folder.ends(0, &["extract", &url, &child, "-o", "remote.dar", "--stats"]);
    let (requests, bytes) = spent(&err);
    folder.ends(0, &["extract", "site/x.dar", &child, "-o", "local.dar"]);
    let read = |name: &str| fs::read(folder.at(name)).expect("it is there");
    let most = read("local.dar").len() as u64 + (4 << 16);
    assert!(requests <= 4 && bytes <= most, "{requests} requests, {bytes} bytes");
    assert_eq!(read("remote.dar"), read("local.dar"));
    // Each of these verbs reads the whole archive.
    for verb in ["verify", "ls", "roots", "inspect"] {
        let remote = folder.run(&[verb, &url], None);
        let local = folder.run(&[verb, "site/x.dar"], None);
        let err = String::from_utf8_lossy(&remote.stderr);
        let told = (remote.status.code(), &remote.stdout);
        assert_eq!(told, (Some(0), &local.stdout), "{verb}: {err}");
    }
    for (verb, more) in [("to-car", None), ("index", Some("--remove")), ("salvage", None)] {
        let arguments =
            |source| [verb, source, "-o", "x"].into_iter().chain(more).collect::<Vec<_>>();
        folder.ends(0, &arguments(&url));
        let remote = read("x");
        folder.ends(0, &arguments("site/x.dar"));
        assert!(remote == read("x"), "{verb}");
    }
    // `salvage` reads the blocks twice, but it must fetch the archive only once.
    let (_, err) = folder.ends(0, &["salvage", &url, "-o", "x", "--stats"]);
    let len = fs::metadata(folder.at("site/x.dar")).expect("it is there").len();
    let (requests, bytes) = spent(&err);
    assert!(requests <= 2 + len.div_ceil(4 << 20) && bytes <= len + (64 << 10), "{err}");
    dry_runs_tell_what_runs_take(&folder, &url, &blocks);
    // The verb ends when the budget is used up.
    let (_, err) = folder.ends(1, &["verify", &url, "--max-bytes", "100000"]);
    assert!(!err.is_empty());
    let (_, err) = folder.ends(1, &["roots", &url.replace("x.dar", "absent.dar")]);
    assert!(err.contains("404"), "{err}");
}

/// Checks that the numbers of `--dry-run` are those of the run.
fn dry_runs_tell_what_runs_take(folder: &Folder, url: &str, blocks: &[Block]) {
    let planned = |arguments: &[&str]| {
        let (out, _) = folder.ends(0, &[arguments, &["--dry-run", "--json"]].concat());
        let plan: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        let number = |value: &serde_json::Value| value.as_u64().expect("a number");
        let ranges = plan["ranges"].as_array().expect("a list").len() as u64;
        let (requests, bytes) = (&plan["spent"]["requests"], &plan["spent"]["bytes"]);
        (number(requests) + ranges, number(bytes) + number(&plan["bytes"]), number(&plan["bytes"]))
    };
    let leaf = cid(&blocks[24_000].cid).to_string();
    let get = ["get", url, &leaf, "-o", "dry"];
    let (requests, bytes, _) = planned(&get);
    assert!(!folder.at("dry").exists(), "it writes nothing");
    let (_, err) = folder.ends(0, &[&get[..], &["--stats"]].concat());
    assert_eq!(spent(&err), (requests, bytes));
    // One range fetches a whole DAG.
    let child = cid(&blocks[1].cid).to_string();
    let extract = ["extract", url, &child, "-o", "dry2"];
    let (requests, bytes, _) = planned(&extract);
    assert!(!folder.at("dry2").exists());
    let (_, err) = folder.ends(0, &[&extract[..], &["--stats"]].concat());
    let (found, found_bytes) = spent(&err);
    assert!(found == requests && found_bytes <= bytes + (64 << 10), "{found} {found_bytes}");
    let len = fs::metadata(folder.at("site/x.dar")).expect("it is there").len();
    for verb in ["verify", "ls"] {
        assert_eq!(planned(&[verb, url]).2, len, "{verb}");
    }
    for verb in [&["to-car"][..], &["index", "--remove"], &["salvage"]] {
        assert_eq!(planned(&[verb, &[url, "-o", "dry3"]].concat()).2, len, "{verb:?}");
    }
    assert!(!folder.at("dry3").exists());
    // The first read fetches the end of the archive, which has the roots.
    assert_eq!(planned(&["roots", url]).2, 0);
    let (out, _) = folder.ends(0, &["roots", "site/x.dar", "--dry-run"]);
    let told = format!("spent       1 request, {} bytes", 64 << 10);
    assert!(out.contains(&told), "{out}");
}

#[test]
fn files_come_by_path_over_http() {
    let folder = Folder::new();
    fs::create_dir_all(folder.at("in/a/b")).expect("a folder");
    let large: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(folder.at("in/a/b/large"), &large).expect("a file");
    fs::write(folder.at("in/other"), vec![7; 3_000_000]).expect("a file");
    fs::create_dir(folder.at("site")).expect("a folder");
    folder.ends(0, &["create", "in", "-o", "site/x.dar"]);
    let served = Served::start(&folder.at("site"), &[]);
    let url = format!("http://{}/x.dar", served.address);
    let extract = ["extract", &url, "--path", "a/b", "--files", "-C", "out", "--stats"];
    let (_, err) = folder.ends(0, &extract);
    assert_eq!(fs::read(folder.at("out/large")).expect("it is there"), large);
    let (requests, bytes) = spent(&err);
    assert!(requests <= 10 && bytes < 3_500_000, "{requests} requests, {bytes} bytes");
    let (_, err) = folder.ends(1, &["extract", &url, "--path", "a/c", "-o", "x"]);
    assert!(err.contains("nothing is at a/c"), "{err}");
    // Extracting from the local file must give the same result.
    folder.ends(0, &["extract", "site/x.dar", "--path", "/a/b/", "--files", "-C", "local"]);
    assert_eq!(fs::read(folder.at("local/large")).expect("it is there"), large);
}
