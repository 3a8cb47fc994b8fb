//! dacti-index
