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
        let (dir, flags) = split_dir(&rest);
        let verb = format!("bench {name}{}", if dir { " --dir DIR" } else { "" });
        let page = Page { path: "docs/performance.md", verb: &verb };
        page.write(context, &begun, &flags, &found)?;
    }
    Ok(Outcome::Done)
}

/// Returns whether the arguments name a folder, and the other arguments as text. The results of a
/// run in a folder of the caller have their own section in the page. The page does not name this
/// folder.
fn split_dir(args: &[&String]) -> (bool, String) {
    let (mut dir, mut flags, mut args) = (false, String::new(), args.iter());
    while let Some(arg) = args.next() {
        if *arg == "--dir" {
            dir = true;
            args.next();
        } else {
            flags.push(' ');
            flags.push_str(arg);
        }
    }
    (dir, flags)
}

/// Returns a cargo command that works on the workspace of these benches.
pub fn cargo(context: &Context, verb: &str) -> Result<Command> {
    let target = Metadata::load(context)?.target_directory;
    let mut command = context.cargo([verb, "--manifest-path", "benches/peers/Cargo.toml"]);
    command.env("CARGO_TARGET_DIR", target);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::split_dir;

    #[test]
    fn the_folder_of_a_run_is_not_written_into_the_page() {
        for (args, expected) in [
            (&["--quick"][..], (false, " --quick")),
            (&["--dir", "/x", "--quick"][..], (true, " --quick")),
            (&["--regions", "5", "--dir", "/x"][..], (true, " --regions 5")),
        ] {
            let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
            let (dir, flags) = split_dir(&args.iter().collect::<Vec<_>>());
            assert_eq!((dir, &flags[..]), expected);
        }
    }
}
