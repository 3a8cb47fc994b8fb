//! `inspect` for people: what one wants to see first, first.

use super::names::name_of;
use super::odd;
use crate::output::{bytes, hex, printable};
use dacti::Package;
use dacti::container::Component;
use dacti::index::GroupSummary;
use dacti::report::{Claim, Claimant, FileMap};
use dacti::seal::SealKind;
use std::io::{self, Write};

/// Groups that are shown one by one.
const GROUPS_SHOWN: usize = 12;

/// What head and tables say.
pub(super) fn print_head(out: &mut impl Write, package: &Package) -> io::Result<()> {
    let view = package.view();
    let name = name_of(view.format()).unwrap_or("unknown format");
    writeln!(out, "format      {} {name}, version {}", view.format(), view.version())?;
    writeln!(out, "length      {} bytes ({})", view.len(), bytes(view.len()))?;
    for table in view.tables() {
        let components = table.len().saturating_sub(24) / 28;
        writeln!(out, "table       at {:#x}, {components} components", table.start)?;
    }
    for component in view.components() {
        print_component(out, component)?;
    }
    print_layout(out, package)?;
    print_seals(out, package)
}

/// The groups of the index, what every byte is for, and what is odd.
pub(super) fn print_index(
    out: &mut impl Write,
    package: &Package,
    groups: &[GroupSummary],
    map: &FileMap,
) -> io::Result<()> {
    print_groups(out, package, groups)?;
    writeln!(out, "\nbytes")?;
    for claim in &map.claims {
        print_claim(out, claim)?;
    }
    if map.shared > 0 {
        writeln!(out, "{} regions share their bytes with another", map.shared)?;
    }
    let diagnostics = odd::lines(package, map);
    if !diagnostics.is_empty() {
        writeln!(out, "\nodd")?;
    }
    for line in diagnostics {
        writeln!(out, "{}", printable(&line))?;
    }
    Ok(())
}

fn print_component(out: &mut impl Write, component: &Component) -> io::Result<()> {
    let name = name_of(component.id).unwrap_or("unknown component");
    let Component { id, version, at, .. } = component;
    write!(out, "component   {id} {name}, version {version}, at {at:#x}: ")?;
    match component.span() {
        Ok(_) if component.id == dacti_names::NAMES_ID => {
            writeln!(out, "data {}", hex(&component.data))
        }
        Ok(span) if span.is_empty() => writeln!(out, "region empty"),
        Ok(span) => writeln!(out, "region {span} ({})", bytes(span.len())),
        Err(_) => writeln!(out, "data {}", hex(&component.data)),
    }
}

fn print_layout(out: &mut impl Write, package: &Package) -> io::Result<()> {
    let Some(layout) = package.view().layout() else { return Ok(()) };
    writeln!(
        out,
        "layout      file id {}, slices of {}, fresh end {:#x}, {} delta groups",
        hex(&layout.file_id),
        bytes(layout.slice_len),
        layout.fresh_end,
        layout.delta_groups,
    )
}

/// What the package says of its seals: nothing that is proven by saying it.
fn print_seals(out: &mut impl Write, package: &Package) -> io::Result<()> {
    let Some(seals) = package.view().seals() else { return Ok(()) };
    match seals.kind {
        SealKind::Digest => writeln!(out, "seals       a digest behind each region")?,
        SealKind::Signature => {
            let what = "a digest and a signature behind each region";
            writeln!(out, "seals       {what}, for package {}", seals.package)?;
        }
    }
    { seals.keys.iter() }.try_for_each(|key| writeln!(out, "  key       {}", hex(key)))
}

fn print_groups(
    out: &mut impl Write,
    package: &Package,
    groups: &[GroupSummary],
) -> io::Result<()> {
    let entries = groups.iter().fold(0_u64, |sum, group| sum.saturating_add(group.length.into()));
    let index = package.view().index();
    if index.is_empty() {
        return writeln!(out, "index       empty: no groups, no entries");
    }
    writeln!(out, "index       {index}, {} groups, {entries} entries", groups.len())?;
    let shown = groups.iter().filter(|group| group.length > 0);
    for group in shown.clone().take(GROUPS_SHOWN) {
        let GroupSummary { at, length, base, encoding } = group;
        writeln!(out, "  group     at {at:#x}: {length} entries, {encoding}, base {base:#x}")?;
    }
    match shown.count().saturating_sub(GROUPS_SHOWN) {
        0 => {}
        more => writeln!(out, "  and {more} more groups with entries")?,
    }
    match groups.iter().filter(|group| group.length == 0).count() {
        0 => Ok(()),
        empty => writeln!(out, "  {empty} groups without entries"),
    }
}

fn print_claim(out: &mut impl Write, claim: &Claim) -> io::Result<()> {
    let Claim { span, claimant, count } = claim;
    let what = match claimant {
        Claimant::Component(id) => match name_of(*id) {
            Some(name) => format!("component {name}"),
            None => claimant.to_string(),
        },
        Claimant::Regions => format!("{count} regions"),
        Claimant::SealedRegions => format!("{count} regions, each with its seal"),
        Claimant::Replaced => format!("{count} replaced regions"),
        Claimant::Groups => format!("index groups, {count} entries"),
        Claimant::GroupsRoom => format!("room for {count} index entries"),
        Claimant::TableRoom => format!("room for {count} components"),
        _ => claimant.to_string(),
    };
    writeln!(out, "{:#014x} {:>14}  {what}", span.start, span.len())
}
