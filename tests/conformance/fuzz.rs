//! Fuzz smoke tests: mutated fixtures through every reader, held against the reference.
//!
//! `DACTI_FUZZ_ITERATIONS` is the number of rounds of each test, `DACTI_FUZZ_SEED` the seed of the first.
