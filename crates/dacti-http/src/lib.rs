#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::std_instead_of_alloc,
        reason = "the numbers in tests are small"
    )
)]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

mod backoff;
mod error;
mod fault;
mod fetch;
mod grid;
mod ledger;
mod mark;
mod options;
mod request;
mod response;
mod session;
mod step;

pub use daicon_core::HEAD_LEN;
pub use error::{Error, ErrorKind, Misuse};
pub use fault::{Coding, Doubt, Fault};
pub use fetch::{Delivery, End, Fetch, Want};
pub use grid::Grid;
pub use ledger::{Ledger, Stats};
pub use options::Options;
pub use request::{Request, Tag, is_presigned};
pub use response::Response;
pub use session::{Identity, News, Session};
