//! `check`: formatting, lints and documentation. Every warning makes it fail.

use crate::peers;
use crate::run::{Context, Outcome, Result, one_flag, run};

pub fn check(context: &Context, args: &[String]) -> Result<Outcome> {
    let peers_too = one_flag(args, "--peers")?;
    run(&mut context.cargo(["fmt", "--all", "--check"]))?;
    run(&mut context.cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    // A change of names in our crates can break the benches that use crates of other projects.
    // Compiling these benches takes minutes, so they are checked only before a release.
    if peers_too {
        run(peers::cargo(context, "fmt")?.arg("--check"))?;
        run(peers::cargo(context, "clippy")?.args(["--benches", "--", "-D", "warnings"]))?;
    }
    // Only libraries are documented. The program has the same name as its library, so its page
    // would overwrite the library's page.
    let doc = ["doc", "--workspace", "--no-deps", "--lib"];
    run(context.cargo(doc).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::Done)
}
