//! Updates of packages in files. They run to their end, or are interrupted at every call and
//! resumed. There are also long series of updates, and updates while other processes read.
//!
//! Short models and `dacti_tests::reference` compute the expected values.

#[expect(dead_code, reason = "fixtures are for those who read, and no update is one")]
mod support;
mod update_barriers;
mod update_cli;
mod update_crash;
mod update_files;
mod update_many;
mod update_readers;
mod update_served;
