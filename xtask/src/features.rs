//! `features`: each crate by itself with no feature, with each alone, with all of them, so that
//! none of them leans on what a neighbour happens to switch on.

use crate::metadata::{Metadata, Package};
use crate::run::{Context, Outcome, Result, no_args, run};

pub fn features(context: &Context, args: &[String]) -> Result<Outcome> {
    no_args(args)?;
    let metadata = Metadata::load(context)?;
    for package in metadata.members().filter(|package| package.published()) {
        for set in sets(package) {
            // Clippy is `check` with lints, and can deny warnings without rebuilding dependencies.
            let mut command = context.cargo(["clippy", "-p", &package.name]);
            command.arg("--no-default-features");
            if !set.is_empty() {
                command.args(["--features", &set]);
            }
            run(command.args(["--", "-D", "warnings"]))?;
        }
    }
    Ok(Outcome::Done)
}

/// None, each, all. `default` is a set of others, and optional dependencies are not for callers.
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
    use super::sets;
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
}
