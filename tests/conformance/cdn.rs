//! Conformance of updates: the views that readers get from caches during an update.
//!
//! The simulation itself is `dacti_tests::cache`. Here are the packages, the plans, and the laws
//! that are broken on purpose.

mod cdn_breaches;
mod cdn_cases;
mod cdn_checked;
mod cdn_facade;
mod cdn_planner;
mod cdn_plans;
