//! Reads dacti packages in browsers, workers, Node and Deno, over `fetch`.
//!
//! This crate is compiled to WebAssembly, and the npm package `dacti` wraps it. It has no rule of
//! its own: packages are read by `dacti`, and the rules of HTTP are those of `dacti-http`. This
//! crate sends their requests through its [`Host`], the JavaScript around it.
//!
//! The boundary is free of callbacks into WebAssembly: the host starts a task, does the requests
//! that the [`Engine`] asks for, feeds their answers, and receives the task's outcome.

#![expect(
    clippy::std_instead_of_alloc,
    reason = "this crate needs std; alloc's paths would gain nothing"
)]

mod blob;
#[cfg(target_family = "wasm")]
mod boundary;
mod cache;
mod engine;
mod host;
mod json;
mod network;
mod outcome;
mod reader;
mod slot;

pub use engine::{Engine, Order, Verb};
pub use host::Host;
pub use outcome::OutcomeKind;
pub use slot::Message;
