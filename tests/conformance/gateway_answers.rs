//! Answers of the gateway, except the blocks of CARs: fields, statuses, single blocks, archives,
//! files and folders.

use crate::dar_support::{block, leaf};
use crate::gateway::{Dag, Site, car, text};
use dacti_dar::{Archive, Reader};
use dacti_tests::dar_reference as reference;
use std::fs;

const TWO_FILES: &str = "subdir-with-two-single-block-files";
const MIXED: &str = "subdir-with-mixed-block-files";
const CBOR: &str = "dir-with-dag-cbor-with-links";
const HAMT: &str = "single-layer-hamt-with-multi-block-files";
const SPECIAL: &str = "boxo-dir-special-chars";
const IMMUTABLE: &str = "public, max-age=29030400, immutable, no-transform";

#[test]
fn fields_are_those_of_the_specification() {
    let (site, dag) = (Site::of(&[TWO_FILES]), Dag::of(TWO_FILES));
    let root = text(&dag.root);
    let folder = dag.child(&dag.root, "subdir");
    let file = text(&dag.child(&folder, "ascii.txt"));
    let path = format!("/ipfs/{root}/subdir/ascii.txt");
    let roots = format!("{root},{},{file}", text(&folder));
    let raw_name = format!("attachment; filename=\"{file}.bin\"");
    let car_name = format!("attachment; filename=\"{root}.car\"");
    let dar_name = format!("attachment; filename=\"{root}.dar\"");
    let car = "application/vnd.ipld.car; version=1; order=dfs; dups=n";
    for (query, kind, name, tag) in [
        ("format=raw", "application/vnd.ipld.raw", &raw_name[..], format!("\"{file}.raw\"")),
        ("format=car", car, &car_name, format!("W/\"{root}/subdir/ascii.txt.car.dfs.n\"")),
        (
            "format=car&dag-scope=block",
            car,
            &car_name,
            format!("W/\"block.{root}/subdir/ascii.txt.car.dfs.n\""),
        ),
        (
            "format=dar",
            "application/vnd.ipld.dar",
            &dar_name,
            format!("W/\"{root}/subdir/ascii.txt.dar\""),
        ),
        ("", "text/plain; charset=utf-8", "", format!("\"{file}\"")),
    ] {
        let target = format!("{path}?{query}");
        let answer = site.get(&target, "");
        assert_eq!(answer.status, 200, "{query}");
        let field = |name| answer.field(name);
        assert_eq!(field("content-type"), kind, "{query}");
        assert_eq!(field("content-disposition"), name, "{query}");
        assert_eq!(field("etag"), tag, "{query}");
        assert_eq!(field("cache-control"), IMMUTABLE);
        assert_eq!((field("x-ipfs-path"), field("x-ipfs-roots")), (&path[..], &roots[..]));
        assert_eq!(field("x-content-type-options"), "nosniff");
        assert_eq!((field("access-control-allow-origin"), field("vary")), ("*", "accept"));
        assert_eq!(field("content-location"), "", "the query names the format");
        // The answer to HEAD has the same fields as the answer to GET, and no body.
        let head = site.ask("HEAD", &target, "");
        assert!(head.body.is_empty());
        for name in ["content-type", "etag", "content-disposition", "x-ipfs-roots", "cache-control"]
        {
            assert_eq!(head.field(name), field(name), "{query}: {name}");
        }
        if !query.contains("ar") {
            assert_eq!(head.field("content-length"), "31", "{query}");
        }
        // The client states the ETags of the copies that it has. If one of them is the block's
        // ETag, the answer has no body.
        let weak = tag.trim_start_matches("W/");
        for known in [tag.clone(), format!("\"x\", {tag}"), format!("W/{weak}"), "*".into()] {
            let answer = site.get(&target, &format!("If-None-Match: {known}\r\n"));
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{query}: {known}");
            assert_eq!(answer.field("etag"), tag);
            assert_eq!(answer.field("cache-control"), IMMUTABLE);
        }
        assert_eq!(site.get(&target, "If-None-Match: \"other\"\r\n").status, 200);
    }
}

