//! dacti
