//! Bytes that are wrong.
