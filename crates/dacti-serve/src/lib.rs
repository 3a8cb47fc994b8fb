//! An HTTP origin for dacti packages, for development and small sites.
//!
//! It serves one file or the files of one directory, with correct single ranges, cache lifetimes
//! that are honest for packages that grow in place, and the regions of a package as pages of their
//! own at `/PKG/-/PATH`.
//!
//! It refuses to know how packages are made, and what stands outside of what it was given: neither
//! `..` nor a symbolic link leads there.
//!
//! # Who needs this crate
//!
//! `dacti serve`, and programs and tests that want such an origin inside.
//!
//! # Example
//!
//! ```
//! use dacti_serve::{Options, Server, Site};
//!
//! let dir = tempfile::tempdir()?;
//! std::fs::write(dir.path().join("hello.txt"), "hello")?;
//! let runtime = tokio::runtime::Runtime::new()?;
//! runtime.block_on(async {
//!     let address = "127.0.0.1:0".parse().unwrap();
//!     let server = Server::bind(Site::open(dir.path())?, address, Options::default()).await?;
//!     println!("http://{}/hello.txt", server.address());
//!     // Until a signal, say; here at once.
//!     server.run(async {}).await;
//!     Ok::<(), std::io::Error>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Cost
//!
//! A request opens its file anew, so that what was published a moment ago is served, and holds at
//! most 64 KiB of it. Packages that regions were asked of stay open, [`Options::packages_max`] of
//! them. What is in the system's page cache is read by the thread that answers; what is not, by a
//! thread of its own, so that a slow disk holds up nobody else.
//!
//! # Promise
//!
//! No request can panic the server, or make it read outside its site, or hold memory beyond
//! [`Options`]: connections, time without progress, and regions under way are bounded.

#![expect(
    clippy::std_instead_of_alloc,
    reason = "this crate needs std; alloc's paths would gain nothing"
)]

mod answer;
mod body;
mod file;
mod lifetime;
mod packages;
mod range;
mod read;
mod region;
mod server;
mod site;
mod target;

pub use server::{Options, Server};
pub use site::Site;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
