//! `bench peers` and `bench update`: packages beside other people's crates, and the page that has
//! the tables.

use crate::page::{Begun, Page};
use crate::run::{Context, Outcome, Result, output};

/// Runs the bench `name` and prints what it found; `--write` puts it into the page, too. Everything
/// else is handed on.
pub fn peers(context: &Context, name: &str, args: &[String]) -> Result<Outcome> {
    let (write, rest): (Vec<_>, Vec<_>) = args.iter().partition(|&arg| arg == "--write");
    let mut command = context.cargo(["bench", "-p", "dacti-benches", "--features", "peers"]);
    command.args(["--bench", name, "--"]).args(&rest);
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
