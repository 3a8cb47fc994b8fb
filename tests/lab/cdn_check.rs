//! `dacti cdn-check` must distinguish good hosts from bad hosts. The hosts are nginx with good
//! settings and with six bad settings, Varnish, Squid, Python's server, `dacti serve`, and a bucket
//! of moto.

use crate::stores::moto;
use crate::updates::tell;
use dacti::{BuildOptions, EncodingChoice, PackageBuilder};
use dacti_tests::http::ask;
use dacti_tests::lab::{Edge, Lab, Lifetimes, Server, Tool, free_port, missing};
use dacti_tests::program::program;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const KEPT_SHORT: Lifetimes = Lifetimes { head: 60, data: 31_536_000 };

/// The result of `cdn-check` in short: the bad findings for a package in one file, the bad findings
/// for a package in parts, the recommended form, and the exit code.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    one_file: Vec<String>,
    in_parts: Vec<String>,
    recommended: String,
    code: Option<i32>,
}

/// Writes the package `one`, and publishes it in parts under the name `p`.
fn fill(folder: &Path) {
    let options = BuildOptions { encoding: EncodingChoice::None, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    let mut state = 7_u64;
    for n in 0..40 {
        let random = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        });
        builder.add(format!("file/{n}").as_str(), random.take(50_000).collect::<Vec<_>>()).unwrap();
    }
    builder.build(folder.join("one")).unwrap();
    run(&["publish", "one", "p"], folder, &[]);
}

fn run(arguments: &[&str], folder: &Path, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(folder).envs(settings.iter().copied());
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{arguments:?}: {err}");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// Checks a URL and a cache, and prints a row of the table.
#[track_caller]
fn verdict(host: &str, url: &str, edge: Option<&str>) -> Verdict {
    let mut arguments = vec!["cdn-check", url, "--json"];
    arguments.extend(edge.iter().flat_map(|edge| ["--edge", edge]));
    let (code, out) = run(&arguments, Path::new("."), &[]);
    let found: Value = serde_json::from_str(&out).unwrap();
    let findings = found["findings"].as_array().unwrap();
    let with = |form: &str, verdict: &str| {
        let all = findings.iter().filter(|finding| finding[form] == verdict);
        let mut kinds: Vec<_> = all.map(|one| one["kind"].as_str().unwrap().to_owned()).collect();
        kinds.dedup();
        kinds
    };
    let recommended = found["recommended"].as_str().unwrap().to_owned();
    let (one_file, in_parts) = (with("one_file", "bad"), with("in_parts", "bad"));
    let row = format!(
        "| {host} | {} | {} | {} | {recommended} | {} |",
        found["served"].as_str().unwrap(),
        one_file.join(", "),
        in_parts.join(", "),
        code.unwrap_or_default()
    );
    tell("hosts", &row);
    Verdict { one_file, in_parts, recommended, code }
}

#[track_caller]
fn expect(host: &str, url: &str, edge: Option<&str>, expected: (&[&str], &[&str], &str, i32)) {
    let (one_file, in_parts, recommended, code) = expected;
    let owned = |kinds: &[&str]| kinds.iter().map(|kind| (*kind).to_owned()).collect();
    let expected = Verdict {
        one_file: owned(one_file),
        in_parts: owned(in_parts),
        recommended: recommended.into(),
        code: Some(code),
    };
    assert_eq!(verdict(host, url, edge), expected, "{host}");
}

/// Bad settings of nginx: a name, the setting, the bad findings for a package in one file, and the
/// bad findings for a package in parts.
const BAD: &[(&str, &str, &[&str], &[&str])] = &[
    ("no ranges", "max_ranges 0;", &["whole file"], &["whole file"]),
    ("a 416 is kept", "add_header Cache-Control 'public, max-age=60';", &["past the end"], &[]),
    ("ETag and no lifetime", "etag on; error_page 416 @past;", &["validators"], &[]),
    (
        "compression",
        "gzip on; gzip_types application/octet-stream; gzip_min_length 1;
         add_header Cache-Control 'no-cache';",
        &["content codings"],
        &["content codings"],
    ),
    (
        "heads kept for a year",
        "add_header Cache-Control 'public, max-age=31536000, immutable'; error_page 416 @past;",
        &["head's lifetime"],
        &["head's lifetime"],
    ),
];

fn settings(bad: &str) -> String {
    let etag = if bad.contains("etag on") { "" } else { "etag off; add_header Last-Modified '';" };
    format!(
        "server {{ listen ADDRESS; root ROOT; location / {{ {etag} {bad} }}
         location @past {{ internal; add_header Cache-Control no-store always; return 416; }} }}"
    )
}

