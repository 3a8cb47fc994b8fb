//! The limits of the server, and the lifetimes that its answers state for caches.

use core::time::Duration;

/// The limits of the server, and the lifetimes that its answers state for caches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The maximum number of connections at the same time. Further connections wait until they are
    /// accepted.
    pub connections_max: usize,
    /// The maximum number of regions in progress at the same time. Each needs a thread while it is
    /// read, and at most 8 MiB of memory until the client has received it.
    pub regions_max: usize,
    /// The maximum length of a region's content, in bytes.
    pub region_len_max: u64,
    /// The maximum length of a package's decoded names list, in bytes.
    pub names_len_max: u64,
    /// The maximum number of files whose kind is remembered. A package takes 64 KiB of memory, and
    /// more for its fences, and for its names list and index if requests need them. All packages
    /// together take at most 256 MiB.
    pub packages_max: usize,
    /// The longest time for loading a names list or an index. Only one of them is loaded at a time.
    pub load_max: Duration,
    /// Whether an index page is sent for a directory, or for a folder of a package, that has no
    /// `index.html`.
    pub index_pages: bool,
    /// The longest time without progress on a connection.
    pub idle_max: Duration,
    /// The longest time for requests in progress when the server is stopped.
    pub stop_max: Duration,
    /// Seconds for which caches may keep a package's head, and other files.
    pub head_max_age: u32,
    /// Seconds for which caches may keep the bytes after a package's head. These bytes never
    /// change.
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
