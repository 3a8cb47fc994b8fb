//! `inspect` for people: the most useful parts come first.

use crate::output::{bytes, counted, printable};
use dacti::Package;
use dacti::container::Component;
use dacti::index::GroupSummary;
use dacti::report::inspect::{Outline, name_of, named_region, table_entries};
use dacti::report::{Claim, Claimant};
use dacti::seal::SealKind;
use daicon_core::Hex;
use std::io::{self, Write};

/// At most this many groups are shown one by one.
const GROUPS_SHOWN: usize = 12;

/// Prints format, tables and components.
pub(super) fn print_outline(out: &mut impl Write, outline: &Outline) -> io::Result<()> {
    let Outline { format, version, len, tables, components } = outline;
    let name = name_of(*format).unwrap_or("unknown format");
    writeln!(out, "format      {format} {name}, version {version}")?;
    writeln!(out, "length      {len} bytes ({})", bytes(*len))?;
    for table in tables {
        let entries = counted(table_entries(*table), "component", "components");
        writeln!(out, "table       at {:#x}, {entries}", table.start)?;
    }
    components.iter().try_for_each(|component| print_component(out, component, *len))
}

/// Prints the use of every byte.
pub(super) fn print_map(out: &mut impl Write, claims: &[Claim]) -> io::Result<()> {
    writeln!(out, "\nbytes")?;
    claims.iter().try_for_each(|claim| print_claim(out, claim))
}

/// Prints how many regions share their bytes.
pub(super) fn print_shared(out: &mut impl Write, shared: u64) -> io::Result<()> {
    match shared {
        0 => Ok(()),
        1 => writeln!(out, "1 region shares its bytes with another"),
        n => writeln!(out, "{n} regions share their bytes with another"),
    }
}

/// Prints harmless oddities.
pub(super) fn print_odd(out: &mut impl Write, lines: &[String]) -> io::Result<()> {
    if !lines.is_empty() {
        writeln!(out, "\nodd")?;
    }
    lines.iter().try_for_each(|line| writeln!(out, "{}", printable(line)))
}

fn print_component(out: &mut impl Write, component: &Component, len: u64) -> io::Result<()> {
    let name = name_of(component.id).unwrap_or("unknown component");
    let Component { id, version, at, .. } = component;
    write!(out, "component   {id} {name}, version {version}, at {at:#x}: ")?;
    match named_region(component, len) {
        Some(span) if span.is_empty() => writeln!(out, "region empty"),
        Some(span) => writeln!(out, "region {span} ({})", bytes(span.len())),
        None => writeln!(out, "data {}", Hex(&component.data)),
    }
}

pub(super) fn print_layout(out: &mut impl Write, package: &Package) -> io::Result<()> {
    let Some(layout) = package.view().layout() else { return Ok(()) };
    writeln!(
        out,
        "layout      file id {}, slices of {}, fresh end {:#x}, {} delta groups",
        Hex(&layout.file_id),
        bytes(layout.slice_len),
        layout.fresh_end,
        layout.delta_groups,
    )
}

/// Prints the seals that the package claims. They are not checked.
pub(super) fn print_seals(out: &mut impl Write, package: &Package) -> io::Result<()> {
    let Some(seals) = package.view().seals() else { return Ok(()) };
    let shared = match seals.seals_max {
        0 | 1 => String::new(),
        max => format!(", up to {max} where regions share stored bytes"),
    };
    match seals.kind {
        SealKind::Digest => writeln!(out, "seals       a digest after each region{shared}")?,
        SealKind::Signature => {
            let what = "a digest and a signature after each region";
            writeln!(out, "seals       {what}{shared}, for package {}", seals.package)?;
        }
    }
    { seals.keys.iter() }.try_for_each(|key| writeln!(out, "  key       {}", Hex(key)))
}

/// Prints the list of parts of a package that is published in parts.
pub(super) fn print_parts(out: &mut impl Write, package: &Package) -> io::Result<()> {
    let Some(head) = package.view().parts() else { return Ok(()) };
    let region = &head.region;
    let signed = if region.is_signed() { ", signed" } else { "" };
    writeln!(
        out,
        "parts       version {} in folder {}, the next block at {:#x} or later{signed}",
        region.sequence,
        printable(&region.prefix),
        region.end,
    )?;
    for entry in region.list.entries() {
        let pieces = match entry.object_count() {
            1 => String::new(),
            count => format!(" in {count} pieces"),
        };
        let first = region.list.first_start(entry).span;
        let again = if first == entry.span {
            String::new()
        } else {
            format!(", the part at {:#x} again", first.start)
        };
        writeln!(
            out,
            "  part      {} ({}){pieces} {}{again}",
            entry.span,
            bytes(entry.span.len()),
            entry.digest
        )?;
    }
    Ok(())
}

pub(super) fn print_groups(
    out: &mut impl Write,
    package: &Package,
    groups: &[GroupSummary],
) -> io::Result<()> {
    let entries = groups.iter().fold(0_u64, |sum, group| sum.saturating_add(group.length.into()));
    let index = package.view().index();
    if index.is_empty() {
        return writeln!(out, "index       empty: no groups, no entries");
    }
    writeln!(
        out,
        "index       {index}, {}, {}",
        number(groups.len(), "group", "groups"),
        counted(entries, "entry", "entries")
    )?;
    let shown = groups.iter().filter(|group| group.length > 0);
    for group in shown.clone().take(GROUPS_SHOWN) {
        let GroupSummary { at, length, base, encoding } = group;
        writeln!(
            out,
            "  group     at {at:#x}: {}, {encoding}, base {base:#x}",
            counted(*length, "entry", "entries")
        )?;
    }
    match shown.count().saturating_sub(GROUPS_SHOWN) {
        0 => {}
        more => writeln!(out, "  and {} with entries", number(more, "more group", "more groups"))?,
    }
    match groups.iter().filter(|group| group.length == 0).count() {
        0 => Ok(()),
        empty => writeln!(out, "  {} without entries", number(empty, "group", "groups")),
    }
}

fn print_claim(out: &mut impl Write, claim: &Claim) -> io::Result<()> {
    let Claim { span, claimant, count } = claim;
    let what = match claimant {
        Claimant::Component(id) => match name_of(*id) {
            Some(name) => format!("component {name}"),
            None => claimant.to_string(),
        },
        Claimant::Regions => counted(*count, "region", "regions"),
        Claimant::SealedRegions if *count == 1 => "1 region with its seal".into(),
        Claimant::SealedRegions => format!("{count} regions, each with its seal"),
        Claimant::Removals => counted(*count, "seal of a removal", "seals of removals"),
        Claimant::Replaced => counted(*count, "replaced region", "replaced regions"),
        Claimant::Groups => format!("index groups, {}", counted(*count, "entry", "entries")),
        Claimant::GroupsRoom => {
            format!("room for {}", counted(*count, "index entry", "index entries"))
        }
        Claimant::TableRoom => {
            format!("room for {}", counted(*count, "component", "components"))
        }
        _ => claimant.to_string(),
    };
    writeln!(out, "{:#014x} {:>14}  {what}", span.start, span.len())
}

/// Returns a number of items with their noun.
fn number(count: usize, one: &str, many: &str) -> String {
    counted(u64::try_from(count).unwrap_or(u64::MAX), one, many)
}
