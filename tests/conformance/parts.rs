//! Packages in parts. Publishers fail at each of their operations, and readers read at the same
//! time.
//!
//! The reference implementation assembles the package from the head and the parts. It shares no
//! code with the crates, so its judgement of a publication is independent.

#[path = "parts_cli.rs"]
mod cli;
#[path = "parts_forms.rs"]
mod forms;
#[path = "parts_http.rs"]
mod http;
#[path = "parts_pull.rs"]
mod pull;
#[path = "parts_races.rs"]
mod races;
#[path = "parts_runs.rs"]
mod runs;
#[path = "parts_s3.rs"]
mod s3;
mod s3_server;
#[path = "parts_shared.rs"]
mod shared;
#[path = "parts_store.rs"]
mod store;
#[path = "parts_updates.rs"]
mod updates;
