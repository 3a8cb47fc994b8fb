//! dacti-names