#[test]
fn the_location_of_a_format_is_told_if_the_query_does_not_name_it() {
    let (site, dag) = (Site::of(&[TWO_FILES]), Dag::of(TWO_FILES));
    let path = format!("/ipfs/{}", text(&dag.root));
    let car = "application/vnd.ipld.car";
    for (query, accept, expected) in [
        ("", "application/vnd.ipld.raw", "?format=raw"),
        ("", car, "?format=car"),
        ("?dag-scope=block", car, "?dag-scope=block&format=car"),
        ("", "application/vnd.ipld.car; dups=y", "?format=car&car-dups=y"),
        ("?format=car", "application/vnd.ipld.car; dups=y", "?format=car&car-dups=y"),
    ] {
        let answer = site.get(&format!("{path}{query}"), &format!("Accept: {accept}\r\n"));
        assert_eq!(answer.field("content-location"), format!("{path}{expected}"), "{accept}");
        // A request for the URL in `Content-Location` has the same answer.
        let again = site.get(&format!("{path}{expected}"), "");
        assert!(again.body == answer.body && again.field("etag") == answer.field("etag"));
    }
    let answer = site.get(&format!("{path}?format=raw"), &format!("Accept: {car}\r\n"));
    assert_eq!(answer.field("content-type"), "application/vnd.ipld.raw", "the query wins");
}

#[test]
fn requests_that_cannot_be_answered_are_told_so() {
    let (site, dag) = (Site::of(&[TWO_FILES]), Dag::of(TWO_FILES));
    let root = text(&dag.root);
    let absent = text(&leaf(b"nowhere").cid);
    let check = |status: u16, path: &str, fields: &str| {
        let answer = site.get(path, fields);
        let told = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, status, "{path} {fields}: {told}");
        assert_eq!(answer.field("cache-control"), "no-store", "{path} {fields}");
        assert!(status == 412 || told.len() > 20, "{path} {fields}: {told}");
    };
    for format in ["raw", "car", "dar"] {
        check(404, &format!("/ipfs/{absent}?format={format}"), "");
        check(400, &format!("/ipfs/nonsense?format={format}"), "");
        let cached = "Cache-Control: max-age=0, only-if-cached\r\n";
        check(412, &format!("/ipfs/{absent}?format={format}"), cached);
        assert_eq!(site.get(&format!("/ipfs/{root}?format={format}"), cached).status, 200);
        assert_eq!(site.ask("HEAD", &format!("/ipfs/{absent}?format={format}"), "").status, 404);
    }
    check(404, &format!("/ipfs/{absent}"), "");
    check(400, "/ipfs/", "");
    check(400, &format!("/ipfs/{root}?format=zip"), "");
    // An IPNS record belongs to a name. The gateway serves archives, in which nothing has an IPNS
    // name.
    check(400, &format!("/ipfs/{root}?format=ipns-record"), "");
    check(400, &format!("/ipfs/{root}"), "Accept: application/vnd.ipfs.ipns-record\r\n");
    check(404, "/ipns/example.org/a", "");
    // By IPIP-0524, the gateway converts no codec into another one.
    for format in ["dag-json", "dag-cbor"] {
        check(406, &format!("/ipfs/{root}?format={format}"), "");
        let accept = format!("Accept: application/vnd.ipld.{format}\r\n");
        check(406, &format!("/ipfs/{root}"), &accept);
    }
    check(400, &format!("/ipfs/{root}?format=car&dag-scope=some"), "");
    check(400, &format!("/ipfs/{root}?format=dar&dag-scope=block"), "");
    check(400, &format!("/ipfs/{root}?format=tar&dag-scope=entity"), "");
    for parameter in ["version=2", "order=bfs", "dups=x"] {
        check(406, &format!("/ipfs/{root}?format=car&car-{parameter}"), "");
        let accept = format!("Accept: application/vnd.ipld.car; {parameter}\r\n");
        check(406, &format!("/ipfs/{root}"), &accept);
    }
    check(406, &format!("/ipfs/{root}"), "Accept: application/vnd.ipld.dag-pb\r\n");
    // `ascii.txt` is a file, so the path cannot continue after it.
    check(404, &format!("/ipfs/{root}/subdir/ascii.txt/more?format=car"), "");
    check(400, &format!("/ipfs/{root}"), "Service-Worker: script\r\n");
    assert_eq!(site.ask("POST", &format!("/ipfs/{root}"), "").status, 405);
    let answer = site.ask("OPTIONS", &format!("/ipfs/{root}"), "");
    assert_eq!((answer.status, answer.field("access-control-allow-origin")), (204, "*"));
}

