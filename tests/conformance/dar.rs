//! DAR archives. Compares them with those of an independent encoder, reads CARs that other programs
//! made, and reads damaged bytes.

mod dar_access;
mod dar_async;
mod dar_cars;
mod dar_cli;
mod dar_cli_files;
mod dar_faults;
mod dar_golden;
mod dar_growth;
mod dar_hostile;
mod dar_remote;
mod dar_round_trip;
mod dar_salvage;
mod dar_support;
mod dar_threads;
mod dar_unixfs;
mod gateway;
mod gateway_answers;
mod gateway_hostile;
mod gateway_tar;
