//! Tests in real browsers. Node runs them from the folder `tests/browser`, with the program of this
//! working tree.

use crate::debian::need;
use crate::metadata::Metadata;
use crate::run::{Context, Outcome, Result, run};
use std::process::Command;

/// The programs that the tests start, each with its Debian package.
const PROGRAMS: &[(&str, &str)] = &[
    ("/usr/bin/chromium", "chromium"),
    ("/usr/bin/firefox-esr", "firefox-esr"),
    ("/usr/sbin/nginx", "nginx-light"),
    ("/usr/bin/node", "nodejs"),
    ("/usr/bin/npm", "npm"),
];
const TESTS: &str = "tests/browser";
/// The test files that run in Chromium, and the test files that run in Firefox. The files of the
/// second list use no protocol that only Chromium supports.
const CHROMIUM: &[&str] = &["worker", "site", "updates", "hostile", "inspector", "documentation"];
const FIREFOX: &[&str] = &["site", "inspector"];
/// The folder into which the tests write screenshots and measurements.
const OUT: &str = "target/web/browser";

/// Runs the tests. With `--full`, they make 1,000 navigations, and use the whole documentation of
/// the toolchain. A name such as `site` chooses one file of tests.
pub fn browser(context: &Context, args: &[String]) -> Result<Outcome> {
    let full = args.iter().any(|arg| arg == "--full");
    let only: Vec<_> = args.iter().filter(|arg| *arg != "--full").map(String::as_str).collect();
    let only = match only[..] {
        [] => None,
        [name] if CHROMIUM.contains(&name) => Some(name),
        _ => return Err(format!("takes `--full` and one of {}", CHROMIUM.join(", ")).into()),
    };
    if let skipped @ Outcome::Skipped(_) = need(PROGRAMS)? {
        return Ok(skipped);
    }
    run(&mut context.cargo(["build", "-p", "dacti-cli"]))?;
    let folder = context.root.join(TESTS);
    run(Command::new("npm").current_dir(&folder).args(["ci", "--silent", "--no-fund"]))?;
    let program = Metadata::load(context)?.target_directory.join("debug/dacti");
    let out = context.root.join(OUT);
    for browser in ["chrome", "firefox"] {
        let files = files(browser, only);
        if files.is_empty() {
            continue;
        }
        let mut command = Command::new("node");
        command.current_dir(&folder).args(["--test", "--test-reporter=spec"]);
        // The tests measure times, so only one file of tests runs at a time.
        command.arg("--test-concurrency=1");
        command.args(files);
        command.env("DACTI", &program).env("DACTI_WEB_OUT", &out);
        command.env("DACTI_WEB_BROWSER", browser);
        command.env("DACTI_WEB_FULL", if full { "1" } else { "0" });
        run(&mut command)?;
    }
    Ok(Outcome::Done)
}

/// Returns the files of tests for a browser.
fn files(browser: &str, only: Option<&str>) -> Vec<String> {
    let all = if browser == "chrome" { CHROMIUM } else { FIREFOX };
    let wanted = all.iter().filter(|name| only.is_none_or(|only| only == **name));
    wanted.map(|name| format!("{name}.test.mjs")).collect()
}
