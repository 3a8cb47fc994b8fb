//! `inspect` as a picture: the head byte by byte, the file to scale, and the meaning of colours.

use crate::output::bytes;
use dacti::report::inspect::label;
use dacti::report::{Claim, Claimant};
use dacti::{HEAD_LEN, Span};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Rows of a grid.
const ROWS: u32 = 64;
/// Lengths in units of the picture: width of a row, height of a row, height of a line of text,
/// margin.
const WIDTH: f64 = 1024.0;
const ROW: f64 = 6.0;
const LINE: f64 = 18.0;
const MARGIN: f64 = 16.0;
/// A rectangle is not drawn if its end is less than this far from the end of the last drawn one, in
/// units of the picture. This limits the number of rectangles in a row, even if there are many
/// claims.
const NARROW: f64 = 0.25;

/// Draws the map of a file.
pub(super) fn print(out: &mut impl Write, name: &str, claims: &[Claim]) -> io::Result<()> {
    let len = claims.last().map_or(0, |claim| claim.span.end);
    let head = Span { start: 0, end: len.min(HEAD_LEN) };
    let grids = [
        (format!("the head: {}", bytes(head.len())), head),
        (format!("the file: {}", bytes(len)), Span { start: 0, end: len }),
    ];
    let kinds = kinds(claims);
    let grid_height = ROW * f64::from(ROWS) + LINE * 2.0;
    let lines = f64::from(u32::try_from(kinds.len()).unwrap_or(u32::MAX)) + 1.0;
    let height = MARGIN * 2.0 + LINE * (lines + 1.0) + grid_height * 2.0;
    let width = WIDTH + MARGIN * 2.0;
    write!(out, r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" "#)?;
    writeln!(out, r#"font-family="sans-serif" font-size="13">"#)?;
    writeln!(out, r##"<rect width="{width}" height="{height}" fill="#fff"/>"##)?;
    let mut y = MARGIN + LINE;
    text(out, MARGIN, y, &escaped(name))?;
    for (title, span) in grids {
        y += LINE;
        text(out, MARGIN, y, &escaped(&title))?;
        y += LINE / 2.0;
        grid(out, y, span, claims, &kinds)?;
        y += ROW * f64::from(ROWS) + LINE / 2.0;
    }
    for (claimant, (colour, len)) in &kinds {
        y += LINE;
        let top = y - LINE * 0.7;
        writeln!(
            out,
            r#"<rect x="{MARGIN}" y="{top:.1}" width="12" height="12" fill="{colour}"/>"#
        )?;
        text(out, MARGIN + LINE, y, &format!("{}: {}", label(*claimant), bytes(*len)))?;
    }
    writeln!(out, "</svg>")
}

/// Returns the kinds of claims in the file, each with a colour and its sum of bytes.
fn kinds(claims: &[Claim]) -> BTreeMap<Claimant, (String, u64)> {
    let mut kinds: BTreeMap<_, (String, u64)> = BTreeMap::new();
    for Claim { span, claimant, .. } in claims {
        let (_, len) = kinds.entry(*claimant).or_default();
        *len = len.saturating_add(span.len());
    }
    let mut hue = 0_u32;
    for (claimant, (colour, _)) in &mut kinds {
        *colour = match claimant {
            Claimant::TableRoom | Claimant::KeysRoom | Claimant::GroupsRoom => "#d8d8d8".into(),
            Claimant::Padding | Claimant::Zeros => "#f0f0f0".into(),
            Claimant::Unclaimed => "#d00000".into(),
            Claimant::SecondStart | Claimant::NotLookedAt => "#ffffff".into(),
            _ => {
                // 137 degrees are near the golden angle, so the colours of consecutive kinds differ
                // clearly.
                hue = hue.wrapping_add(137) % 360;
                format!("hsl({hue},60%,55%)")
            }
        };
    }
    kinds
}

/// Draws the bytes of `span` in rows of equal length.
fn grid(
    out: &mut impl Write,
    top: f64,
    span: Span,
    claims: &[Claim],
    kinds: &BTreeMap<Claimant, (String, u64)>,
) -> io::Result<()> {
    let row_len = span.len().div_ceil(ROWS.into()).max(1);
    let mut start = span.start;
    for row in 0..ROWS {
        let end = start.saturating_add(row_len).min(span.end);
        let y = top + ROW * f64::from(row);
        let first = claims.partition_point(|claim| claim.span.end <= start);
        let in_row = claims.iter().skip(first).take_while(|claim| claim.span.start < end);
        let mut drawn_to = 0.0_f64;
        for Claim { span, claimant, .. } in in_row {
            let x = |at: u64| WIDTH * share(at.saturating_sub(start), row_len);
            let (from, to) = (x(span.start.max(start)).max(drawn_to), x(span.end.min(end)));
            if to - drawn_to < NARROW {
                continue;
            }
            drawn_to = to;
            let colour = kinds.get(claimant).map_or("#000", |(colour, _)| colour);
            let (left, width, height) = (MARGIN + from, to - from, ROW - 0.5);
            write!(out, r#"<rect x="{left:.2}" y="{y:.1}" width="{width:.2}" "#)?;
            write!(out, r#"height="{height:.1}" fill="{colour}">"#)?;
            writeln!(out, "<title>{span}: {}</title></rect>", label(*claimant))?;
        }
        start = end;
    }
    Ok(())
}

/// Returns the share of `part` in `whole`. A small rounding error does not matter in a picture.
#[expect(clippy::cast_precision_loss, reason = "a picture is less exact than that")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn text(out: &mut impl Write, x: f64, y: f64, text: &str) -> io::Result<()> {
    writeln!(out, r#"<text x="{x}" y="{y:.1}">{text}</text>"#)
}

/// Escapes a text for an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
