//! Reads during an upload: the head is new, and the other new bytes arrive seconds later.
//!
//! `rsync --inplace`, `cp` and `scp` write a file from its start to its end. Meanwhile, common
//! servers and caches state an old length together with a new head.

use crate::{Seen, Server, answer, content, len_field, options, packed, right};
use dacti::fetch::{Counted, HttpOptions, Location, OnPause};
use dacti::update::{Update, UpdateOptions};
use dacti::{
    AsyncPackage, BuildOptions, Content, ErrorKind, LayoutChoice, Package, PackageBuilder,
};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Returns options whose waits take milliseconds instead of seconds.
fn patient() -> HttpOptions {
    let mut options = options();
    options.session.upload_waits_max = 8;
    options.session.upload_wait_millis = 1;
    options
}

/// Returns a package, the same package after an update that replaces `0.bin`, and the new content
/// of `0.bin`.
fn grown() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("p");
    let old = packed(3, content);
    std::fs::write(&path, &old).expect("it is written");
    let new_content = vec![9; 50_000];
    let mut update = Update::open(&path, UpdateOptions::default()).expect("it is good");
    update.put("0.bin", Content::from(new_content.clone())).expect("the path is good");
    update.plan().expect("there is room").apply().expect("it is written");
    let new = std::fs::read(&path).expect("it was updated");
    assert!(new.len() > old.len());
    (old, new, new_content)
}

/// Returns an answer with bytes of `file`, which states `total` as the length of the file.
fn with_total(seen: &Seen, file: &[u8], total: usize) -> Vec<u8> {
    let (first, last) = seen.range.expect("it is one");
    if first >= file.len() {
        let range = format!("bytes */{total}");
        return answer("416 No", &[("Content-Range", range), len_field(0)], b"");
    }
    let last = last.min(file.len() - 1);
    // If the total lies inside the range or before it, a `Content-Range` with this total would be
    // invalid. So the answer states no total.
    let total = if last < total { total.to_string() } else { "*".into() };
    let range = format!("bytes {first}-{last}/{total}");
    let body = &file[first..=last];
    answer("206 Partial Content", &[("Content-Range", range), len_field(body.len())], body)
}

#[test]
fn a_head_that_is_newer_than_the_length_told_with_it_is_read() {
    // spec: R-HTTP-11
    let (old, new, expected) = grown();
    let old_len = old.len();
    let server = Server::start(new, Box::new(move |seen, _, file| with_total(seen, file, old_len)));
    let (package, source) =
        Package::open_url_with(&server.url, &options()).expect("the length is a hint");
    assert_eq!(package.get("0.bin").expect("it is there"), expected);
    assert_eq!(package.get("1.bin").expect("it is there"), content(1));
    assert_eq!((source.stats().retries, source.stats().escalations), (0, 0));
    assert_eq!(package.view().len(), old_len as u64, "as it was told");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("it starts").block_on(async {
        let opened = AsyncPackage::open_url_with(&server.url, &options()).await;
        let package = opened.expect("the length is a hint");
        assert_eq!(package.get("0.bin").await.expect("it is there"), expected);
    });
}

#[test]
fn bytes_that_come_a_little_later_are_waited_for() {
    // spec: R-HTTP-26
    let (old, new, expected) = grown();
    // The server has the new head at once, and the other new bytes from the tenth request on.
    let server = Server::start(
        new,
        Box::new(move |seen, n, file| {
            let first = seen.range.expect("it is one").0;
            if first < 65_536 || n >= 10 { right(seen, file) } else { right(seen, &old) }
        }),
    );
    let pauses = Arc::<Mutex<Vec<String>>>::default();
    let told = Arc::clone(&pauses);
    let on_pause =
        OnPause::new(move |pause| told.lock().expect("no panic").push(pause.to_string()));
    let options = HttpOptions { on_pause, ..patient() };
    let (package, _) = Package::open_url_with(&server.url, &options).expect("the head is there");
    assert_eq!(package.get("0.bin").expect("it came"), expected);
    assert!(pauses.lock().expect("no panic").is_empty(), "nothing took seconds");
    assert!(server.seen().len() > 10);
    // If the new bytes never arrive, the error says that an upload is in progress.
    let (old, new, _) = grown();
    let server = Server::start(
        new,
        Box::new(move |seen, _, file| {
            let first = seen.range.expect("it is one").0;
            if first < 65_536 { right(seen, file) } else { right(seen, &old) }
        }),
    );
    let (package, _) = Package::open_url_with(&server.url, &patient()).expect("the head is there");
    let error = package.get("0.bin").expect_err("it never comes");
    assert_eq!(error.kind(), ErrorKind::Stale);
    assert!(error.to_string().contains("an upload is in progress"), "{error}");
}

#[test]
fn a_package_that_is_overwritten_from_its_start_is_read_in_the_end() {
    // spec: R-HTTP-26
    let (old, new, expected) = grown();
    // At each request, the server has more bytes of the new file than before. After these new
    // bytes, its file either still has the bytes of the old file, or ends.
    for truncates in [false, true] {
        let old = old.clone();
        let server = Server::start(
            new.clone(),
            Box::new(move |seen, n, file| {
                // The upload is slow at first, so the reader gets an incomplete head. Then the
                // upload becomes fast enough that a block in the next slice arrives while the
                // reader waits.
                let written = (n * 30_000).max(n.saturating_sub(4) * 150_000).min(file.len());
                let mut now = file[..written].to_vec();
                if !truncates && written < old.len() {
                    now.extend(&old[written..]);
                }
                right(seen, &now)
            }),
        );
        let opened = Package::open_url_with(&server.url, &patient());
        let (package, _) = opened.expect("it comes within the waits");
        assert_eq!(package.get("1.bin").expect("it comes within the waits"), content(1));
        // The reader may have opened the view before the update.
        let got = package.get("0.bin").expect("it comes within the waits");
        assert!(got == expected || got == content(0), "{truncates}");
        // If the upload truncates the file, the bytes of the old view are missing. So the reader
        // must have waited for the new bytes.
        assert!(!truncates || (got == expected && server.seen().len() > 10), "{truncates}");
    }
}

