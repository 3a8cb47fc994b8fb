//! Conformance of updates: which views readers get from caches during an update.
//!
//! `dacti_tests::cache` has the simulation. These modules have the packages, the plans, and the
//! laws that are broken on purpose.

mod cdn_breaches;
mod cdn_cases;
mod cdn_checked;
mod cdn_facade;
mod cdn_planner;
mod cdn_plans;
