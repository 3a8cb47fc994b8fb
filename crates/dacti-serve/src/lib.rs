#![doc = include_str!("../README.md")]
#![expect(
    clippy::std_instead_of_alloc,
    reason = "this crate needs std, so imports from alloc would gain nothing"
)]

mod answer;
mod body;
mod file;
mod gateway;
mod lifetime;
mod lookup;
mod opened;
mod options;
mod packages;
mod page;
mod range;
mod read;
mod region;
mod search;
mod server;
mod site;
mod target;
mod work;

pub use options::Options;
pub use server::{Logged, Server};
pub use site::Site;
