//! Packages published in parts: what publishers store, at whichever operation they fail, and what
//! readers see meanwhile.
//!
//! The reference implementation puts head and parts together to the package of one file, so that
//! what is published is judged by code that shares nothing with the crates.

#[path = "parts_cli.rs"]
mod cli;
#[path = "parts_http.rs"]
mod http;
#[path = "parts_races.rs"]
mod races;
#[path = "parts_s3.rs"]
mod s3;
#[path = "parts_store.rs"]
mod store;
#[path = "parts_updates.rs"]
mod updates;