fn short() -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("p.dacti-pack");
    let options = BuildOptions { layout: LayoutChoice::Compact, ..BuildOptions::default() };
    let mut builder = PackageBuilder::new(options);
    builder.add("a.txt", b"content".to_vec()).expect("the path is good");
    builder.build(&out).expect("it can be built");
    let file = std::fs::read(out).expect("it was written");
    assert!(file.len() < 65_536);
    file
}

#[test]
fn a_short_file_is_read_from_servers_with_odd_ends() {
    // spec: R-HTTP-31, R-HTTP-34
    let strict = |seen: &Seen, _: usize, file: &[u8]| match seen.range {
        Some((_, last)) if last >= file.len() => {
            let range = format!("bytes */{}", file.len());
            answer("416 No", &[("Content-Range", range), len_field(0)], b"")
        }
        _ => right(seen, file),
    };
    let star = |seen: &Seen, _: usize, file: &[u8]| {
        let (first, last) = seen.range.expect("it is one");
        let last = last.min(file.len() - 1);
        let range = ("Content-Range", format!("bytes {first}-{last}/*"));
        answer("206 Partial Content", &[range, len_field(last + 1 - first)], &file[first..=last])
    };
    for server in [Server::start(short(), Box::new(strict)), Server::start(short(), Box::new(star))]
    {
        let opened = Package::open_url_with(&server.url, &options());
        let (package, source) = opened.expect("it is good");
        assert_eq!(package.get("a.txt").expect("it is in the head"), b"content");
        assert_eq!(source.stats().requests, 2);
    }
}

#[test]
fn credentials_go_to_the_origin_of_the_package_only() {
    let file = packed(3, content);
    let server = Server::start(file.clone(), Box::new(|seen, _, file| right(seen, file)));
    let copy = Server::start(file, Box::new(|seen, _, file| right(seen, file)));
    let token = ("x-token".to_owned(), "secret".to_owned());
    let mut options =
        HttpOptions { headers: vec![token.clone()], head_url: Some(copy.url.clone()), ..options() };
    let (package, _) = Package::open_url_with(&server.url, &options).expect("it is good");
    assert_eq!(package.get("1.bin").expect("it is there"), content(1));
    assert!(server.seen().iter().all(|seen| seen.fields.contains(&token)));
    assert_eq!(copy.seen().len(), 1);
    assert!(copy.seen().iter().all(|seen| !seen.fields.contains(&token)), "another origin");
    options.header_origins = vec![copy.url.clone()];
    Package::open_url_with(&server.url, &options).expect("it is good");
    assert!(copy.seen()[1].fields.contains(&token), "an origin that was named");
    assert!(!format!("{options:?}").contains("secret"));
}

#[test]
fn a_fault_of_tls_is_called_that() {
    // spec: R-HTTP-22
    let server = Server::start(packed(1, content), Box::new(|seen, _, file| right(seen, file)));
    let url = server.url.replace("http://", "https://me:secret@") + "?secret";
    let error = Package::open_url_with(&url, &options()).expect_err("it does not talk TLS");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let text = error.to_string();
    assert!(text.contains("failed at TLS") && text.contains("certificate"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    assert!(server.connections.load(std::sync::atomic::Ordering::Relaxed) <= 1);
}

#[test]
fn a_silent_server_is_given_up_in_seconds_and_the_program_can_say_so() {
    // spec: R-HTTP-52
    let defaults = HttpOptions::default();
    let session = defaults.session;
    // The reader sends one request with the plain URL, one with a tag, and one with a nonce.
    let longest = 3 * (1 + u64::from(session.silent_retries_max)) * session.first_byte_millis_max;
    assert!(longest <= 30_000 && defaults.connect_timeout <= Duration::from_secs(5));
    // The test accepts no connection of this listener, so no answer ever arrives.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://me:secret@{}/p", listener.local_addr().expect("it is bound"));
    let pauses = Arc::<Mutex<Vec<String>>>::default();
    let told = Arc::clone(&pauses);
    let on_pause =
        OnPause::new(move |pause| told.lock().expect("no panic").push(pause.to_string()));
    let mut options = HttpOptions { on_pause, ..options() };
    options.session.first_byte_millis_max = 2_500;
    options.session.tags = false;
    let error = Package::open_url_with(&url, &options).expect_err("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let shown = Location::from(&*url).to_string();
    let expected = format!("{shown}: the server has not answered yet; waiting for up to 1 s");
    assert_eq!(*pauses.lock().expect("no panic"), [expected]);
}

#[test]
fn a_budget_of_reads_counts_like_one_of_requests() {
    // spec: R-HTTP-50
    let source = Arc::new(dacti::fetch::BytesSource::new(packed(3, content)));
    let counted = Counted::bounded(source, 2, u64::MAX);
    let limits = dacti::Limits::default();
    let package = Package::from_source(Arc::new(counted.clone()), limits).expect("one read");
    assert_eq!(package.get("1.bin").expect("the second read"), content(1));
    let error = package.get("2.bin").expect_err("it is the third");
    assert!(error.to_string().contains("budget of 2 requests is spent"), "{error}");
    assert_eq!(counted.stats().reads, 2);
}
