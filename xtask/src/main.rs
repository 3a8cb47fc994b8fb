//! The chores of this workspace. Each chore is a verb, and each CI job runs one verb.
//!
//! This program knows the layout of the repository. It does not use the crates.

mod archives;
mod bench;
mod browser;
mod bundle;
mod check;
mod ci;
mod coverage;
mod debian;
mod embed;
mod features;
mod fixtures;
mod fuzz;
mod imports;
mod lab;
mod layers;
mod metadata;
mod msrv;
mod no_std;
mod page;
mod peers;
mod prose;
mod public_types;
mod release;
mod rid;
mod run;
mod rust;
mod semver;
mod snapshots;
mod spec;
mod subjects;
mod test;
mod tidy;
mod tiles;
mod tree;
mod web;
mod weight;
mod wings;

use run::{Context, Outcome, Result};
use std::process::ExitCode;

/// A verb.
struct Task {
    name: &'static str,
    args: &'static str,
    about: &'static str,
    run: fn(&Context, &[String]) -> Result<Outcome>,
}

/// All verbs.
const TASKS: &[Task] = &[
    Task { name: "ci", args: "", about: "every verb below that judges the tree", run: ci::ci },
    Task {
        name: "check",
        args: "[--peers]",
        about: "rustfmt, clippy and rustdoc, warnings denied; --peers: the benches beside others",
        run: check::check,
    },
    Task {
        name: "test",
        args: "[ARGS OF CARGO TEST]",
        about: "all tests of the workspace, doc tests included; examples are built",
        run: test::test,
    },
    Task {
        name: "fixtures",
        args: "[--check]",
        about: "write the fixture files; --check: fail where the committed ones differ",
        run: fixtures::fixtures,
    },
    Task {
        name: "snapshots",
        args: "[--check]",
        about: "accept the snapshots that the tests make now; --check: fail on stale ones",
        run: snapshots::snapshots,
    },
    Task {
        name: "features",
        args: "",
        about: "check each crate with no feature, with each one alone, with all",
        run: features::features,
    },
    Task {
        name: "no-std",
        args: "",
        about: "build the lower crates for a target that has no `std`",
        run: no_std::no_std,
    },
    Task {
        name: "msrv",
        args: "",
        about: "build what is published with the compiler that rust-version promises",
        run: msrv::msrv,
    },
    Task {
        name: "semver",
        args: "",
        about: "whose types the public interfaces name; what breaks callers of the last release",
        run: semver::semver,
    },
    Task {
        name: "release",
        args: "[--dry-run] [--no-verify]",
        about: "package what would be published, with licences and examples, build from it; the \
                length of the program",
        run: release::release,
    },
    Task {
        name: "lab",
        args: "[--full] [--write] [--parts|--stores|--hosts|--deploys]",
        about: "readers and updates through real origins and caches; --full: for long; --write: \
                into the page; the others: only these tests",
        run: lab::lab,
    },
    Task {
        name: "browser",
        args: "[--full] [TESTS]",
        about: "sites and the inspector in Chromium and Firefox; --full: 1,000 navigations, and \
                the toolchain's documentation",
        run: browser::browser,
    },
    Task {
        name: "web",
        args: "[--check|--demo|--embed]",
        about: "build the reader for browsers and its npm package, into target/web/npm; --check: \
                its sizes, and its tests in Node, Deno and Chromium; --demo: serve a page that \
                uses it; --embed: put it into the program",
        run: web::web,
    },
    Task {
        name: "layers",
        args: "",
        about: "which crate may depend on which; no IO below the facade; no `unsafe`",
        run: layers::layers,
    },
    Task {
        name: "tidy",
        args: "",
        about: "file docs, line and function length, dead files, fixture pairs, paths",
        run: tidy::tidy,
    },
    Task {
        name: "spec",
        args: "",
        about: "each rule of docs/spec has an id, and each id a test that cites it",
        run: spec::spec,
    },
    Task {
        name: "fuzz",
        args: "[TARGET] [--seconds N]",
        about: "the fuzz tests with more rounds; TARGET: one entry point, guided by coverage; \
                --seconds: for so long",
        run: fuzz::fuzz,
    },
    Task {
        name: "bench",
        args: "[peers|update|cars|archives|ten-million] [--test] [ARGS]",
        about: "the benches; --test: each once; peers [--quick], update and cars: beside other \
                crates; archives: beside archivers; --write: into the page",
        run: bench::bench,
    },
];

fn find(name: &str) -> Option<&'static Task> {
    TASKS.iter().find(|task| task.name == name)
}

fn usage() -> String {
    let mut text = String::from("usage: cargo xtask VERB [ARGS]\n\n");
    for task in TASKS {
        let call = format!("{} {}", task.name, task.args);
        text.push_str(&format!("  {call:<54} {}\n", task.about));
    }
    text
}

fn main() -> ExitCode {
    if let Some(code) = public_types::rustdoc() {
        return code;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        print!("{}", usage());
        return ExitCode::from(2);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", usage());
        return ExitCode::SUCCESS;
    }
    let Some(task) = find(name) else {
        eprintln!("xtask: there is no verb `{name}`\n\n{}", usage());
        return ExitCode::from(2);
    };
    match (task.run)(&Context::here(), rest) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Skipped(why)) => {
            eprintln!("xtask {name}: skipped: {why}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("xtask {name}: {failure}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TASKS, find, usage};

    #[test]
    fn verbs_have_distinct_names_and_each_is_in_the_usage() {
        let names: std::collections::BTreeSet<_> = TASKS.iter().map(|task| task.name).collect();
        assert_eq!(names.len(), TASKS.len());
        for name in names {
            assert_eq!(find(name).map(|task| task.name), Some(name));
            assert!(usage().contains(&format!("\n  {name} ")), "{name}");
        }
        assert!(find("nonsense").is_none());
    }
}
