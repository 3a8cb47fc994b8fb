//! TARs of the gateway, which the `tar` of the system unpacks. Also files that a TAR must not have.

use crate::dar_cli_files::archive;
use crate::dar_support::{block, leaf};
use crate::gateway::{Dag, Site, text};
use dacti_dar::unixfs::{Item, Metadata};
use dacti_tests::dar_reference as reference;
use dacti_tests::served::Served;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

const TWO_FILES: &str = "subdir-with-two-single-block-files";
const HAMT: &str = "single-layer-hamt-with-multi-block-files";
const CBOR: &str = "dir-with-dag-cbor-with-links";

/// Runs a program, checks that it succeeds, and returns its output.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("it is installed");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}");
    String::from_utf8(output.stdout).expect("text")
}

/// Unpacks a TAR into a new folder.
#[track_caller]
fn unpack(tar: &[u8], into: &Path) {
    fs::create_dir(into).unwrap();
    fs::write(into.with_extension("tar"), tar).unwrap();
    let file = into.with_extension("tar");
    // If an archive is well-formed, `tar` prints no warning.
    let output = Command::new("tar")
        .args(["-x", "-p", "--warning=no-timestamp", "-f"])
        .arg(file)
        .current_dir(into)
        .output();
    let output = output.expect("it is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// Fills a folder with files of all kinds.
fn fill(folder: &Path) {
    let long = "l".repeat(120);
    fs::create_dir_all(folder.join("deep/er").join(&long)).unwrap();
    fs::write(folder.join("empty"), "").unwrap();
    fs::write(folder.join("unit"), vec![1; 512]).unwrap();
    fs::write(folder.join("deep/er").join(&long).join("\u{105}\u{119}-\u{17a} \u{142}"), "x")
        .unwrap();
    let content: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(folder.join("deep/large.bin"), content).unwrap();
    symlink("unit", folder.join("link")).unwrap();
    symlink(format!("deep/er/{long}/{long}"), folder.join("far")).unwrap();
    // If a folder has a mode and a time, `tar` sets them, too.
    fs::create_dir(folder.join("none")).unwrap();
    fs::create_dir(folder.join("many")).unwrap();
    for number in 0..5_000 {
        let name = format!("a name that makes the folder large enough to be sharded {number}");
        fs::write(folder.join("many").join(name), number.to_string()).unwrap();
    }
    fs::set_permissions(folder.join("unit"), fs::Permissions::from_mode(0o751)).unwrap();
    let at = |seconds: u64, nanos| SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    let set = |name: &str, time| File::open(folder.join(name)).unwrap().set_modified(time).unwrap();
    set("unit", at(981_173_106, 0));
    set("deep/large.bin", at(981_173_106, 123_456_789));
    set("empty", SystemTime::UNIX_EPOCH - Duration::new(100, 250_000_000));
}

#[test]
fn files_folders_and_links_come_out_of_a_tar_as_they_went_in() {
    let site = Site::of(&[TWO_FILES]);
    fill(&site.folder.at("in"));
    let create = ["create", "in", "-o", "site/x.dar", "--json", "--symlinks", "keep"];
    let keep = ["--keep-modes", "--keep-times"];
    let (out, _) = site.folder.ends(0, &[&create[..], &keep].concat());
    let made: Value = serde_json::from_str(&out).unwrap();
    let root = made["roots"][0]["cid"].as_str().unwrap_or_else(|| panic!("{made}"));
    let served = Served::start(&site.folder.at("site"), &[]);
    let get = |target: &str, fields: &str| {
        dacti_tests::http::ask(&served.address, "GET", target, fields).unwrap()
    };
    let answer = get(&format!("/ipfs/{root}?format=tar"), "");
    assert_eq!((answer.status, answer.field("content-type")), (200, "application/x-tar"));
    assert_eq!(answer.field("etag"), format!("W/\"{root}.x-tar\""));
    let name = format!("attachment; filename=\"{root}.tar\"");
    assert_eq!(answer.field("content-disposition"), name);
    assert_eq!(answer.body.len() % 512, 0);
    unpack(&answer.body, &site.folder.at("out"));
    let [from, to] = ["in".to_owned(), format!("out/{root}")].map(|name| site.folder.at(&name));
    run(Command::new("diff").args(["-r", "--no-dereference"]).args([&from, &to]));
    for name in ["unit", "empty", "deep/large.bin", "none"] {
        let [from, to] = [&from, &to].map(|folder| fs::metadata(folder.join(name)).unwrap());
        assert_eq!(from.permissions().mode(), to.permissions().mode(), "{name}");
        if name != "none" {
            assert_eq!(from.modified().unwrap(), to.modified().unwrap(), "{name}");
        }
    }
    // The names in the TAR start with the last name of the requested path.
    let accept = "Accept: application/x-tar\r\n";
    let part = get(&format!("/ipfs/{root}/deep/er"), accept);
    assert_eq!(part.field("content-location"), format!("/ipfs/{root}/deep/er?format=tar"));
    unpack(&part.body, &site.folder.at("part"));
    let [from, to] = ["in/deep/er", "part/er"].map(|name| site.folder.at(name));
    run(Command::new("diff").arg("-r").args([&from, &to]));
    let one = get(&format!("/ipfs/{root}/unit?format=tar&filename=a.tar"), "");
    assert_eq!(one.field("content-disposition"), "attachment; filename=\"a.tar\"");
    unpack(&one.body, &site.folder.at("one"));
    assert_eq!(fs::read(site.folder.at("one/unit")).unwrap(), vec![1; 512]);
    let head =
        dacti_tests::http::ask(&served.address, "HEAD", &format!("/ipfs/{root}?format=tar"), "");
    assert!(head.unwrap().body.is_empty());
}

#[test]
fn trees_of_others_come_as_tars_and_documents_do_not() {
    let site = Site::of(&[HAMT, CBOR]);
    let root = text(&Dag::of(HAMT).root);
    let answer = site.get(&format!("/ipfs/{root}?format=tar"), "");
    unpack(&answer.body, &site.folder.at("out"));
    let files = fs::read_dir(site.folder.at("out").join(&root)).unwrap().count();
    assert_eq!(files, 1000);
    let content = fs::read(site.folder.at(&format!("out/{root}/685.txt"))).unwrap();
    assert_eq!(site.get(&format!("/ipfs/{root}/685.txt"), "").body, content);
    // A document is no file, so it cannot be in a TAR.
    let json = block(reference::DAG_JSON, reference::SHA2_256, b"\x01", &[]);
    let plan = crate::dar_support::plan(&[&json], &[&json]);
    let site = Site::of_files(&[("x.dar".into(), crate::dar_support::write(&plan))]);
    let answer = site.get(&format!("/ipfs/{}?format=tar", text(&json.cid)), "");
    assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(&answer.body));
}

/// Returns the bytes of an answer as they arrived, and whether the answer is complete.
fn raw(address: &str, target: &str) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = vec![];
    // The server may reset the connection after it has sent all bytes.
    let _ = stream.read_to_end(&mut bytes);
    let is_whole = bytes.ends_with(b"\r\n0\r\n\r\n");
    (bytes, is_whole)
}

