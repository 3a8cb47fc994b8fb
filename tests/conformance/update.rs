//! Updates of packages in files: carried out, cut short at every call and taken up again, many
//! times over, and under the eyes of readers.
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