#[test]
fn a_block_comes_as_it_is_and_in_parts() {
    let (site, dag) = (Site::of(&[MIXED]), Dag::of(MIXED));
    for (cid, data) in &dag.blocks {
        let path = format!("/ipfs/{}", text(cid));
        let answer = site.get(&format!("{path}?format=raw"), "");
        assert_eq!((answer.status, &answer.body), (200, data));
        assert_eq!(answer.field("content-length"), data.len().to_string());
        assert_eq!(site.get(&path, "Accept: application/vnd.ipld.raw\r\n").body, *data);
    }
    let file = dag.child(&dag.child(&dag.root, "subdir"), "ascii.txt");
    let path = format!("/ipfs/{}/subdir/ascii.txt?format=raw", text(&dag.root));
    let answer = site.get(&path, "Range: bytes=3-6\r\n");
    assert_eq!((answer.status, &answer.body[..]), (206, &dag.blocks[&file][3..7]));
    assert_eq!(answer.field("content-range"), "bytes 3-6/31");
    let named = site.get(&format!("{path}&filename=foo%22bar.bin"), "");
    let expected = "attachment; filename=\"foo_bar.bin\"; filename*=UTF-8''foo%22bar.bin";
    assert_eq!(named.field("content-disposition"), expected);
}

#[test]
fn blocks_of_other_codecs_come_in_their_own_media_type() {
    let json = block(reference::DAG_JSON, reference::SHA2_256, b"\x01", &[]);
    let wrong = reference::Block {
        cid: reference::cid_v1(reference::DAG_CBOR, reference::SHA2_256, b"\xff"),
        data: b"\xff".to_vec(),
        links: vec![],
    };
    let unknown = reference::Block {
        cid: reference::cid_v1(0x78, reference::SHA2_256, b"git"),
        data: b"git".to_vec(),
        links: vec![],
    };
    let plan = crate::dar_support::plan(&[&json, &wrong, &unknown], &[&json, &wrong, &unknown]);
    let site = Site::of_files(&[("x.dar".into(), crate::dar_support::write(&plan))]);
    let get = |block: &reference::Block, query: &str, fields: &str| {
        site.get(&format!("/ipfs/{}{query}", text(&block.cid)), fields)
    };
    let kind = "application/vnd.ipld.dag-json";
    let name = format!("filename=\"{}.json\"", text(&json.cid));
    for (query, fields, kind, shown) in [
        ("", "", kind, "inline"),
        ("?format=dag-json", "", kind, "inline"),
        ("", "Accept: application/vnd.ipld.dag-json\r\n", kind, "inline"),
        ("?download=true", "", kind, "attachment"),
        ("?format=json", "", "application/json", "inline"),
        ("", "Accept: application/json\r\n", "application/json", "inline"),
        ("", "Accept: application/cbor, */*\r\n", kind, "inline"),
    ] {
        let answer = get(&json, query, fields);
        assert_eq!((answer.status, &answer.body), (200, &json.data), "{query}{fields}");
        assert_eq!(answer.field("content-type"), kind, "{query}{fields}");
        assert_eq!(answer.field("content-disposition"), format!("{shown}; {name}"));
    }
    // By IPIP-0524, the gateway refuses a format other than the block's own codec.
    for (query, fields) in [
        ("?format=dag-cbor", ""),
        ("?format=cbor", "Accept: */*\r\n"),
        ("", "Accept: application/cbor\r\n"),
        ("", "Accept: application/vnd.ipld.dag-cbor\r\n"),
    ] {
        assert_eq!(get(&json, query, fields).status, 406, "{query}{fields}");
    }
    assert_eq!(get(&wrong, "?format=dag-cbor", "").status, 500, "it is not valid DAG-CBOR");
    assert_eq!(get(&unknown, "", "").status, 406);
    assert_eq!(get(&unknown, "?format=raw", "").body, b"git");
    // The gateway does not know the codec of this block, so it cannot read the block's links.
    let answer = get(&unknown, "?format=car", "");
    assert_eq!(car(&answer.body).1, [(unknown.cid.clone(), b"git".to_vec())]);
}