#[test]
fn names_that_lead_out_of_the_tree_cut_a_tar() {
    let site = Site::of(&[TWO_FILES]);
    let plain = Metadata::default();
    let serve = |entries: Vec<(&str, Item)>, number: usize| {
        let folder = format!("site{number}");
        fs::create_dir(site.folder.at(&folder)).unwrap();
        let file = site.folder.at(&format!("{folder}/x.dar"));
        let mut root = None;
        archive(
            &file,
            |builder| {
                let entries = entries.into_iter().map(|(name, item)| (name.to_owned(), item));
                let item = builder.folder(entries.collect(), &plain).expect("it is small");
                root = Some(item.cid.to_string());
                item
            },
            &[b"evil"],
        );
        let (index, indexed) = (format!("{folder}/y.dar"), format!("{folder}/x.dar"));
        site.folder.ends(0, &["index", &indexed, "-o", &index]);
        (Served::start(&site.folder.at(&folder), &[]), root.expect("it was made"))
    };
    let evil = || Item::leaf(b"evil");
    for (number, name) in ["../evil", "..", "a/../../evil", "", "e\0f"].into_iter().enumerate() {
        let (served, root) = serve(vec![("good", evil()), (name, evil())], number);
        let (answer, is_whole) = raw(&served.address, &format!("/ipfs/{root}?format=tar"));
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && !is_whole, "{name:?}");
    }
    // Names with slashes are paths. They are allowed if they stay inside the tree.
    let (served, root) = serve(vec![("foobar/../a/./file", evil())], 10);
    let target = format!("/ipfs/{root}?format=tar");
    let answer = dacti_tests::http::ask(&served.address, "GET", &target, "").unwrap();
    unpack(&answer.body, &site.folder.at("inside"));
    let file = site.folder.at(&format!("inside/{root}/a/file"));
    assert_eq!(fs::read(file).unwrap(), b"evil");
    assert_eq!(fs::read_dir(site.folder.at("inside")).unwrap().count(), 1);
}

