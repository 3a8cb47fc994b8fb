//! Updates of packages in files: complete, interrupted at every call and resumed, in long series,
//! and while other processes read.
//!
//! Expected values are computed by short models and by `dacti_tests::reference`.

#[expect(dead_code, reason = "fixtures are for those who read, and no update is one")]
mod support;
mod update_barriers;
mod update_cli;
mod update_crash;
mod update_files;
mod update_many;
mod update_readers;
mod update_served;
