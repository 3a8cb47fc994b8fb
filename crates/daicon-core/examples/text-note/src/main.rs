//! The program of the example: `text-note write FILE TEXT` and `text-note read FILE`.
//!
//! This file handles arguments, files and exit codes. The library implements the format.

use core::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::process::ExitCode;

const USAGE: &str = "usage: text-note write FILE TEXT\n       text-note read FILE";

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let result = match &*args {
        [verb, file, text] if verb == "write" => write(file, text),
        [verb, file] if verb == "read" => read(file),
        _ => {
            say(USAGE);
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("text-note: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn write(file: &OsString, text: &OsString) -> Result<(), Box<dyn Error>> {
    let text = text.to_str().ok_or("the text is not UTF-8")?;
    let mut out = BufWriter::new(File::create(file)?);
    text_note::write(text, &mut out)?;
    Ok(out.flush()?)
}

fn read(file: &OsString) -> Result<(), Box<dyn Error>> {
    let text = text_note::read(&mut BufReader::new(File::open(file)?), text_note::TEXT_LEN_MAX)?;
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// Prints a line to standard error. If this fails, the error cannot be reported anywhere, so it is
/// ignored.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
