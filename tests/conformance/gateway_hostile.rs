//! The gateway with requests and archives that are made to harm it.

use crate::dar_support::{block, leaf, node, plan, write};
use crate::gateway::{Dag, Site, car, text};
use dacti_dar::{WriteOptions, from_car};
use dacti_tests::dar_reference::{self as reference, Block};
use std::io::{Read, Write};
use std::net::TcpStream;

const MISSING: &str = "file-3k-and-3-blocks-missing-block";
const SHA: u64 = reference::SHA2_256;

/// Sends a request, and returns the bytes of the answer as they arrived.
fn raw(site: &Site, target: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(site.address()).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = vec![];
    // The server may reset the connection after it has sent all bytes.
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// Returns whether an answer in chunks has its last chunk, so that it is complete.
fn is_whole(answer: &[u8]) -> bool {
    answer.ends_with(b"\r\n0\r\n\r\n")
}

/// Serves an archive of these blocks. The first block is the root.
fn site(blocks: &[Block]) -> Site {
    let all: Vec<&Block> = blocks.iter().collect();
    Site::of_files(&[("x.dar".into(), write(&plan(&[&blocks[0]], &all)))])
}

#[test]
fn a_block_that_is_missing_cuts_the_answer() {
    let (site, dag) = (Site::of(&[MISSING]), Dag::of(MISSING));
    let first = dag.links(&dag.root)[0].1.clone();
    for query in
        ["format=car", "format=car&dag-scope=entity", "format=car&car-dups=y", "format=dar"]
    {
        let answer = raw(&site, &format!("/ipfs/{}?{query}", text(&dag.root)));
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{query}: it was told before");
        assert!(!is_whole(&answer), "{query}");
        // The server has sent the blocks before the missing one. For a DAR archive, it may still
        // hold some of them back.
        let data = &dag.blocks[&first];
        let has_come = answer.windows(data.len()).any(|window| window == data);
        assert!(has_come || query == "format=dar", "{query}");
    }
    // The answer for a file states the length of the file. It ends before that length.
    let answer = raw(&site, &format!("/ipfs/{}", text(&dag.root)));
    let told = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(told.contains("content-length: 3072"), "{told}");
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(answer.len() - head, 1024, "the first leaf");
    // The server still answers other requests.
    assert_eq!(site.get(&format!("/ipfs/{}?format=raw", text(&dag.root)), "").status, 200);
}

#[test]
fn a_block_that_was_altered_is_never_sent() {
    let dag = Dag::of("subdir-with-mixed-block-files");
    let bytes = crate::gateway::fixture("subdir-with-mixed-block-files");
    let options = WriteOptions { index: true, ..WriteOptions::default() };
    let (mut dar, _) = from_car(&bytes[..], Vec::new(), &options).unwrap();
    let leaf = dag.all(&dag.root).last().unwrap().clone();
    let data = &dag.blocks[&leaf];
    let at = dar.windows(data.len()).rposition(|window| window == data).unwrap();
    dar[at] ^= 1;
    let site = Site::of_files(&[("x.dar".into(), dar)]);
    assert_eq!(site.get(&format!("/ipfs/{}?format=raw", text(&leaf)), "").status, 500);
    assert!(!is_whole(&raw(&site, &format!("/ipfs/{}?format=car", text(&dag.root)))));
}

#[test]
fn a_chain_of_any_depth_and_a_fan_of_any_width_are_walked() {
    // The DAG is a chain of 20,000 blocks. Each block links to its own leaf, and then to the next
    // block.
    let mut blocks = vec![node(b"end", &[])];
    for number in 0..20_000_u32 {
        let leaf = leaf(&number.to_be_bytes());
        let next = node(b"", &[&leaf, blocks.last().unwrap()]);
        blocks.extend([leaf, next]);
    }
    blocks.reverse();
    let site = self::site(&blocks);
    for dups in ["y", "n"] {
        let path = format!("/ipfs/{}?format=car&car-dups={dups}", text(&blocks[0].cid));
        let (_, found) = car(&site.get(&path, "").body);
        let found: Vec<_> = found.into_iter().map(|(cid, _)| cid).collect();
        let expected: Vec<_> = blocks.iter().map(|block| block.cid.clone()).collect();
        assert!(found == expected, "{dups}");
    }
    // The DAG is one node that links to 20,000 leaves, to each of them twice.
    let leaves: Vec<Block> = (0..20_000_u32).map(|n| leaf(&n.to_le_bytes())).collect();
    let twice: Vec<&Block> = leaves.iter().flat_map(|leaf| [leaf, leaf]).collect();
    let top = node(b"", &twice);
    let blocks = [vec![top], leaves.clone()].concat();
    let site = self::site(&blocks);
    for (dups, count) in [("y", 40_001), ("n", 20_001)] {
        let path = format!("/ipfs/{}?format=car&car-dups={dups}", text(&blocks[0].cid));
        assert_eq!(car(&site.get(&path, "").body).1.len(), count);
    }
}

#[test]
fn dags_that_grow_without_end_by_their_repeats_are_sent_once_or_as_long_as_the_client_reads() {
    // Each of the 60 blocks links to the next block twice, so 2^60 paths lead to the last block.
    let mut blocks = vec![leaf(b"end")];
    for number in 0..60_u8 {
        let next = blocks.last().unwrap();
        blocks.push(node(&[number], &[next, next]));
    }
    blocks.reverse();
    let site = self::site(&blocks);
    let path = format!("/ipfs/{}?format=car", text(&blocks[0].cid));
    assert_eq!(car(&site.get(&path, "").body).1.len(), 61);
    // With repeated blocks, the answer practically never ends. The server can send 32 such answers
    // at once. When a client closes its connection, the server must stop its answer.
    for _ in 0..40 {
        let mut stream = TcpStream::connect(site.address()).unwrap();
        let request = format!("GET {path}&car-dups=y HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut some = [0; 1000];
        stream.read_exact(&mut some).unwrap();
        assert!(some.starts_with(b"HTTP/1.1 200 "));
    }
    assert_eq!(site.get(&path, "").status, 200);
}

/// Returns a UnixFS file with `count` links to one block. It states a length of `len` for each of
/// them.
fn file_of(link: &Block, count: usize, len: u64) -> Block {
    let mut message = vec![0x08, 2];
    for _ in 0..count {
        message.push(0x20);
        message.extend(reference::uvarint(len));
    }
    message.push(0x18);
    message.extend(reference::uvarint(len.wrapping_mul(count as u64)));
    let links = vec![link.cid.clone(); count];
    block(reference::DAG_PB, SHA, &message, &links)
}

#[test]
fn a_file_of_astronomic_length_is_read_where_it_is_asked_for() {
    // Each of the ten levels links to the next level 50 times, so the file has 50^10 bytes.
    let mut blocks = vec![leaf(b"x")];
    let mut len = 1;
    for _ in 0..10 {
        let next = file_of(blocks.last().unwrap(), 50, len);
        len *= 50;
        blocks.push(next);
    }
    blocks.reverse();
    let site = self::site(&blocks);
    let path = format!("/ipfs/{}", text(&blocks[0].cid));
    let head = site.ask("HEAD", &path, "");
    assert_eq!(head.field("content-length"), len.to_string());
    let middle = len / 2;
    let answer = site.get(&path, &format!("Range: bytes={middle}-{}\r\n", middle + 9));
    assert_eq!((answer.status, &answer.body[..]), (206, &b"xxxxxxxxxx"[..]));
    // A CAR for any range of the file has eleven blocks.
    let answer = site.get(&format!("{path}?format=car&entity-bytes={middle}:{}", middle + 9), "");
    assert_eq!(car(&answer.body).1.len(), 11);
    assert_eq!(car(&site.get(&format!("{path}?format=car"), "").body).1.len(), 11);
    // This range is half of the file. The server would have to visit too many bytes that add no
    // block, so it ends the answer early.
    assert!(!is_whole(&raw(&site, &format!("{path}?format=car&entity-bytes={middle}:*"))));
}

#[test]
fn files_and_folders_that_contradict_themselves_are_cut() {
    // The file states two bytes for each leaf, but the leaf has one byte.
    let one = leaf(b"x");
    let wrong = file_of(&one, 3, 2);
    let site = self::site(&[wrong.clone(), one]);
    let answer = raw(&site, &format!("/ipfs/{}", text(&wrong.cid)));
    let told = String::from_utf8_lossy(&answer);
    assert!(told.starts_with("HTTP/1.1 500 "), "no name tells its kind, so it is read: {told}");
    let answer = raw(&site, &format!("/ipfs/{}?filename=a.bin", text(&wrong.cid)));
    let told = String::from_utf8_lossy(&answer);
    assert!(told.starts_with("HTTP/1.1 200 ") && told.ends_with("\r\n\r\n"), "{told}");
    // The folder is sharded, and its shards are empty.
    let shard = [0x08, 5, 0x28, 0x22, 0x30, 0x80, 0x02];
    let empty = block(reference::DAG_PB, SHA, &shard, &[]);
    let mut data = vec![];
    for place in ["00", "01"] {
        let mut link = vec![0x0a, u8::try_from(empty.cid.len()).unwrap()];
        link.extend(&empty.cid);
        link.extend([0x12, 2]);
        link.extend(place.as_bytes());
        data.extend([0x12, u8::try_from(link.len()).unwrap()]);
        data.extend(link);
    }
    data.extend([0x0a, u8::try_from(shard.len()).unwrap()]);
    data.extend(shard);
    let links = vec![empty.cid.clone(); 2];
    let top = Block { cid: reference::cid_v0(&data), data, links };
    let site = self::site(&[top.clone(), empty]);
    let path = format!("/ipfs/{}", text(&top.cid));
    assert_eq!(site.get(&format!("{path}/"), "").status, 500);
    assert!(!is_whole(&raw(&site, &format!("{path}?format=car&dag-scope=entity"))));
    assert_eq!(car(&site.get(&format!("{path}?format=car"), "").body).1.len(), 2);
}

#[test]
fn paths_of_any_kind_end() {
    let dag = Dag::of("subdir-with-two-single-block-files");
    let site = Site::of(&["subdir-with-two-single-block-files"]);
    let root = text(&dag.root);
    let long = "/a".repeat(7_000);
    let up = "/..".repeat(1_000);
    for (path, status) in [
        (format!("/ipfs/{root}{long}?format=car"), 404),
        (format!("/ipfs/{root}{up}/etc/passwd"), 404),
        (format!("/ipfs/{root}/subdir/%2e%2e/subdir/ascii.txt"), 404),
        (format!("/ipfs/{root}/%00%ff?format=raw"), 404),
        (format!("/ipfs/{root}/subdir{}ascii.txt?format=raw", "/".repeat(10_000)), 200),
        (format!("/ipfs/{root}?format=car&{}", "x=y&".repeat(3_000)), 200),
        (format!("/ipfs/z{}", "1".repeat(10_000)), 400),
        (format!("/ipfs/{}", "%".repeat(100)), 400),
    ] {
        let answer = site.get(&path, "");
        assert_eq!(answer.status, status, "{}", &path[..path.len().min(100)]);
    }
}
