//! Updates of packages in files: carried out, interrupted at every call and resumed, many times in
//! a row, and while other processes read.
//!
//! Expected values come from models of a few lines and from `dacti_tests::reference`.

#[expect(dead_code, reason = "fixtures are for those who read, and no update is one")]
mod support;
mod update_barriers;
mod update_cli;
mod update_crash;
mod update_files;
mod update_many;
mod update_readers;
mod update_served;
