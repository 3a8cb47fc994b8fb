//! `features`: builds each crate alone: without features, with each single feature, and with all
//! features. This shows whether a crate needs a feature that only another crate enables.

use crate::metadata::{Metadata, Package};
use crate::run::{Context, Outcome, Result, judge, no_args, tried};
use serde::Deserialize;

pub fn features(context: &Context, args: &[String]) -> Result<Outcome> {
    no_args(args)?;
    let metadata = Metadata::load(context)?;
    for package in metadata.members().filter(|package| package.published()) {
        for set in sets(package) {
            let mut command = context.cargo(["check", "--quiet", "--message-format=json"]);
            command.args(["-p", &package.name, "--no-default-features"]);
            if !set.is_empty() {
                command.args(["--features", &set]);
            }
            eprintln!("features: {} [{set}]", package.name);
            let (said, success) = tried(&mut command)?;
            let said = diagnostics(&said)?;
            judge(&format!("diagnostics of {} [{set}]", package.name), &said)?;
            if !success {
                return Err(format!("{} [{set}] cannot be checked", package.name).into());
            }
        }
    }
    Ok(Outcome::Done)
}

/// A line of the JSON messages that cargo prints.
#[derive(Deserialize)]
struct Message {
    message: Option<Diagnostic>,
}

#[derive(Deserialize)]
struct Diagnostic {
    rendered: Option<String>,
}

/// Returns the errors and warnings in cargo's messages. cargo hides warnings of dependencies, so
/// all messages are about our crates.
///
/// `-D warnings` in `RUSTFLAGS` would have the same effect, but would build all dependencies again.
fn diagnostics(messages: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for line in messages.lines() {
        let message: Message =
            serde_json::from_str(line).map_err(|error| format!("cargo's message: {error}"))?;
        found.extend(message.message.and_then(|diagnostic| diagnostic.rendered));
    }
    Ok(found)
}

/// Returns the sets of features: none, each single feature, and all. `default` is left out, because
/// it only stands for other features.
fn sets(package: &Package) -> Vec<String> {
    let names: Vec<&str> =
        package.features.keys().map(String::as_str).filter(|&name| name != "default").collect();
    let mut sets = vec![String::new()];
    sets.extend(names.iter().map(|&name| name.to_owned()));
    if names.len() > 1 {
        sets.push(names.join(","));
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::{diagnostics, sets};
    use crate::metadata::{Metadata, tests::SAMPLE};

    #[track_caller]
    fn check(features: &str, expected: &[&str]) {
        let json = SAMPLE.replace(r#"{"alloc": []}"#, features);
        let metadata = Metadata::parse(&json).expect("sample");
        assert_eq!(sets(metadata.member("low").expect("member")), expected);
    }

    #[test]
    fn none_each_and_all() {
        check("{}", &[""]);
        check(r#"{"alloc": []}"#, &["", "alloc"]);
        check(r#"{"default": ["a"], "b": [], "a": []}"#, &["", "a", "b", "a,b"]);
    }

    #[test]
    fn a_warning_is_found_among_the_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"low"}}"#,
            "\n",
            r#"{"reason":"compiler-message","message":{"rendered":"warning: unused"}}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#
        );
        assert_eq!(diagnostics(messages), Ok(vec!["warning: unused".to_owned()]));
        assert_eq!(diagnostics(""), Ok(vec![]));
        assert!(diagnostics("warning: unused").is_err());
    }
}
