//! The bounds of the server, and the lifetimes that it tells caches.

use core::time::Duration;

/// The bounds of the server, and the lifetimes that it tells caches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Connections at once; further ones wait to be accepted.
    pub connections_max: usize,
    /// Regions in progress at once. Each takes a thread while it is read, and at most 8 MiB until
    /// the client has it.
    pub regions_max: usize,
    /// Bytes that a region may decode to.
    pub region_len_max: u64,
    /// Bytes that the names list of a package may decode to.
    pub names_len_max: u64,
    /// Files whose kind is remembered. A package takes 64 KiB, and more for its fences, its names
    /// list and its index if requests need them: at most 256 MiB in all.
    pub packages_max: usize,
    /// The longest time for loading a names list or an index. One is loaded at a time.
    pub load_max: Duration,
    /// Whether directories, and folders of packages, without an `index.html` are listed.
    pub index_pages: bool,
    /// The longest time without progress on a connection.
    pub idle_max: Duration,
    /// The longest time for requests in progress when the server is stopped.
    pub stop_max: Duration,
    /// Seconds for which caches may keep a package's head, and other files.
    pub head_max_age: u32,
    /// Seconds for which caches may keep the bytes of a package after its head, which never change.
    pub data_max_age: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            regions_max: 32,
            region_len_max: 4 << 30,
            names_len_max: 16 << 20,
            packages_max: 256,
            load_max: Duration::from_secs(10),
            index_pages: true,
            idle_max: Duration::from_secs(30),
            stop_max: Duration::from_secs(10),
            head_max_age: 5,
            data_max_age: 31_536_000,
        }
    }
}
