//! The rules by which a dacti package is read over HTTP, as a machine without IO.
//!
//! A package on static hosting is read by ranges, through caches that may be stale, lie about
//! ranges, compress what they should not, or break off. This crate says which request to send next
//! and what an answer means: resume, ask again, ask past the cache, or give up with an error that
//! names what came and what to set where. It keeps the budget, and counts. The normative text is
//! `docs/spec/dacti-http.md`.
//!
//! This crate refuses to know sockets, clocks, chance and URLs, and what the bytes mean: a caller
//! that finds them wrong says so, and they are fetched anew.
//!
//! # Who needs this crate
//!
//! Those who read packages, or other files that only grow, with an HTTP client of their own. Who
//! just wants to open a URL takes the crate `dacti`.
//!
//! # Example
//!
//! ```
//! use dacti_http::{Answer, End, Options, Session, Want};
//! use daicon_core::Span;
//!
//! let mut session = Session::new(Options::default());
//! let mut fetch = session.fetch(Span { start: 3, end: 6 });
//! let (mut got, random) = (Vec::new(), 7);
//! loop {
//!     match fetch.want(&mut session, random)? {
//!         Want::Wait(millis) => { /* sleep, blocking or not */ }
//!         Want::Nothing => break,
//!         Want::Send(request) => {
//!             let fields: Vec<_> = request.fields().collect();
//!             assert_eq!(fields[0], ("range", "bytes=3-5".to_owned()));
//!             // Send it, to `request.tag.append_to(url)`. This came:
//!             let answer = Answer::new(206).with_field("Content-Range", b"bytes 3-5/10");
//!             if fetch.answer(&mut session, &answer) {
//!                 let (delivery, _more) = fetch.body(&mut session, b"def");
//!                 let delivery = delivery.expect("it is what was asked for");
//!                 got.truncate(delivery.at as usize - 3);
//!                 got.extend_from_slice(delivery.bytes);
//!                 fetch.end(&mut session, End::Complete);
//!             }
//!         }
//!     }
//! }
//! assert_eq!(got, b"def");
//! assert_eq!((session.stats().requests, session.stats().bytes), (1, 3));
//! # Ok::<(), dacti_http::Error>(())
//! ```
//!
//! # Cost
//!
//! A session and a fetch are a few hundred bytes each, whatever they fetch; bodies are handed on as
//! they come. A session remembers at most 64 ranges that its caller found wrong.
//!
//! # Promise
//!
//! A fetch ends: after at most [`Options::requests_per_fetch_max`] requests, and never over the
//! budget. It ends with the bytes that were asked for, as far as a server can be believed without a
//! digest, or with a typed error; with a digest, and [`Fetch::doubt`], with the right ones.
//!
//! `daicon-core` is a public dependency.

#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::std_instead_of_alloc,
        reason = "tests compute small numbers of their own"
    )
)]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

mod answer;
mod backoff;
mod error;
mod fault;
mod fetch;
mod grid;
mod mark;
mod options;
mod request;
mod session;
#[cfg(test)]
mod world;

pub use answer::Answer;
pub use daicon_core::HEAD_LEN;
pub use error::{Error, ErrorKind, Misuse};
pub use fault::{Coding, Doubt, Fault};
pub use fetch::{Delivery, End, Fetch, Want};
pub use grid::Grid;
pub use options::Options;
pub use request::{Request, Tag, is_presigned};
pub use session::{Identity, News, Session, Stats};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
