//! Runs other programs. Also defines the error type of xtask: a text for a person.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The reason why a verb failed. The text says what to do next.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

pub type Result<T = ()> = std::result::Result<T, Failure>;

/// The result of a verb that did not fail.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// The verb did not run, because an optional tool is missing. `ci` reports this as a failure.
    Skipped(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The root of the workspace, and the cargo program that started xtask.
#[derive(Debug)]
pub struct Context {
    pub root: PathBuf,
    cargo: OsString,
}

impl Context {
    /// Reads the environment that `cargo run` sets. If it is not set, takes the values from the
    /// time of the build.
    pub fn here() -> Self {
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let mut root = PathBuf::from(manifest_dir);
        root.pop();
        Self { root, cargo: std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()) }
    }

    /// Returns a cargo command that runs in the root of the workspace.
    ///
    /// The command does not inherit the variables that describe this package, because the build
    /// script of `ring` reads them. With these variables, a verb that builds after a build without
    /// xtask would compile `ring` and its users again.
    pub fn cargo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root).args(args);
        for (name, _) in std::env::vars_os() {
            let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_"];
            if name.to_str().is_some_and(|name| of_package.iter().any(|p| name.starts_with(p))) {
                command.env_remove(name);
            }
        }
        command
    }

    /// Returns a git command that runs in the root of the workspace.
    pub fn git<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.root).args(args);
        command
    }
}

/// Returns whether this is a CI machine. On a CI machine, a verb may install packages and change
/// files.
pub fn under_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Fails if a verb that takes no arguments got some.
pub fn no_args(args: &[String]) -> Result {
    match args.first() {
        None => Ok(()),
        Some(arg) => Err(format!("does not take `{arg}`").into()),
    }
}

/// Returns whether a verb got this flag. Fails if it got other arguments.
pub fn one_flag(args: &[String], flag: &str) -> Result<bool> {
    match args {
        [] => Ok(false),
        [only] if only == flag => Ok(true),
        _ => Err(format!("takes `{flag}` or nothing, not `{}`", args.join(" ")).into()),
    }
}

/// Runs a command and shows its output. Fails if the command fails.
pub fn run(command: &mut Command) -> Result {
    let line = command_line(command);
    eprintln!("$ {line}");
    let status = command.status().map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed: {status}").into()) }
}

/// Runs a command and returns its standard output. Shows its error output. Fails if the command
/// fails.
pub fn output(command: &mut Command) -> Result<String> {
    let line = command_line(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed: {}", output.status).into());
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{line}` printed no UTF-8").into())
}

/// Runs a command and returns its output, and whether the command succeeded.
pub fn tried(command: &mut Command) -> Result<(String, bool)> {
    let line = command_line(command);
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot start `{line}`: {error}"))?;
    Ok((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success()))
}

/// Runs a command without showing its output. Returns whether the command succeeded.
pub fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Returns one failure for all findings, or success if there are none.
pub fn judge(verdict: &str, findings: &[String]) -> Result {
    if findings.is_empty() {
        return Ok(());
    }
    let list: String = findings.iter().map(|finding| format!("\n  {finding}")).collect();
    Err(format!("{} {verdict}{list}", findings.len()).into())
}

/// Returns the command as a person would type it: the variables that were set, and then the words.
fn command_line(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(quoted(&format!("{}={}", name.display(), value.display())));
        }
    }
    let program = PathBuf::from(command.get_program());
    let stem = program.file_stem().unwrap_or(program.as_os_str());
    words.push(stem.display().to_string());
    words.extend(command.get_args().map(|arg| quoted(&arg.display().to_string())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{command_line, judge, no_args, one_flag, output, run};
    use std::process::{Command, Stdio};

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/opt/bin/cargo");
        command.args(["clippy", "--", "-D", "two words", "it's", "*"]).env("A", "b c");
        assert_eq!(command_line(&command), r"'A=b c' cargo clippy -- -D 'two words' 'it'\''s' '*'");
    }

    #[test]
    fn arguments_that_a_verb_does_not_know_are_refused() {
        assert!(no_args(&[]).is_ok());
        assert_eq!(no_args(&words(&["x"])), Err("does not take `x`".into()));
        assert_eq!(one_flag(&[], "--check"), Ok(false));
        assert_eq!(one_flag(&words(&["--check"]), "--check"), Ok(true));
        assert_eq!(
            one_flag(&words(&["--chek", "x"]), "--check"),
            Err("takes `--check` or nothing, not `--chek x`".into())
        );
    }

    #[test]
    fn findings_make_one_failure() {
        assert_eq!(judge("bad", &[]), Ok(()));
        assert_eq!(judge("bad", &words(&["a", "b"])), Err("2 bad\n  a\n  b".into()));
    }

    #[test]
    fn a_program_that_fails_or_is_missing_is_a_failure() {
        let rustc = || Command::new("rustc");
        assert!(output(rustc().arg("--version")).expect("rustc").starts_with("rustc "));
        let failure = run(rustc().arg("--no-such-flag").stderr(Stdio::null()));
        let failure = failure.expect_err("no such flag").to_string();
        assert!(failure.starts_with("`rustc --no-such-flag` failed: exit"), "{failure}");
        let failure = run(&mut Command::new("no-such-program")).expect_err("none").to_string();
        assert!(failure.starts_with("cannot start `no-such-program`: "), "{failure}");
    }
}