#[test]
fn nginx_with_good_and_bad_settings() {
    if missing(&[Tool::NGINX]) {
        return;
    }
    let lab = Lab::start(KEPT_SHORT).unwrap();
    fill(&lab.data());
    let url = |lab: &Lab, name: &str| format!("http://{}/{name}", lab.origin());
    expect("nginx", &url(&lab, "one"), None, (&[], &[], "one file", 0));
    expect("nginx", &url(&lab, "p"), None, (&[], &[], "in parts", 0));
    for &(name, bad, one_file, in_parts) in BAD {
        let lab = Lab::start_with(&settings(bad)).unwrap();
        fill(&lab.data());
        let host = format!("nginx, {name}");
        let one = verdict(&host, &url(&lab, "one"), None);
        assert_eq!(one.one_file, one_file, "{host}");
        assert_eq!(one.code, Some(3), "{host}");
        let parts = verdict(&host, &url(&lab, "p"), None);
        assert_eq!(parts.in_parts, in_parts, "{host}");
        let form = if in_parts.is_empty() { "in parts" } else { "neither" };
        assert_eq!((one.recommended, parts.recommended), (form.into(), form.into()), "{host}");
        assert_eq!(parts.code, Some(if in_parts.is_empty() { 0 } else { 3 }), "{host}");
    }
}

/// A cache that leaves out the query when it looks for a stored answer.
const IGNORES_QUERIES: &str = "proxy_cache_path KEPT keys_zone=packages:4m;
server { listen ADDRESS; location / {
    proxy_cache packages; proxy_cache_key $uri; proxy_pass http://ORIGIN$uri;
    proxy_cache_valid 200 60s; add_header X-Cache-Status $upstream_cache_status; } }";

#[test]
fn caches_with_good_and_bad_settings() {
    for (name, edge) in [
        ("nginx, slices", Some(Edge::NginxSlice64k)),
        ("nginx, whole objects", Some(Edge::NginxWhole)),
        ("Varnish", Some(Edge::Varnish)),
        ("Varnish, ranges", Some(Edge::VarnishRanges)),
        ("Squid", Some(Edge::SquidPass)),
        ("Squid, whole objects", Some(Edge::SquidWhole)),
        ("nginx that ignores queries", None),
    ] {
        if missing(&[Tool::NGINX, edge.map_or(Tool::NGINX, Edge::tool)]) {
            return;
        }
        let mut lab = Lab::start(KEPT_SHORT).unwrap();
        fill(&lab.data());
        let cache = match edge {
            Some(edge) => lab.edge(edge).unwrap(),
            None => lab.edge_with(IGNORES_QUERIES).unwrap(),
        };
        let at = |address, name: &str| format!("http://{address}/{name}");
        let (one, p) = (at(lab.origin(), "one"), at(lab.origin(), "p"));
        let query: &[&str] = if edge.is_some() { &[] } else { &["query in the key"] };
        let (form, code) = if edge.is_some() { ("one file", 0) } else { ("in parts", 3) };
        expect(name, &one, Some(&at(cache, "one")), (query, &[], form, code));
        expect(name, &p, Some(&at(cache, "p")), (query, &[], "in parts", 0));
    }
}

#[test]
fn dacti_serve_and_python() {
    let lab = Lab::start_serve(KEPT_SHORT).unwrap();
    fill(&lab.data());
    let url = |address, name: &str| format!("http://{address}/{name}");
    expect("dacti serve", &url(lab.origin(), "one"), None, (&[], &[], "one file", 0));
    expect("dacti serve", &url(lab.origin(), "p"), None, (&[], &[], "in parts", 0));
    if missing(&[Tool::PYTHON]) {
        return;
    }
    let (mut python, address) = (Tool::PYTHON.command().unwrap(), free_port().unwrap());
    python.args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"]);
    python.arg(lab.data()).arg(address.port().to_string());
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(python, dir.path(), address).unwrap();
    let broken = ["whole file"];
    let one = url(server.address(), "one");
    let bad = verdict("python3 -m http.server", &one, None);
    assert!(bad.one_file.contains(&broken[0].to_owned()), "{bad:?}");
    assert_eq!((bad.recommended.as_str(), bad.code), ("neither", Some(3)));
    let parts = verdict("python3 -m http.server", &url(server.address(), "p"), None);
    assert_eq!((parts.recommended.as_str(), parts.code), ("neither", Some(3)));
}

#[test]
fn a_bucket_of_moto() {
    if missing(&[Tool::MOTO]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (server, settings) = moto(dir.path());
    let address = server.address().to_string();
    let folder = dir.path().join("data");
    std::fs::create_dir(&folder).unwrap();
    fill(&folder);
    let endpoint = format!("http://{address}");
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    run(&["publish", "one", "s3://bucket/one", "--form", "whole"], &folder, &settings);
    run(&["publish", "one", "s3://bucket/p"], &folder, &settings);
    // Everyone may read the objects, as in a bucket that a CDN serves. Only the owner can allow
    // this. moto requires an `Authorization` header, and accepts any value.
    let listed = ask(&address, "GET", "/bucket?list-type=2", "").unwrap();
    let listed = String::from_utf8(listed.body).unwrap();
    for key in listed.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()) {
        let public = "Authorization: AWS key:signature\r\nx-amz-acl: public-read\r\n\
                      Content-Length: 0\r\n";
        let set = ask(&address, "PUT", &format!("/bucket/{key}?acl"), public).unwrap();
        assert_eq!(set.status, 200, "{set:?}");
    }
    let url = |name: &str| format!("{endpoint}/bucket/{name}");
    // S3 sends an ETag with each object. So a package that grows should be published in parts.
    expect("moto", &url("one"), None, (&["validators"], &[], "in parts", 3));
    expect("moto", &url("p"), None, (&["validators"], &[], "in parts", 0));
}
