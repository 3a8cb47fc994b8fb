//! Every cache of the lab hands out what the origin has.

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
        // Twice: the second answer comes from what is kept.
        for (start, end) in [(0, 65_536), (1_000_000, 1_200_000), (0, 65_536), (5, 6)] {
            let fields = format!("Range: bytes={start}-{}\r\n", end - 1);
            let answer = ask(&at.to_string(), "GET", "/file", &fields).unwrap();
            assert_eq!(answer.status, 206, "{start}-{end} {answer:?}");
            assert_eq!(answer.body, file[start..end]);
        }
        let behind = ask(&at.to_string(), "GET", "/file", "Range: bytes=4000000-4000001\r\n");
        // Squid says 200 and sends all that it has instead.
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
