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
    Task { name: "ci", args: "", about: "run each verb below that checks the tree", run: ci::ci },
    Task {
        name: "check",
        args: "[--peers]",
        about: "rustfmt, clippy and rustdoc, with warnings denied; --peers: benches/peers instead",
        run: check::check,
    },
    Task {
        name: "test",
        args: "[ARGS OF CARGO TEST]",
        about: "run all tests of the workspace, with doc tests, and build the examples",
        run: test::test,
    },
    Task {
        name: "fixtures",
        args: "[--check]",
        about: "write the fixture files; --check: fail if a committed fixture differs",
        run: fixtures::fixtures,
    },
    Task {
        name: "snapshots",
        args: "[--check]",
        about: "accept the snapshots that the tests make now; --check: fail if a snapshot is stale",
        run: snapshots::snapshots,
    },
    Task {
        name: "features",
        args: "",
        about: "check each crate without features, with each single feature, and with all features",
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
        about: "build the published crates with the compiler of their rust-version",
        run: msrv::msrv,
    },
    Task {
        name: "semver",
        args: "",
        about: "check which foreign types are public, and what breaks callers of the last release",
        run: semver::semver,
    },
    Task {
        name: "release",
        args: "[--dry-run] [--no-verify]",
        about: "package the published crates with licences and examples, build them, and check \
                the length of the program",
        run: release::release,
    },
    Task {
        name: "lab",
        args: "[--full] [--write] [--parts|--stores|--hosts|--deploys]",
        about: "test readers and updates through real origins and caches; --full: the long tests; \
                --write: write the tables into the pages; the other flags choose tests",
        run: lab::lab,
    },
    Task {
        name: "browser",
        args: "[--full] [TESTS]",
        about: "test sites and the inspector in Chromium and Firefox; --full: 1,000 navigations, \
                and the toolchain's documentation",
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
        about: "check imports between crates and modules, counts of crates, and that no crate \
                has `unsafe`",
        run: layers::layers,
    },
    Task {
        name: "tidy",
        args: "",
        about: "check file docs, lengths of lines and functions, unused files, fixture pairs \
                and paths",
        run: tidy::tidy,
    },
    Task {
        name: "spec",
        args: "",
        about: "check that each rule of docs/spec has an id, and that a test cites each id",
        run: spec::spec,
    },
    Task {
        name: "fuzz",
        args: "[TARGET] [--seconds N]",
        about: "run the fuzz tests with more rounds; TARGET: one entry point, guided by coverage; \
                --seconds: run for N seconds",
        run: fuzz::fuzz,
    },
    Task {
        name: "bench",
        args: "[peers|update|cars|archives|ten-million] [--test] [ARGS]",
        about: "run the benches; --test: each once; peers [--quick], update and cars: beside \
                other crates; archives: beside archivers; --write: write the tables into the \
                page",
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
