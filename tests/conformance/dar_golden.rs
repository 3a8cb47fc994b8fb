//! Archives that were written by hand. `docs/spec/dar.md` prints their bytes, or prints bytes that
//! differ by one change.

use crate::dar_support::read_options;
use dacti_dar::{Archive, Error, ReadError, Reader, StreamEvent};
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;

fn dump<R: Read>(reader: &mut Reader<R>) -> Result<String, ReadError> {
    let hex = |cid: dacti_dar::Cid| -> String {
        cid.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let mut out = String::new();
    while let Some(event) = reader.next_event()? {
        match event {
            StreamEvent::Root { cid, at } => writeln!(out, "root {at:#x} {}", hex(cid)),
            StreamEvent::Block { cid, at, data } => {
                writeln!(out, "block {at:#x} {} {}", data.len(), hex(cid))
            }
            StreamEvent::Repeat { at, target, .. } => writeln!(out, "repeat {at:#x} {target:#x}"),
            _ => Ok(()),
        }
        .expect("a string");
    }
    writeln!(out, "end {:#x}", reader.summary().len).expect("a string");
    Ok(out)
}

fn read(bytes: &[u8]) -> Result<String, ReadError> {
    match dump(&mut Reader::with_options(bytes, &read_options())) {
        // A stream cannot be read without marks. So random access reads the archive.
        Err(ReadError::Format(Error::NoMarks { .. })) => dump(&mut Archive::open(bytes)?.stream()?),
        other => other,
    }
}

#[test]
fn golden_archives() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let (mut good, mut bad, mut wrong) = (0, 0, vec![]);
    for entry in fs::read_dir(directory).expect("the fixtures are committed") {
        let path = entry.expect("the directory can be read").path();
        let name = path.file_name().expect("files have names").to_string_lossy().into_owned();
        if !name.starts_with("dar_") || !name.ends_with(".expect") {
            continue;
        }
        let expect = fs::read_to_string(&path).expect("an expectation is text");
        let bytes = fs::read(path.with_extension("bin")).expect("each expectation has a file");
        let mut lines = expect.splitn(3, '\n');
        let verdict = lines.next().unwrap_or_default();
        let expected = (verdict.to_owned(), lines.nth(1).unwrap_or_default().to_owned());
        let found = match read(&bytes) {
            Ok(dump) => ("ok".to_owned(), dump),
            Err(ReadError::Format(error)) => {
                let what = error.what().expect("it names a structure");
                let at = error.at().expect("it names a place");
                (format!("error {} {what} at {at:#x}", error.kind()), String::new())
            }
            Err(error) => panic!("a slice has no errors: {error}"),
        };
        *if verdict == "ok" { &mut good } else { &mut bad } += 1;
        if found != expected {
            wrong.push(format!("{name}: expected {expected:?}, found {found:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(good >= 6 && bad >= 18, "{good} good, {bad} bad");
}