#[test]
fn no_path_of_a_tar_leads_through_a_symbolic_link() {
    let site = Site::of(&[TWO_FILES]);
    for (number, name) in ["out", "out/pwned"].into_iter().enumerate() {
        let folder = format!("links{number}");
        fs::create_dir(site.folder.at(&folder)).unwrap();
        let mut root = None;
        let file = format!("{folder}/x.dar");
        archive(
            &site.folder.at(&file),
            |builder| {
                let plain = Metadata::default();
                let link = builder.symlink(b"..", &plain);
                let evil = Item::leaf(b"evil");
                let through = builder.folder(vec![("pwned".into(), evil.clone())], &plain);
                let second = if name == "out" { through.expect("it is small") } else { evil };
                let entries = vec![("out".into(), link), (name.into(), second)];
                let item = builder.folder(entries, &plain).expect("it is small");
                root = Some(item.cid.to_string());
                item
            },
            &[b"evil"],
        );
        site.folder.ends(0, &["index", &file, "-o", &format!("{folder}/y.dar")]);
        let served = Served::start(&site.folder.at(&folder), &[]);
        let target = format!("/ipfs/{}?format=tar", root.expect("it was made"));
        let (answer, is_whole) = raw(&served.address, &target);
        assert!(answer.starts_with(b"HTTP/1.1 200 ") && !is_whole, "{name}");
    }
}

#[test]
fn a_tar_of_a_tree_without_end_lasts_as_long_as_the_client_reads() {
    // Each of the 60 folders has the next folder twice, under two different names.
    let mut blocks = vec![leaf(b"x")];
    for _ in 0..60 {
        let below = blocks.last().expect("it is not empty").cid.clone();
        let mut data = vec![];
        for name in [b"a", b"b"] {
            let mut link = vec![0x0a, u8::try_from(below.len()).unwrap()];
            link.extend(&below);
            link.extend([0x12, 1]);
            link.extend(name);
            data.extend([0x12, u8::try_from(link.len()).unwrap()]);
            data.extend(link);
        }
        data.extend([0x0a, 2, 0x08, 1]);
        let links = vec![below; 2];
        blocks.push(reference::Block { cid: reference::cid_v0(&data), data, links });
    }
    blocks.reverse();
    let all: Vec<_> = blocks.iter().collect();
    let plan = crate::dar_support::plan(&[&blocks[0]], &all);
    let site = Site::of_files(&[("x.dar".into(), crate::dar_support::write(&plan))]);
    let target = format!("/ipfs/{}?format=tar", text(&blocks[0].cid));
    let mut stream = TcpStream::connect(site.address()).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut bytes = vec![0; 1 << 20];
    stream.read_exact(&mut bytes).unwrap();
    drop(stream);
    let raw = site.get(&target.replace("tar", "raw"), "");
    assert_eq!(raw.status, 200, "the server goes on");
}
