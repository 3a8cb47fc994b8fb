//! `bench peers`, `bench update` and `bench cars`: compares packages and archives with crates of
//! other projects. Writes the tables of a page.
//!
//! These benches are a separate workspace with its own lock file. They use the target directory of
//! the main workspace.

use crate::metadata::Metadata;
use crate::page::{Begun, Page};
use crate::run::{Context, Outcome, Result, output, run};
use std::process::Command;

/// The benches in the separate workspace.
pub const PEERS: &[&str] = &["peers", "update", "cars"];

/// The benches that print tables for the page. The other bench uses criterion, which prints its own
/// results.
const TABLES: &[&str] = &["peers", "update"];

/// Runs the bench `name`, and prints its tables. With `--write`, it also writes them into the page.
/// All other arguments are passed to the bench.
pub fn peers(context: &Context, name: &str, args: &[String]) -> Result<Outcome> {
    let (write, rest): (Vec<_>, Vec<_>) = args.iter().partition(|&arg| arg == "--write");
    let mut command = cargo(context, "bench")?;
    command.args(["--bench", name, "--"]).args(&rest);
    if !TABLES.contains(&name) {
        if !write.is_empty() {
            return Err(format!("`bench {name}` has no place in a page: leave out --write").into());
        }
        run(&mut command)?;
        return Ok(Outcome::Done);
    }
    let begun = Begun::now(context)?;
    let found = output(&mut command)?;
    print!("{found}");
    if !write.is_empty() {
        let flags: String = rest.iter().map(|arg| format!(" {arg}")).collect();
        let verb = format!("bench {name}");
        let page = Page { path: "docs/performance.md", verb: &verb };
        page.write(context, &begun, &flags, &found)?;
    }
    Ok(Outcome::Done)
}

/// Returns a cargo command that works on the workspace of these benches.
pub fn cargo(context: &Context, verb: &str) -> Result<Command> {
    let target = Metadata::load(context)?.target_directory;
    let mut command = context.cargo([verb, "--manifest-path", "benches/peers/Cargo.toml"]);
    command.env("CARGO_TARGET_DIR", target);
    Ok(command)
}
