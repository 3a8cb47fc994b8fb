//! Reads dacti packages in browsers, workers, Node and Deno, over `fetch`.
//!
//! This crate is compiled to WebAssembly, and the npm package `dacti` wraps it. There are two
//! modules: the reader, and the tools (feature `codec`), which are loaded when the first region
//! needs them. With both features, one module has everything. The crate has no rules of its own:
//! `dacti` reads packages, and `dacti-http` has the rules of HTTP. This crate sends requests
//! through its host, the JavaScript around it.
//!
//! JavaScript never calls the engine while the engine calls JavaScript. The host starts a task,
//! does the requests that the engine asks for, feeds their answers, and receives the task's
//! outcome.

#![expect(
    clippy::std_instead_of_alloc,
    reason = "this crate needs std, so imports from alloc would gain nothing"
)]

#[cfg(feature = "reader")]
mod blob;
#[cfg(all(feature = "reader", target_family = "wasm"))]
mod boundary;
#[cfg(feature = "reader")]
mod cache;
#[cfg(all(feature = "codec", not(feature = "reader"), target_family = "wasm"))]
mod codec;
#[cfg(feature = "reader")]
mod engine;
#[cfg(all(feature = "reader", not(feature = "codec"), target_family = "wasm"))]
mod far_tools;
#[cfg(feature = "reader")]
mod host;
#[cfg(feature = "reader")]
mod json;
#[cfg(feature = "reader")]
mod network;
#[cfg(feature = "reader")]
mod outcome;
#[cfg(feature = "reader")]
mod reader;
#[cfg(feature = "reader")]
mod slot;
#[cfg(feature = "reader")]
mod tools;

#[cfg(feature = "reader")]
pub use {
    engine::{Engine, Order, Verb},
    host::Host,
    outcome::OutcomeKind,
    slot::Message,
    tools::Tools,
};
