//! Conformance: compares the crates with the fixtures of the specification and with the reference
//! implementation.
//!
//! Expected values come from `docs/spec/`. A person computes them, or `dacti_tests::reference`
//! does. They never come from the crates.

mod answers;
mod areas;
mod building;
mod cli;
mod cli_files;
mod cli_json;
mod cli_keys;
mod cli_limits;
mod cli_pages;
mod cli_secrets;
mod cli_totals;
mod container;
mod emitters;
mod entries;
mod fuzz;
mod grown;
mod heads;
mod index;
mod messages;
mod names;
mod package;
mod plans;
mod reads;
mod serve;
mod serve_more;
mod sign;
mod site_cli;
mod stale;
mod streams;
mod support;
mod totals;
mod upkeep;
mod upkeep_cli;
mod verdicts;
