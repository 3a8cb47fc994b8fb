//! The lab: reads packages through real servers and caches while updates change them.
//!
//! The short form runs with the other tests. `cargo xtask lab --full` runs the whole lab.

mod archive;
mod cdn_check;
mod counts;
mod deploys;
mod gateway;
mod load;
mod npm;
mod parts;
mod ranges;
mod stores;
mod updates;
