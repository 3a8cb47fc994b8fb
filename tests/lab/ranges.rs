//! Checks that all caches of the lab return the bytes of the origin.

use dacti::{BuildOptions, EncodingChoice, PackageBuilder};
use dacti_tests::http::ask;
use dacti_tests::lab::{Edge, Lab, Lifetimes, Tool, missing};
use std::fs;

fn ranges_come_through(kind: Edge) {
    if missing(&[Tool::NGINX, kind.tool()]) {
        return;
    }
    let mut lab = Lab::start(Lifetimes { head: 2, data: 3600 }).unwrap();
    let file: Vec<u8> = (0..3 << 20).map(|i: u32| (i / 7 + i) as u8).collect();
    fs::write(lab.data().join("file"), &file).unwrap();
    let edge = lab.edge(kind).unwrap();
    for at in [lab.origin(), edge] {
        // The first range is requested twice, so the second answer comes from the cache.
        for (start, end) in [(0, 65_536), (1_000_000, 1_200_000), (0, 65_536), (5, 6)] {
            let fields = format!("Range: bytes={start}-{}\r\n", end - 1);
            let answer = ask(&at.to_string(), "GET", "/file", &fields).unwrap();
            assert_eq!(answer.status, 206, "{start}-{end} {answer:?}");
            assert_eq!(answer.body, file[start..end]);
        }
        let behind = ask(&at.to_string(), "GET", "/file", "Range: bytes=4000000-4000001\r\n");
        // Squid with whole files answers with status 200 and the whole file.
        let expected = if at == edge && kind == Edge::SquidWhole { 200 } else { 416 };
        assert_eq!(behind.unwrap().status, expected);
    }
}

#[test]
fn through_nginx_with_short_slices() {
    ranges_come_through(Edge::NginxSlice64k);
}

#[test]
fn through_nginx_with_long_slices() {
    ranges_come_through(Edge::NginxSlice1m);
}

#[test]
fn through_nginx_with_whole_objects() {
    ranges_come_through(Edge::NginxWhole);
}

#[test]
fn through_varnish() {
    ranges_come_through(Edge::Varnish);
}

#[test]
fn through_varnish_that_keeps_ranges() {
    ranges_come_through(Edge::VarnishRanges);
}

#[test]
fn a_range_is_kept_by_itself() {
    if missing(&[Tool::NGINX, Tool::VARNISH]) {
        return;
    }
    let mut lab = Lab::start(Lifetimes { head: 3600, data: 3600 }).unwrap();
    fs::write(lab.data().join("file"), vec![1; 200_000]).unwrap();
    let edge = lab.edge(Edge::VarnishRanges).unwrap().to_string();
    let get = |fields: &str| ask(&edge, "GET", "/file", fields).unwrap();
    let first = get("Range: bytes=100000-100999\r\n");
    // The file now has other bytes of the same length. So an answer shows whether the cache has
    // kept the old bytes.
    fs::write(lab.data().join("file"), vec![2; 200_000]).unwrap();
    let kept = get("Range: bytes=100000-100999\r\n");
    assert_eq!((kept.status, &kept.body), (206, &first.body));
    assert_eq!(kept.field("content-range"), "bytes 100000-100999/200000");
    assert_eq!(get("Range: bytes=100000-100998\r\n").body, [2; 999], "another one");
    // Caches must not keep an answer for a range without an end.
    for _ in 0..2 {
        let open = get("Range: bytes=199000-\r\n");
        assert_eq!((open.status, open.body), (206, vec![2; 1000]));
    }
}

#[test]
fn through_squid_that_passes_ranges_on() {
    ranges_come_through(Edge::SquidPass);
}

#[test]
fn through_squid_with_whole_objects() {
    ranges_come_through(Edge::SquidWhole);
}

#[test]
fn through_traffic_server() {
    ranges_come_through(Edge::Ats);
}

/// Both kinds of origin let caches keep ranges of a package that have an end. Ranges in the head
/// get a short lifetime, and ranges after the head get a long one. Caches must not keep answers
/// that depend on the file's length.
#[test]
fn origins_say_the_same_of_a_package() {
    if missing(&[Tool::NGINX]) {
        return;
    }
    let lifetimes = Lifetimes { head: 2, data: 3600 };
    let (short, long) =
        ("public, max-age=2, no-transform", "public, max-age=3600, immutable, no-transform");
    let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    for lab in [Lab::start(lifetimes), Lab::start_serve(lifetimes)].map(Result::unwrap) {
        let path = lab.data().join("p.dacti-pack");
        let mut builder = PackageBuilder::new(options);
        builder.add("a", vec![1; 1_500_000]).unwrap();
        builder.build(&path).unwrap();
        let file = fs::read(path).unwrap();
        let len = file.len();
        for (range, status, start, end, lifetime) in [
            ("0-65535", 206, 0, 65_536, short),
            ("0-1048575", 206, 0, 1_048_576, short),
            ("16384-32767", 206, 16_384, 32_768, short),
            ("65535-70000", 206, 65_535, 70_001, short),
            ("131072-196607", 206, 131_072, 196_608, long),
            ("1048576-1048999", 206, 1_048_576, 1_049_000, long),
            ("131072-", 206, 131_072, len, "no-store"),
            ("0-", 206, 0, len, "no-store"),
            ("-9", 206, len - 9, len, "no-store"),
            ("99999999-99999999", 416, 0, 0, "no-store"),
        ] {
            let fields = format!("Range: bytes={range}\r\n");
            let answer = ask(&lab.origin().to_string(), "GET", "/p.dacti-pack", &fields).unwrap();
            assert_eq!(
                (answer.status, answer.field("cache-control")),
                (status, lifetime),
                "{range}"
            );
            assert_eq!((answer.field("etag"), answer.field("last-modified")), ("", ""), "{range}");
            if status == 206 {
                assert!(answer.body == file[start..end], "{range}");
                assert_eq!(
                    answer.field("content-range"),
                    format!("bytes {start}-{}/{len}", end - 1)
                );
            }
        }
    }
}
