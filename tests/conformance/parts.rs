//! Packages in parts: publishers that fail at each of their operations, and readers meanwhile.
//!
//! The reference implementation puts head and parts together to the package of one file. So code
//! that shares nothing with the crates judges each publication.

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
#[path = "parts_s3.rs"]
mod s3;
mod s3_server;
#[path = "parts_store.rs"]
mod store;
#[path = "parts_updates.rs"]
mod updates;
