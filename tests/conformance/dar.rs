//! DAR archives against an independent encoder, against CARs that others made, and against bytes
//! that are wrong.

mod dar_access;
mod dar_cars;
mod dar_cli;
mod dar_golden;
mod dar_hostile;
mod dar_round_trip;
mod dar_support;
mod dar_threads;
