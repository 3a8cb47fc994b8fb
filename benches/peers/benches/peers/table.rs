//! The tables of results, in Markdown.

use crate::measure::{Measured, median};
use crate::store::Store;
use crate::work::{Work, grouped};
use std::fmt::Write;

/// Formats a time in nanoseconds. Chooses a unit, and prints three digits.
pub fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    format!("{} {unit}", three(value))
}

fn three(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => grouped(v.round() as u64),
    }
}

/// Returns a time, and how many times longer it is than the floor's time.
fn cell(times: &[f64], floor: &[f64]) -> String {
    match (median(times), median(floor)) {
        (Some(median), Some(floor)) => format!("{} ({} x)", time(median), three(median / floor)),
        _ => "-".into(),
    }
}

/// Formats the table of one work. It has the times of each store. The ratio of a time to the
/// floor's time is in brackets.
///
/// The floor is `raw` for packing and opening. It is `raw, mapped` for look-ups.
pub fn table(work: &Work, stores: &[Box<dyn Store>], all: &[Measured]) -> String {
    let mut out = format!("### {}\n\n", work.title());
    out.push_str("| store | pack | open and get one | hit | miss | cold: reads, bytes ");
    out.push_str("| overhead each |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    let [cold_floor, warm_floor, ..] = all else { return out };
    for (store, measured) in stores.iter().zip(all) {
        let cold = measured
            .cold
            .map_or("-".into(), |cold| format!("{}, {}", grouped(cold.reads), grouped(cold.bytes)));
        let row = [
            store.name().to_owned(),
            cell(&measured.pack, &cold_floor.pack),
            cell(&measured.open_get, &cold_floor.open_get),
            cell(&measured.hit, &warm_floor.hit),
            cell(&measured.miss, &warm_floor.miss),
            cold,
            format!("{:.1} B", measured.overhead),
        ];
        writeln!(out, "| {} |", row.join(" | ")).expect("a string takes all");
    }
    out
}

/// Returns the notes that say how each store was used.
pub fn notes(stores: &[Box<dyn Store>]) -> String {
    let mut out = String::new();
    for store in stores {
        writeln!(out, "- `{}`: {}.", store.name(), store.how()).expect("a string takes all");
    }
    out
}
