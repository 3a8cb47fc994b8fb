//! Tests that concern several crates: an independent reference implementation, and the fixtures
//! that it writes.

pub mod cache;
pub mod cases;
pub mod dar_reference;
pub mod dump;
pub mod edit;
pub mod expect;
pub mod http;
pub mod lab;
pub mod program;
pub mod reference;
pub mod served;

/// The folder of the committed fixtures. Programs of other packages use it, too.
pub const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

/// A daicon file that is not a package. It is a text note, written by hand from the tables of the
/// specification.
pub const NOTE: &[u8; 86] = b"\xffdaicon0\
    \x9d\x80\x44\x55\x51\x19\xfa\x45\x81\x6e\x31\xf0\x39\x34\x91\x2d\x01\0\0\0\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\
    \xa4\x72\xcb\x37\xab\xca\x0c\x44\x8b\x7c\x86\x90\x19\xed\x34\x8e\0\0\x01\0\
    \x50\0\0\0\x03\0\0\0\
    hi\n\0\0\0";
