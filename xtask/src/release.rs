//! `release`: packages the crates, builds them from their packages, and checks the contents of the
//! packages. It does not publish: a person does this, as RELEASING.md says.

use crate::metadata::{Metadata, Package};
use crate::run::{Context, Failure, Outcome, Result, judge, output, run};
use crate::tree::Tree;
use crate::weight;

const LICENCES: &[&str] = &["LICENSE-APACHE", "LICENSE-MIT"];

/// Further files that every package must have.
const PAPERS: &[&str] = &["CHANGELOG.md", "README.md"];

/// With `--no-verify`, this verb does not build the crates from their packages.
pub fn release(context: &Context, args: &[String]) -> Result<Outcome> {
    let mut verify = true;
    for arg in args {
        match arg.as_str() {
            // This verb never publishes anything, so the flag has no effect.
            "--dry-run" => {}
            "--no-verify" => verify = false,
            other => return Err(Failure::from(format!("does not take `{other}`"))),
        }
    }
    let metadata = Metadata::load(context)?;
    let tree = Tree::load(context)?;
    let published: Vec<_> = metadata.members().filter(|package| package.published()).collect();
    let mut findings = Vec::new();
    for package in &published {
        findings.extend(papers(&tree, &metadata.dir(package), package));
        let list = ["package", "--quiet", "--list", "--allow-dirty", "-p", &package.name];
        findings.extend(left_out(package, &metadata, &output(&mut context.cargo(list))?));
    }
    judge("faults of packages", &findings)?;
    // cargo finds unpacked packages by the path of their folder and their version. In a folder of
    // an earlier run, it would build a crate with packages of that run. So each run has a new
    // folder.
    let target = context.root.join("target");
    let dir = std::fs::create_dir_all(&target).and_then(|()| tempfile::tempdir_in(&target));
    let dir = dir.map_err(|error| format!("a folder for the packages: {error}"))?;
    let mut command = context.cargo(["package", "--allow-dirty", "--target-dir"]);
    command.arg(dir.path());
    command.args(published.iter().flat_map(|package| ["-p", &package.name]));
    run(command.args((!verify).then_some("--no-verify")))?;
    if verify {
        weight::program(context, &metadata)?;
    }
    eprintln!("release: {} packages; RELEASING.md says how to publish them", published.len());
    Ok(Outcome::Done)
}

/// Checks that a package has the files that a registry shows, and the files that its licence
/// requires.
fn papers(tree: &Tree, dir: &str, package: &Package) -> Vec<String> {
    let mut findings = Vec::new();
    for licence in LICENCES {
        let own = tree.text(&format!("{dir}/{licence}"));
        if own.is_none() || own != tree.text(licence) {
            findings.push(format!("{dir}/{licence}: is not a copy of {licence}"));
        }
    }
    let manifest = format!("{dir}/Cargo.toml");
    let docs = package.metadata.pointer("/docs/rs/all-features").and_then(|all| all.as_bool());
    if docs != Some(true) {
        let table = "[package.metadata.docs.rs]";
        findings.push(format!("{manifest}: lacks `{table}` with `all-features = true`"));
    }
    for (field, filled) in [
        ("description", package.description.is_some()),
        ("license", package.license.is_some()),
        ("keywords", !package.keywords.is_empty()),
        ("categories", !package.categories.is_empty()),
    ] {
        if !filled {
            findings.push(format!("{manifest}: lacks `{field}`"));
        }
    }
    let readme = tree.text(&format!("{dir}/README.md")).unwrap_or_default();
    let fence = if package.lib().is_some() { "```rust" } else { "```sh" };
    if !readme.contains(fence) {
        findings.push(format!("{dir}/README.md: has no example in {fence}"));
    }
    findings
}

/// Returns the files that the package should have, but that cargo's list lacks.
fn left_out(package: &Package, metadata: &Metadata, list: &str) -> Vec<String> {
    let dir = format!("{}/", metadata.dir(package));
    let examples = package.targets.iter().filter(|target| target.kind.contains(&"example".into()));
    let examples = examples.map(|target| metadata.relative(&target.src_path));
    let examples = examples.map(|path| path.strip_prefix(&dir).unwrap_or(&path).to_owned());
    let wanted = LICENCES.iter().chain(PAPERS).map(|&name| name.to_owned()).chain(examples);
    let missing = wanted.filter(|name| !list.lines().any(|line| line == name));
    missing.map(|name| format!("the package {} leaves out {name}", package.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::{left_out, papers};
    use crate::metadata::{Metadata, tests::SAMPLE};
    use crate::tree::tests::tree;

    fn with_fields(fields: &str) -> Metadata {
        let json =
            SAMPLE.replace(r#""name": "low", "m"#, &format!(r#""name": "low", {fields} "m"#));
        Metadata::parse(&json).expect("sample")
    }

    const FILLED: &str = r#""description": "d", "license": "l", "keywords": ["k"],
        "categories": ["c"], "metadata": {"docs": {"rs": {"all-features": true}}},"#;

    #[test]
    fn a_package_has_its_papers() {
        let metadata = with_fields(FILLED);
        let low = metadata.member("low").expect("member");
        let files = [
            ("LICENSE-APACHE", "a"),
            ("LICENSE-MIT", "m"),
            ("crates/low/LICENSE-APACHE", "a"),
            ("crates/low/LICENSE-MIT", "m"),
            ("crates/low/README.md", "```rust\n```\n"),
        ];
        assert_eq!(papers(&tree(&files), "crates/low", low), [""; 0]);
        let mut changed = files;
        changed[3].1 = "n";
        let expected = ["crates/low/LICENSE-MIT: is not a copy of LICENSE-MIT"];
        assert_eq!(papers(&tree(&changed), "crates/low", low), expected);
        let expected = ["crates/low/README.md: has no example in ```rust"];
        assert_eq!(papers(&tree(&files[..4]), "crates/low", low), expected);
    }

    #[test]
    fn fields_of_the_manifest_are_filled() {
        let metadata = with_fields("");
        let found = papers(&tree(&[]), "crates/low", metadata.member("low").expect("member"));
        for field in ["docs.rs", "description", "license", "keywords", "categories"] {
            assert!(found.iter().any(|finding| finding.contains(field)), "{field}");
        }
    }

    #[test]
    fn a_package_carries_its_licences_and_examples() {
        let json = SAMPLE.replace(
            r#""targets": [{"name": "low","#,
            r#""targets": [{"name": "show", "kind": ["example"],
                "src_path": "/w/crates/low/examples/show.rs"}, {"name": "low","#,
        );
        let metadata = Metadata::parse(&json).expect("sample");
        let low = metadata.member("low").expect("member");
        let all = "CHANGELOG.md\nLICENSE-APACHE\nLICENSE-MIT\nREADME.md\nexamples/show.rs\n";
        assert_eq!(left_out(low, &metadata, all), [""; 0]);
        let found = left_out(low, &metadata, "README.md\nCHANGELOG.md\nLICENSE-MIT.txt\n");
        let name = |name| format!("the package low leaves out {name}");
        let expected = ["LICENSE-APACHE", "LICENSE-MIT", "examples/show.rs"].map(name);
        assert_eq!(found, expected);
    }
}
