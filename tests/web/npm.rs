//! The npm package. It is packed, installed into an empty project, and run from there.

use crate::{Site, deno, npm};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn npm_in(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("npm")
        .args(arguments)
        .args(["--no-audit", "--no-fund", "--offline", "--loglevel=error"])
        .current_dir(folder)
        .output()
        .expect("npm is installed");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "npm {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("it prints text")
}

/// The example of the README as a program.
const PROGRAM: &str = r#"
import { open } from "ENTRY";
const pack = await open((globalThis.Deno?.args ?? process.argv.slice(2))[0]);
const text = new TextDecoder().decode(await pack.get("a.txt"));
console.log(JSON.stringify({ text, listed: (await pack.list()).map(({ path }) => path) }));
pack.close();
"#;

#[test]
fn the_package_is_installed_and_runs() {
    let site = Site::new(|folder| {
        fs::create_dir(folder.join("files")).expect("a folder");
        fs::write(folder.join("files/a.txt"), "content ".repeat(100)).expect("a file");
        let program = dacti_tests::program::program();
        let mut pack = Command::new(program);
        pack.args(["pack", "files", "-o", "p.dacti-pack"]).current_dir(folder);
        assert!(pack.status().expect("it starts").success());
    });
    let temporary = tempfile::tempdir().expect("a temporary folder");
    // npm names the project after this folder.
    let project = &temporary.path().join("project");
    fs::create_dir(project).expect("a folder");
    let package = npm();
    let packed = npm_in(project, &["pack", "--json", &package.to_string_lossy()]);
    let packed: Value = serde_json::from_str(&packed).expect("it prints JSON");
    let files: Vec<_> = packed[0]["files"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|file| file["path"].as_str())
        .collect();
    for wanted in [
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "dacti.d.ts",
        "dacti.js",
        "dacti.wasm",
        "inline.js",
        "inspect.wasm",
        "node.js",
        "package.json",
    ] {
        assert!(files.contains(&wanted), "{wanted} is missing in {files:?}");
    }
    npm_in(project, &["init", "--yes"]);
    let tarball = packed[0]["filename"].as_str().expect("a name");
    npm_in(project, &["install", &format!("./{tarball}")]);
    for entry in ["dacti", "dacti/inline"] {
        let script = project.join("program.mjs");
        fs::write(&script, PROGRAM.replace("ENTRY", entry)).expect("a file");
        for mut command in [Command::new("node"), deno()] {
            command.arg(&script).arg(site.url("p.dacti-pack")).current_dir(project);
            let output = command.output().expect("the system is installed");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{command:?}, {entry}: {said}");
            let found: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
            let text = "content ".repeat(100);
            let expected = serde_json::json!({ "text": text, "listed": ["a.txt"] });
            assert_eq!(found, expected, "{command:?}, {entry}");
        }
    }
}
