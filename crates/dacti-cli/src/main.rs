//! The `dacti` program.

fn main() {}
