//! Tests the reader for browsers in Node, in Deno and in headless Chromium. The server is `dacti
//! serve`.
//!
//! `cargo xtask web --check` builds the npm package, and runs these tests.

mod calls;
mod fixtures;
mod npm;

use dacti_tests::served::Served;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The systems in which the tests run the reader.
#[derive(Debug, Clone, Copy)]
enum System {
    Node,
    Deno,
    Chromium,
}

/// A folder that has the reader, the functions that the tests call, and packages. Also the server
/// of this folder.
struct Site {
    folder: tempfile::TempDir,
    served: Served,
}

/// Returns the folder of the npm package that `cargo xtask web` has built.
fn npm() -> PathBuf {
    let npm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/web/npm");
    npm.canonicalize().expect("`cargo xtask web` makes the npm package first")
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("web")
}

impl Site {
    /// Creates a folder and its server. `fill` adds files to the folder.
    fn new(fill: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        copy(&npm(), &folder.path().join("npm"));
        for name in ["suite.js", "page.html"] {
            fs::copy(sources().join(name), folder.path().join(name)).expect("it is committed");
        }
        fill(folder.path());
        let served = Served::start(folder.path(), &[]);
        Self { folder, served }
    }

    fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.served.address)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a function in one of the systems, and returns its result.
    fn run(&self, system: System, function: &str, arguments: &Value) -> Value {
        let arguments = arguments.to_string();
        let mut command = match system {
            System::Node => {
                let mut command = Command::new("node");
                command.arg(sources().join("node.js")).arg(npm());
                command
            }
            System::Deno => {
                let mut command = deno();
                command.arg(sources().join("deno.js")).arg(npm());
                command
            }
            System::Chromium => {
                let mut command = Command::new("node");
                command.arg(sources().join("chromium.js")).arg(self.url("page.html"));
                command
            }
        };
        command.args([function, &arguments]).stderr(Stdio::inherit());
        let output = command.output().expect("the system is installed");
        assert!(output.status.success(), "{function} failed in {system:?}");
        serde_json::from_slice(&output.stdout).expect("it prints JSON")
    }
}

/// Returns a command for Deno, with the permissions that a reader needs. `cargo xtask web --check`
/// installs Deno.
fn deno() -> Command {
    let mut command = Command::new(sources().join("node_modules/.bin/deno"));
    command.args(["run", "--quiet", "--no-lock", "--node-modules-dir=manual"]);
    command.args(["--allow-net", "--allow-read"]);
    command
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("an entry has a name");
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).expect("a file");
        }
    }
}
