//! Names the kind of a file that is not a daicon file, by its first bytes.

use crate::remote;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The number of bytes to read. The signature of a tar file is at offset 257.
const LEN: u64 = 512;

/// Kinds of files by their first bytes.
const SIGNATURES: [(&[u8], &str); 18] = [
    (b"PK\x03\x04", "it is a ZIP file: unzip it, and pack the folder"),
    (b"PK\x05\x06", "it is an empty ZIP file"),
    (b"\x1f\x8b", "it is compressed with gzip: decompress it first"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with zstd: decompress it first"),
    (b"BZh", "it is compressed with bzip2: decompress it first"),
    (b"\xfd7zXZ\0", "it is compressed with xz: decompress it first"),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z file: extract it, and pack the folder"),
    (b"dar\x01", "it is a DAR archive: `dacti dar` works on it"),
    (b"PMTiles", "it is a PMTiles file"),
    (b"%PDF-", "it is a PDF file"),
    (b"\x89PNG", "it is a PNG image"),
    (b"\x7fELF", "it is a program"),
    (b"<!DOCTYPE", HTML),
    (b"<!doctype", HTML),
    (b"<html", HTML),
    (b"<HTML", HTML),
    (b"<?xml", "it is an XML file"),
    (b"# PRIVATE", "it is the file of a private key"),
];
const HTML: &str = "it is an HTML page, such as a server sends in place of a file that it lacks";

/// Returns the kind of a file, if its first bytes show it. If the file cannot be read again,
/// `start` is used, which holds some of these bytes.
pub(crate) fn kind_of(file: &Path, start: &[u8]) -> Option<&'static str> {
    let mut bytes = Vec::new();
    if remote::url(file).is_none()
        && let Ok(file) = File::open(file)
    {
        // A failure is ignored: `start` is used in its place.
        let _ = file.take(LEN).read_to_end(&mut bytes);
    }
    kind(if bytes.is_empty() { start } else { &bytes })
}

fn kind(bytes: &[u8]) -> Option<&'static str> {
    if bytes.get(257..262) == Some(b"ustar") {
        return Some("it is a tar file: extract it, and pack the folder");
    }
    // A CAR starts with the length of its header, in one or two bytes. The header is a map with the
    // key `roots`.
    if [1, 2].iter().any(|at| is_car(bytes.get(*at..).unwrap_or_default())) {
        return Some("it is a CAR: `dacti dar from-car` makes a DAR archive of it");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let trimmed = bytes.trim_ascii_start();
    // If only a part of the signature was read, only that part is compared.
    let known = |signature: &[u8]| {
        let len = signature.len().min(trimmed.len());
        len >= 2 && trimmed.get(..len) == signature.get(..len)
    };
    let found = SIGNATURES.iter().find(|(signature, _)| known(signature));
    found.map(|(_, kind)| *kind).or_else(|| is_text(bytes).then_some("it is text"))
}

fn is_car(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xa2\x65roots") || bytes.starts_with(b"\xa2\x67version")
}

fn is_text(bytes: &[u8]) -> bool {
    let valid = match core::str::from_utf8(bytes) {
        Ok(text) => text,
        // The end of `bytes` may cut the last character.
        Err(error) if error.error_len().is_none() => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            core::str::from_utf8(valid).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty() && valid.chars().all(|c| !c.is_control() || c.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[track_caller]
    fn check(bytes: &[u8], expected: Option<&str>) {
        let found = kind(bytes);
        match expected {
            None => assert_eq!(found, None),
            Some(expected) => {
                assert!(found.is_some_and(|kind| kind.contains(expected)), "{found:?}");
            }
        }
    }

    #[test]
    fn files_are_told_by_their_first_bytes() {
        check(b"PK\x03\x04\x14\0\0\0", Some("ZIP"));
        check(b"\x1f\x8b\x08\0\0\0\0\0", Some("gzip"));
        check(b"<!DOCTYP", Some("HTML"));
        check(b"\n  <html>", Some("HTML"));
        check(b"dar\x01\x80\x01\x02\x03", Some("DAR"));
        check(b"\x3a\xa2\x65roots\x81", Some("CAR"));
        check(b"\xd0\x01\xa2\x65roots\x81", Some("CAR"));
        check(&[&[b'a'; 257][..], b"ustar\0"].concat(), Some("tar"));
        check("h\u{e9}llo\n".as_bytes(), Some("text"));
        check(b"caf\xc3", Some("text"));
        check(b"\xff\xfe\0\0", None);
        check(b"\0\0\0\0\0\0\0\0", None);
        check(b"", None);
    }
}
