//! `lab`: reads packages through real servers and caches while updates change them.
//!
//! The tests start and stop the servers, which listen on ports of loopback.

use crate::debian::need;
use crate::page::{Begun, Page};
use crate::run::{Context, Outcome, Result, run};
use crate::test::of_workspace;
use std::process::Command;

/// The programs that the lab starts, each with its Debian package.
const SERVERS: &[(&str, &str)] = &[
    ("/usr/sbin/nginx", "nginx-light"),
    ("/usr/sbin/varnishd", "varnish"),
    ("/usr/sbin/squid", "squid"),
    ("/usr/lib/trafficserver/modules/slice.so", "trafficserver-experimental-plugins"),
    ("/usr/bin/wrk", "wrk"),
    ("/usr/bin/rsync", "rsync"),
    ("/usr/bin/node", "nodejs"),
    ("/usr/bin/npm", "npm"),
];

/// A table of a page. `rows` names the file into which the tests write the rows.
struct Table {
    rows: &'static str,
    columns: &'static str,
    page: Page<'static>,
}

const TABLES: [Table; 4] = [
    Table {
        rows: "updates",
        columns: "\
| cache | package | heads kept | updates | opened | regions read | requests | resumes | retries \
| stale answers | 416 | whole files | escalations |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
",
        page: Page { path: "docs/caches.md", verb: "lab --full" },
    },
    Table {
        rows: "parts",
        columns: "| cache | updates | regions read |\n| --- | ---: | ---: |\n",
        page: Page { path: "docs/caches.md", verb: "lab --full --parts" },
    },
    Table {
        rows: "hosts",
        columns: "\
| host | checked package | bad for one file | bad in parts | recommended | exit code |
| --- | --- | --- | --- | --- | ---: |
",
        page: Page { path: "docs/caches.md", verb: "lab --full --hosts" },
    },
    Table {
        rows: "deploys",
        columns: "\
| way | first publication | 1 changed file | 100 changed files | 255 changed files |
| --- | --- | --- | --- | --- |
",
        page: Page { path: "docs/guide/publish.md", verb: "lab --full --deploys" },
    },
];

/// Runs the tests of the lab. `--full` runs the whole matrix, which takes half an hour. `--write`
/// writes the measured tables into the pages. Four options choose tests: `--parts` those of
/// packages in parts, `--stores` those of object stores, `--hosts` those of `dacti cdn-check`, and
/// `--deploys` the comparison of ways to publish. All other arguments are passed to the tests.
pub fn lab(context: &Context, args: &[String]) -> Result<Outcome> {
    let full = args.iter().any(|arg| arg == "--full");
    let write = args.iter().any(|arg| arg == "--write");
    let rest = args.iter().filter(|arg| !["--full", "--write"].contains(&arg.as_str()));
    let rest = rest.map(|arg| match arg.as_str() {
        "--parts" => PARTS.to_owned(),
        "--stores" => STORES.to_owned(),
        "--hosts" => HOSTS.to_owned(),
        "--deploys" => DEPLOYS.to_owned(),
        _ => arg.clone(),
    });
    let rest: Vec<String> = rest.collect();
    let is_chosen = rest.iter().any(|arg| [PARTS, STORES, HOSTS, DEPLOYS].contains(&arg.as_str()));
    if write && !full {
        return Err("--write needs --full, which measures the tables".into());
    }
    if let skipped @ Outcome::Skipped(_) = need(SERVERS)? {
        return Ok(skipped);
    }
    let begun = Begun::now(context)?;
    let rows = context.root.join("target/xtask-lab-rows");
    // Removes the rows of an earlier run.
    let _ = std::fs::remove_dir_all(&rows);
    std::fs::create_dir_all(&rows).map_err(|error| format!("{}: {error}", rows.display()))?;
    if full && is_chosen {
        let mut command = context.cargo(["test", "--release", "-p", "dacti-tests"]);
        command.env("DACTI_LAB", "full").env("DACTI_LAB_ROWS", &rows);
        run(&mut tests(command, &["2"], &rest))?;
    } else if full {
        // The measurements run first and one by one, so that nothing disturbs them. Then the tests
        // of all caches run at once, because they mostly wait.
        let full = || {
            // The tests run a release build, so that they measure the speed of real programs.
            let mut command = context.cargo(["test", "--release", "-p", "dacti-tests"]);
            command.env("DACTI_LAB", "full").env("DACTI_LAB_ROWS", &rows);
            command
        };
        run(&mut tests(full(), &["1", "--skip", UPDATES], &rest))?;
        run(&mut tests(full(), &["16", UPDATES], &rest))?;
    } else {
        run(&mut tests(of_workspace(context), &["1"], &rest))?;
    }
    if write {
        let versions = versions()?;
        let mut is_written = false;
        for table in &TABLES {
            // If only some tests were chosen, a table may have no rows.
            if let Ok(rows) = std::fs::read_to_string(rows.join(table.rows)) {
                let found = format!("{versions}\n{}{}", table.columns, sorted(&rows));
                table.page.write(context, &begun, "", &found)?;
                is_written = true;
            }
        }
        if !is_written {
            return Err("the tests that ran wrote no row of a table".into());
        }
    }
    Ok(Outcome::Done)
}

/// The prefixes of tests that can be chosen.
const PARTS: &str = "parts::";
const STORES: &str = "stores::";
const HOSTS: &str = "cdn_check::";
const DEPLOYS: &str = "deploys::";
/// The prefix of the tests that update packages while readers read them.
const UPDATES: &str = "updates::";
/// Returns the command that runs tests of the lab. Its arguments are the number of threads and
/// filters for the names of tests. The tests can run at once, because each has its own servers and
/// readers.
fn tests(mut command: Command, threads: &[&str], rest: &[String]) -> Command {
    command.args(["--test", "lab", "--", "--nocapture", "--test-threads"]).args(threads).args(rest);
    command
}

/// Sorts the rows, which the tests have written in the order in which they ended.
fn sorted(rows: &str) -> String {
    let mut rows: Vec<_> = rows.lines().map(|row| format!("{row}\n")).collect();
    rows.sort();
    rows.concat()
}

/// Returns the versions of the caches, as text for the page.
fn versions() -> Result<String> {
    let mut said = Vec::new();
    for (program, flag) in [("nginx", "-v"), ("varnishd", "-V"), ("squid", "-v")] {
        said.push(first_line(Command::new(format!("/usr/sbin/{program}")).arg(flag))?);
    }
    said.push(first_line(Command::new("/usr/bin/traffic_server").arg("--version"))?);
    Ok(format!("Caches: {}.\n", said.join("; ")))
}

/// Returns the first line that a program prints to standard output or standard error.
fn first_line(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Ok(said.lines().next().unwrap_or_default().trim().to_owned())
}
