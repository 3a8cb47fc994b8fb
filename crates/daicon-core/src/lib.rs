//! daicon-core
