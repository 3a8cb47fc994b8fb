//! DAR archives from servers that do not state the length of the file. Readers must find the
//! trailer at the end, or report an error that says what to do.

use crate::{Seen, Server, answer, len_field, options, right};
use dacti::ErrorKind;
use dacti::dar::{Archive, AsyncArchive, DarSource};
use dacti::fetch::HttpOptions;
use dacti_dar::unixfs::Item;
use dacti_dar::{BlockStore, Cid, ReadError, WriteOptions, Writer, write_dag};
use dacti_tests::program::program;
use std::process::{Command, Output};

/// A block store that returns the same block for every CID.
struct Only<'b>(&'b [u8]);

impl BlockStore for Only<'_> {
    fn get(&mut self, _: &Cid, into: &mut Vec<u8>) -> Result<bool, ReadError> {
        into.extend(self.0);
        Ok(true)
    }
}

fn block(number: usize) -> Vec<u8> {
    (0..40_000).map(|i| ((i * i) >> 5) as u8 ^ (number as u8)).collect()
}

fn cid(number: usize) -> Cid {
    Item::leaf(&block(number)).cid
}

/// Returns an archive of raw blocks with 40,000 bytes each.
fn archive(blocks: usize) -> Vec<u8> {
    let options = WriteOptions { index: true, ..WriteOptions::default() };
    let mut writer = Writer::with_options(Vec::new(), &options).expect("a vector takes it");
    for number in 0..blocks {
        write_dag(&mut writer, &cid(number), &mut Only(&block(number))).expect("it is one block");
    }
    writer.finish().expect("it is sound").0
}

/// Answers with ranges whose `Content-Range` states the total as `*`.
fn starred(seen: &Seen, _: usize, file: &[u8]) -> Vec<u8> {
    let Some((first, last)) = seen.range.filter(|(first, _)| *first < file.len()) else {
        return right(seen, file);
    };
    let body = &file[first..file.len().min(last + 1)];
    let range = format!("bytes {first}-{}/*", first + body.len() - 1);
    answer("206 Partial Content", &[("Content-Range", range), len_field(body.len())], body)
}

/// Answers every request with the whole file. The body ends when the connection ends.
fn unframed(_: &Seen, _: usize, file: &[u8]) -> Vec<u8> {
    answer("200 OK", &[], file)
}

type Answers = fn(&Seen, usize, &[u8]) -> Vec<u8>;

fn serve(blocks: usize, answers: Answers) -> Server {
    Server::start(archive(blocks), Box::new(answers))
}

#[test]
fn a_short_archive_whose_length_no_answer_states_is_read_whole() {
    // spec: R-HTTP-66, R-HTTP-40
    for answers in [starred as Answers, unframed] {
        let server = serve(20, answers);
        let (source, remote) = DarSource::open_url(&server.url, &options()).expect("it is short");
        let archive = Archive::open(source).expect("it is sound");
        for number in [0, 19] {
            let found = archive.get(&cid(number)).expect("it is sound");
            assert_eq!(found, Some(block(number)), "{number}");
        }
        assert!(remote.is_whole() && remote.stats().requests <= 3, "{:?}", remote.stats());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("it starts").block_on(async {
            let opened = AsyncArchive::open_url(&server.url, &options()).await;
            let archive = opened.expect("it is short");
            let found = archive.get(&cid(7)).await.expect("it is sound");
            assert_eq!(found, Some(block(7)));
            assert_eq!(archive.verify().await.expect("it is sound").blocks, 20);
        });
    }
}

#[test]
fn a_length_that_only_the_whole_file_states_is_enough_for_ranges() {
    // spec: R-HTTP-66
    let server = serve(100, starred);
    let (source, remote) = DarSource::open_url(&server.url, &options()).expect("it has a length");
    let archive = Archive::open(source).expect("it is sound");
    assert_eq!(archive.get(&cid(63)).expect("it is sound"), Some(block(63)));
    assert!(!remote.is_whole() && remote.stats().bytes < 300_000, "{:?}", remote.stats());
    let without: Vec<_> = server.seen().into_iter().filter(|seen| seen.range.is_none()).collect();
    assert_eq!(without.len(), 1);
}

#[test]
fn no_tag_is_added_to_the_url_of_an_archive() {
    // Each request for a range fails twice, as with a stale cache. The third one succeeds.
    let fails = |seen: &Seen, n: usize, file: &[u8]| {
        let range = ("Content-Range", "bytes */1000".to_owned());
        if !n.is_multiple_of(3) {
            answer("416 No", &[range, len_field(0)], b"")
        } else {
            right(seen, file)
        }
    };
    let server = Server::start(archive(100), Box::new(fails));
    let (source, remote) = DarSource::open_url(&server.url, &options()).expect("it is there");
    let archive = Archive::open(source).expect("it is sound");
    assert_eq!(archive.get(&cid(63)).expect("it is sound"), Some(block(63)));
    assert!(remote.stats().retries >= 2, "{:?}", remote.stats());
    assert!(server.seen().iter().all(|seen| seen.target == "/p.dacti-pack"));
}

#[test]
fn a_long_archive_without_a_length_needs_permission() {
    // spec: R-HTTP-66, R-HTTP-40
    let server = serve(100, unframed);
    let error = DarSource::open_url(&server.url, &options()).expect_err("it is long");
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let mut allowed: HttpOptions = options();
    allowed.session.allow_whole = true;
    let (source, remote) = DarSource::open_url(&server.url, &allowed).expect("it is allowed");
    let archive = Archive::open(source).expect("it is sound");
    assert_eq!(archive.get(&cid(99)).expect("it is sound"), Some(block(99)));
    assert!(remote.is_whole());
    // The budget also ends a body of unknown length.
    allowed.session.bytes_max = 2_000_000;
    let error = DarSource::open_url(&server.url, &allowed).expect_err("it is too much");
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
}

#[test]
fn the_program_names_the_option_that_reads_such_an_archive() {
    let dacti = |arguments: &[&str]| -> (Option<i32>, String) {
        let output: Output = Command::new(program()).args(arguments).output().expect("it runs");
        let told = [&*output.stdout, &*output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&told).into_owned())
    };
    let server = serve(100, unframed);
    let (code, told) = dacti(&["dar", "verify", &server.url]);
    assert!(code == Some(1) && told.contains("--allow-whole"), "{told}");
    let (code, told) = dacti(&["dar", "verify", &server.url, "--allow-whole", "--stats"]);
    assert!(code == Some(0) && told.contains("100 blocks, 100 roots"), "{told}");
    // The program prints the cost of the whole run once.
    assert_eq!(told.matches(" requests, ").count(), 1, "{told}");
    for option in [["--head", "http://127.0.0.1:1/x.head"], ["--at", "1"]] {
        let (code, told) = dacti(&["dar", "roots", &server.url, option[0], option[1]]);
        assert!(code == Some(2) && told.contains("are for packages"), "{told}");
    }
}
