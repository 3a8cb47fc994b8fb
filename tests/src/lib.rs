//! Cross-crate tests: an independent reference implementation, and the fixtures that it writes.

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

/// The folder of the committed fixtures, also for programs of other packages.
pub const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
