//! `check`: formatting, lints and documentation. Every warning is a failure.

use crate::peers;
use crate::run::{Context, Outcome, Result, one_flag, run};

pub fn check(context: &Context, args: &[String]) -> Result<Outcome> {
    let peers_too = one_flag(args, "--peers")?;
    run(&mut context.cargo(["fmt", "--all", "--check"]))?;
    run(&mut context.cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    // A rename in our crates breaks the benches that use other people's crates. These take minutes
    // to compile, so only releases are checked with them.
    if peers_too {
        run(peers::cargo(context, "fmt")?.arg("--check"))?;
        run(peers::cargo(context, "clippy")?.args(["--benches", "--", "-D", "warnings"]))?;
    }
    // Only libraries are documented. The program and its library have the same name, so one page
    // would overwrite the other.
    let doc = ["doc", "--workspace", "--no-deps", "--lib"];
    run(context.cargo(doc).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::Done)
}
