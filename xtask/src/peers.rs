//! `bench peers`, `bench update` and `bench cars`: compares packages and archives with other
//! people's crates, and writes the tables of a page.
//!
//! These benches are a workspace of their own, with its own lock file, but share our target
//! directory.

use crate::metadata::Metadata;
use crate::page::{Begun, Page};
use crate::run::{Context, Outcome, Result, output, run};
use std::process::Command;

/// The benches of that workspace.
pub const PEERS: &[&str] = &["peers", "update", "cars"];

/// The benches that print tables for the page. Criterion prints its own results.
const TABLES: &[&str] = &["peers", "update"];

/// Runs the bench `name` and prints its tables; `--write` also puts them into the page. All other
/// arguments go to the bench.
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

/// Returns a cargo command on the workspace of these benches.
pub fn cargo(context: &Context, verb: &str) -> Result<Command> {
    let target = Metadata::load(context)?.target_directory;
    let mut command = context.cargo([verb, "--manifest-path", "benches/peers/Cargo.toml"]);
    command.env("CARGO_TARGET_DIR", target);
    Ok(command)
}
