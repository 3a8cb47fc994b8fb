//! Runs the entry points of `tests/conformance/entries.rs` with libFuzzer.
//!
//! `DACTI_FUZZ_ENTRY` names the entry point. If `DACTI_FUZZ_SEEDS` is set, the program writes the
//! seeds of this entry point into the folder of that name, and ends. `cargo xtask fuzz` sets both.
#![no_main]
// The modules also contain tests, which this program does not use.
#![allow(dead_code, unused_imports, unused_macros)]

#[path = "../../tests/conformance/answers.rs"]
mod answers;
#[path = "../../tests/conformance/container.rs"]
mod container;
#[path = "../../tests/conformance/entries.rs"]
mod entries;
#[path = "../../tests/conformance/heads.rs"]
mod heads;
#[path = "../../tests/conformance/index.rs"]
mod index;
#[path = "../../tests/conformance/names.rs"]
mod names;
#[path = "../../tests/conformance/package.rs"]
mod package;
#[path = "../../tests/conformance/support.rs"]
mod support;

use entries::{ENTRIES, Entry};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::OnceLock;

fn entry() -> &'static Entry {
    static ENTRY: OnceLock<&Entry> = OnceLock::new();
    ENTRY.get_or_init(|| {
        let name = std::env::var("DACTI_FUZZ_ENTRY").expect("DACTI_FUZZ_ENTRY names an entry");
        let found = ENTRIES.iter().find(|entry| entry.name == name);
        found.unwrap_or_else(|| {
            let names: Vec<_> = ENTRIES.iter().map(|entry| entry.name).collect();
            panic!("{name} is none of {}", names.join(", "))
        })
    })
}

/// Writes the seeds. Their file names are numbers, because their own names need not be valid file
/// names.
fn write_seeds(folder: &Path) {
    for (number, (_, bytes)) in (entry().seeds)().into_iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number}")), bytes).expect("the folder exists");
    }
}

fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("DACTI_FUZZ_SEEDS") {
            write_seeds(Path::new(&folder));
            std::process::exit(0);
        }
    },
    |data: &[u8]| {
        (entry().run)(data);
    }
);
