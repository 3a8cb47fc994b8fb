//! Tests of the program with real files.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A file that is deleted when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        Self(dir.join(format!("text-note-{}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn run<const N: usize>(args: [&OsStr; N]) -> io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_text-note")).args(args).output()
}

#[test]
fn a_text_comes_back_from_a_file() {
    let file = Scratch::new("round");
    let text = "gr\u{fc}\u{df}e\n";
    let output = run(["write".as_ref(), file.0.as_ref(), text.as_ref()]).unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
    assert_eq!(std::fs::read(&file.0).unwrap().len(), 80 + text.len());
    let output = run(["read".as_ref(), file.0.as_ref()]).unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), text.as_bytes()));
}

#[test]
fn what_is_no_note_is_an_error_and_says_so() {
    let file = Scratch::new("none");
    std::fs::write(&file.0, "a plain text, longer than a head is").unwrap();
    let output = run(["read".as_ref(), file.0.as_ref()]).unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("text-note: signature at 0x0: expected FF \"daicon0\""), "{said}");
}

#[test]
fn arguments_that_make_no_sense_are_a_matter_of_usage() {
    let output = run(["red".as_ref()]).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stderr.starts_with(b"usage: text-note write FILE TEXT\n"));
}