#[test]
fn documents_have_pages_for_browsers() {
    let child = leaf(b"child");
    let links = [child.cid.clone()];
    let cbor = block(reference::DAG_CBOR, reference::SHA2_256, b"<&", &links);
    let plan = crate::dar_support::plan(&[&cbor], &[&cbor, &child]);
    let site = Site::of_files(&[("x.dar".into(), crate::dar_support::write(&plan))]);
    let path = format!("/ipfs/{}", text(&cbor.cid));
    let browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    for slash in ["", "/"] {
        let answer = site.get(&format!("{path}{slash}"), browser);
        assert_eq!(answer.field("content-type"), "text/html; charset=utf-8");
        assert!(answer.field("etag").contains("DagIndex-"), "{}", answer.field("etag"));
        assert_eq!((answer.field("vary"), answer.field("content-disposition")), ("accept", ""));
        let page = String::from_utf8(answer.body).unwrap();
        let linked = format!("href=\"/ipfs/{}\"", text(&child.cid));
        assert!(page.contains(&linked) && page.contains("?format=raw"), "{page}");
    }
    // A client that does not ask for HTML gets the document. A format in the query takes precedence
    // over fields.
    let answer = site.get(&path, "Accept: */*\r\n");
    assert_eq!(answer.field("content-type"), "application/vnd.ipld.dag-cbor");
    assert_eq!(answer.body, cbor.data);
    let name = format!("attachment; filename=\"{}.cbor\"", text(&cbor.cid));
    assert_eq!(answer.field("content-disposition"), name);
    assert_eq!(site.get(&format!("{path}?format=dag-cbor"), browser).body, cbor.data);
}

#[test]
fn files_of_json_come_as_files() {
    // IPIP-0524 makes an exception for JSON in UnixFS files, because nearly all JSON is in such
    // files.
    let site = Site::of(&[TWO_FILES]);
    fs::create_dir(site.folder.at("in")).unwrap();
    fs::write(site.folder.at("in/a.json"), "{}").unwrap();
    let (out, _) = site.folder.ends(0, &["create", "in", "-o", "site/new.dar", "--json"]);
    let root = serde_json::from_str::<serde_json::Value>(&out).unwrap();
    let root = root["roots"][0]["cid"].as_str().unwrap_or_else(|| panic!("{root}")).to_owned();
    let served = dacti_tests::served::Served::start(&site.folder.at("site"), &[]);
    let path = format!("/ipfs/{root}/a.json");
    let plain = dacti_tests::http::ask(&served.address, "GET", &path, "").unwrap();
    for (query, fields) in [
        ("?format=json", ""),
        ("", "Accept: application/json\r\n"),
        ("?format=json", "Accept: application/vnd.ipld.raw\r\n"),
        ("", "Accept: application/json, text/plain, */*\r\n"),
    ] {
        let target = format!("{path}{query}");
        let answer = dacti_tests::http::ask(&served.address, "GET", &target, fields).unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]), "{query}{fields}");
        for name in ["content-type", "etag", "content-disposition"] {
            assert_eq!(answer.field(name), plain.field(name), "{query}{fields}");
        }
    }
    assert_eq!(plain.field("content-type"), "application/json");
}

#[test]
fn an_archive_holds_the_dag_and_the_path_to_it() {
    let (site, dag) = (Site::of(&[MIXED, HAMT]), Dag::of(MIXED));
    let folder = dag.child(&dag.root, "subdir");
    let file = dag.child(&folder, "multiblock.txt");
    let get = |path: &str| {
        let answer = site.get(&format!("/ipfs/{}{path}?format=dar", text(&dag.root)), "");
        assert_eq!(answer.status, 200);
        answer.body
    };
    let roots = |dar: &[u8]| -> Vec<Vec<u8>> {
        let archive = Archive::open(dar).expect("an archive with an index");
        archive.roots().unwrap().iter().map(|root| root.cid.to_bytes()).collect()
    };
    let blocks = |dar: &[u8]| -> Vec<Vec<u8>> {
        let mut reader = Reader::new(dar);
        let mut found = vec![];
        while let Some((cid, data)) = reader.next_block().expect("it is valid") {
            assert_eq!(dag.blocks[&cid.to_bytes()], data);
            found.push(cid.to_bytes());
        }
        found
    };
    let whole = get("");
    assert_eq!((roots(&whole), blocks(&whole)), (vec![dag.root.clone()], dag.all(&dag.root)));
    // An archive for a path has the DAG at that path first. The blocks that lead to it follow.
    let part = get("/subdir/multiblock.txt");
    assert_eq!(roots(&part), [file.clone(), folder.clone(), dag.root.clone()]);
    let expected = [dag.all(&file), vec![folder, dag.root.clone()]].concat();
    assert_eq!(blocks(&part), expected);
}

