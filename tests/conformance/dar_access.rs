//! How much random access reads.