#[test]
fn files_come_as_files_with_their_kind_and_in_ranges() {
    let (site, dag) = (Site::of(&[MIXED, CBOR, SPECIAL]), Dag::of(MIXED));
    let file = dag.child(&dag.child(&dag.root, "subdir"), "multiblock.txt");
    let leaves = &dag.all(&file)[1..];
    let content: Vec<u8> = leaves.iter().flat_map(|leaf| dag.blocks[leaf].clone()).collect();
    assert_eq!(content.len(), 1026);
    let path = format!("/ipfs/{}/subdir/multiblock.txt", text(&dag.root));
    let answer = site.get(&path, "");
    assert_eq!((answer.status, &answer.body), (200, &content));
    assert_eq!(answer.field("content-length"), "1026");
    assert_eq!(answer.field("accept-ranges"), "bytes");
    let tag = answer.field("etag").to_owned();
    for (range, start, end) in [
        ("0-0", 0, 1),
        ("250-260", 250, 261),
        ("1000-", 1000, 1026),
        ("-3", 1023, 1026),
        ("0-9999", 0, 1026),
    ] {
        let fields = format!("Range: bytes={range}\r\nIf-Range: {tag}\r\n");
        let answer = site.get(&path, &fields);
        assert_eq!((answer.status, &answer.body[..]), (206, &content[start..end]), "{range}");
        let expected = format!("bytes {start}-{}/1026", end - 1);
        assert_eq!(answer.field("content-range"), expected);
    }
    assert_eq!(site.get(&path, "Range: bytes=1026-\r\n").status, 416);
    let fields = "Range: bytes=0-0\r\nIf-Range: \"other\"\r\n";
    assert_eq!(site.get(&path, fields).status, 200);
    // Without a name, the gateway derives the type from the bytes. With a name in the query, it
    // derives the type from the name.
    let by_cid = format!("/ipfs/{}", text(&file));
    assert_eq!(site.get(&by_cid, "").field("content-type"), "text/plain; charset=utf-8");
    let named = site.get(&format!("{by_cid}?filename=%C3%A4+b.svg&download=true"), "");
    assert_eq!(named.field("content-type"), "image/svg+xml");
    let expected = "attachment; filename=\"_ b.svg\"; filename*=UTF-8''%C3%A4%20b.svg";
    assert_eq!(named.field("content-disposition"), expected);
    let named = site.get(&format!("{by_cid}?filename=b.svg"), "");
    assert_eq!(named.field("content-disposition"), "inline; filename=\"b.svg\"");
}

#[test]
fn folders_come_as_pages() {
    let site = Site::of(&[TWO_FILES, HAMT]);
    let dag = Dag::of(TWO_FILES);
    let root = text(&dag.root);
    // Without a slash at the end of the URL, relative links would lead to a wrong folder.
    let answer = site.get(&format!("/ipfs/{root}/subdir?filename=x"), "");
    assert_eq!(answer.status, 301);
    assert_eq!(answer.field("location"), format!("/ipfs/{root}/subdir/?filename=x"));
    let answer = site.get(&format!("/ipfs/{root}/subdir/"), "");
    let page = String::from_utf8(answer.body).unwrap();
    assert_eq!(answer.status, 200);
    for link in ["\"./ascii.txt\"", "\"./hello.txt\"", "\"../\""] {
        assert!(page.contains(link), "{page}");
    }
    assert!(answer.fields["content-security-policy"].starts_with("default-src 'none'"));
    let answer = site.get(&format!("/ipfs/{}/", text(&Dag::of(HAMT).root)), "");
    let page = String::from_utf8(answer.body).unwrap();
    assert_eq!(page.matches("<li>").count(), 1000);
    assert!(page.contains("\"./685.txt\"") && !page.contains("\"../\""));
}

#[test]
fn a_folder_with_an_index_is_its_page() {
    let site = Site::of(&[TWO_FILES]);
    fs::create_dir_all(site.folder.at("in/deep")).unwrap();
    fs::write(site.folder.at("in/index.html"), "<p>the index").unwrap();
    fs::write(site.folder.at("in/deep/data"), [0xff, 0, 1]).unwrap();
    std::os::unix::fs::symlink("deep/data", site.folder.at("in/link")).unwrap();
    let (out, _) = site.folder.ends(0, &["create", "in", "-o", "new.dar", "--json"]);
    let root = serde_json::from_str::<serde_json::Value>(&out).unwrap();
    let root = root["roots"][0]["cid"].as_str().unwrap_or_else(|| panic!("{root}")).to_owned();
    // The test adds an archive while the server runs. The server finds it within a few seconds.
    fs::rename(site.folder.at("new.dar"), site.folder.at("site/new.dar")).unwrap();
    let begun = std::time::Instant::now();
    let answer = loop {
        let answer = site.get(&format!("/ipfs/{root}/"), "");
        if answer.status == 200 {
            break answer;
        }
        assert!(answer.status == 404 && begun.elapsed().as_secs() < 30);
        std::thread::yield_now();
    };
    assert_eq!(answer.body, b"<p>the index");
    assert_eq!(answer.field("content-type"), "text/html; charset=utf-8");
    let answer = site.get(&format!("/ipfs/{root}/link"), "");
    assert_eq!(
        (answer.field("content-type"), &answer.body[..]),
        ("inode/symlink", &b"deep/data"[..])
    );
    let answer = site.get(&format!("/ipfs/{root}/deep/data"), "");
    assert_eq!(answer.field("content-type"), "application/octet-stream");
}

#[test]
fn a_site_without_archives_or_with_a_folder_of_that_name_is_no_gateway() {
    let root = text(&Dag::of(TWO_FILES).root);
    let site = Site::of_files(&[("a.txt".into(), b"a".to_vec())]);
    let answer = site.get(&format!("/ipfs/{root}"), "");
    assert_eq!((answer.status, &answer.body[..]), (404, &b"nothing is served here\n"[..]));
    let site = Site::of(&[TWO_FILES]);
    assert_eq!(site.get(&format!("/ipfs/{root}?format=raw"), "").status, 200);
    fs::create_dir(site.folder.at("site/ipfs")).unwrap();
    fs::write(site.folder.at("site/ipfs").join(&root), "mine").unwrap();
    assert_eq!(site.get(&format!("/ipfs/{root}?format=raw"), "").body, b"mine");
}

#[test]
fn archives_that_cannot_be_served_are_named() {
    let dag = Dag::of(TWO_FILES);
    let car = crate::gateway::fixture(TWO_FILES);
    let options = dacti_dar::WriteOptions { index: false, ..Default::default() };
    let (dar, _) = dacti_dar::from_car(&car[..], Vec::new(), &options).unwrap();
    let site = Site::of_files(&[("no-index.dar".into(), dar), ("junk.dar".into(), vec![1; 500])]);
    let answer = site.get(&format!("/ipfs/{}", text(&dag.root)), "");
    let told = String::from_utf8(answer.body).unwrap();
    assert_eq!(answer.status, 404);
    assert!(
        told.contains("no-index.dar: the archive has no index: add one with `dacti dar index`")
    );
    assert!(told.contains("junk.dar: "), "{told}");
}

#[test]
fn one_archive_is_a_site() {
    let site = Site::of(&[TWO_FILES]);
    let path = site.folder.at(&format!("site/archives/{TWO_FILES}.dar"));
    let served = dacti_tests::served::Served::start(&path, &[]);
    let dag = Dag::of(TWO_FILES);
    let target = format!("/ipfs/{}?format=car", text(&dag.root));
    let answer = dacti_tests::http::ask(&served.address, "GET", &target, "").unwrap();
    assert_eq!(car(&answer.body).1.len(), 4);
}
