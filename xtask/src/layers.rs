//! `layers`: checks which crates may depend on which crates. Also checks that the crates below the
//! facade do no IO, and that only listed files have `unsafe`.

use crate::metadata::{Metadata, Package};
use crate::run::{Context, Outcome, Result, judge, no_args, output};
use crate::rust::{is_no_std, parse, unsafe_lines};
use crate::tree::Tree;
use crate::{weight, wings};
use std::collections::BTreeSet;

/// A crate, and the crates of this project that it may depend on. If you add a crate or a
/// dependency, give the reason in ARCHITECTURE.md.
struct Layer {
    name: &'static str,
    /// The names of the crates that it may depend on, also in its dev-dependencies and
    /// build-dependencies.
    may_use: &'static [&'static str],
    ground: Ground,
}

/// The libraries that a crate may use.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// Only `core` and, with a feature, `alloc`. So the crate does no IO.
    NoStd,
    /// The standard library, to work with `Read` and `Write`. The crate does no IO of its own.
    StdAdapters,
    /// Everything: for the facade and the crates above it.
    Io,
}

const LAYERS: &[Layer] = &[
    Layer { name: "daicon-core", may_use: &[], ground: Ground::NoStd },
    Layer { name: "dacti-index", may_use: &["daicon-core"], ground: Ground::NoStd },
    Layer { name: "dacti-lookup", may_use: &["daicon-core", "dacti-index"], ground: Ground::NoStd },
    Layer { name: "dacti-names", may_use: &["daicon-core", "dacti-index"], ground: Ground::NoStd },
    Layer { name: "dacti-seal", may_use: &["daicon-core", "dacti-index"], ground: Ground::NoStd },
    Layer {
        name: "dacti-cdn",
        may_use: &["daicon-core", "dacti-index", "dacti-lookup", "dacti-names", "dacti-seal"],
        ground: Ground::NoStd,
    },
    Layer { name: "dacti-http", may_use: &["daicon-core"], ground: Ground::NoStd },
    Layer { name: "dacti-dar", may_use: &[], ground: Ground::StdAdapters },
    Layer { name: "dacti", may_use: BELOW_FACADE, ground: Ground::Io },
    Layer { name: "dacti-serve", may_use: FACADE, ground: Ground::Io },
    Layer { name: "dacti-cli", may_use: ABOVE_FACADE, ground: Ground::Io },
    Layer { name: "dacti-web", may_use: FACADE, ground: Ground::Io },
];

const BELOW_FACADE: &[&str] = &[
    "daicon-core",
    "dacti-index",
    "dacti-lookup",
    "dacti-names",
    "dacti-seal",
    "dacti-cdn",
    "dacti-http",
    "dacti-dar",
];

const FACADE: &[&str] = &[
    "daicon-core",
    "dacti-index",
    "dacti-lookup",
    "dacti-names",
    "dacti-seal",
    "dacti-cdn",
    "dacti-http",
    "dacti-dar",
    "dacti",
];

const ABOVE_FACADE: &[&str] = &[
    "daicon-core",
    "dacti-index",
    "dacti-lookup",
    "dacti-names",
    "dacti-seal",
    "dacti-cdn",
    "dacti-dar",
    "dacti",
    "dacti-serve",
];

/// Packages that are not published. They may depend on all crates of this project.
const UNBOUND: &[&str] = &["dacti-tests", "dacti-benches", "xtask"];

/// Crates that do IO, run futures, start threads or print. The crates below the facade must not use
/// them, not even indirectly.
const FORBIDDEN_BELOW_FACADE: &[&str] = &[
    "async-std",
    "async-trait",
    "clap",
    "crossterm",
    "curl",
    "env_logger",
    "futures",
    "futures-channel",
    "futures-core",
    "futures-executor",
    "futures-io",
    "futures-util",
    "globset",
    "h2",
    "hyper",
    "ignore",
    "indicatif",
    "log",
    "memmap2",
    "mio",
    "object_store",
    "rayon",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "tokio",
    "tracing",
    "ureq",
    "walkdir",
];

pub fn layers(context: &Context, args: &[String]) -> Result<Outcome> {
    no_args(args)?;
    let metadata = Metadata::load(context)?;
    let tree = Tree::load(context)?;
    let mut findings = edges(&metadata);
    findings.extend(io_below_facade(context, &metadata)?);
    findings.extend(grounds(&metadata, &tree)?);
    findings.extend(unsafe_code(&tree)?);
    findings.extend(lint_tables(&metadata, &tree));
    findings.extend(wings::findings(&tree, &metadata)?);
    findings.extend(weight::findings(context, &tree, &metadata)?);
    judge("breaches of the layers", &findings)?;
    eprintln!("layers: {} packages, no breach", metadata.members().count());
    Ok(Outcome::Done)
}

fn layer(package: &Package) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| layer.name == package.name)
}

fn below_facade(metadata: &Metadata) -> impl Iterator<Item = (&Package, Ground)> {
    let grounds = metadata.members().filter_map(|p| layer(p).map(|layer| (p, layer.ground)));
    grounds.filter(|&(_, ground)| ground != Ground::Io)
}

/// Returns the crate whose `examples` folder has this package. Such a package may depend only on
/// that crate.
fn shown_by<'m>(metadata: &'m Metadata, package: &Package) -> Option<&'m str> {
    let dir = metadata.dir(package);
    let of = |member: &&Package| dir.starts_with(&format!("{}/examples/", metadata.dir(member)));
    metadata.members().find(of).map(|member| member.name.as_str())
}

fn edges(metadata: &Metadata) -> Vec<String> {
    let mut findings = Vec::new();
    for package in metadata.members().filter(|package| !UNBOUND.contains(&&*package.name)) {
        let may_use = if let Some(layer) = layer(package) {
            layer.may_use.to_vec()
        } else if let Some(shown) = shown_by(metadata, package) {
            vec![shown]
        } else {
            findings.push(format!("{} has no place in the list of layers", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let ours = metadata.member(&dependency.name).is_ok();
            if ours && !may_use.contains(&&*dependency.name) {
                findings.push(format!("{} may not depend on {}", package.name, dependency.name));
            }
        }
    }
    findings
}

fn io_below_facade(context: &Context, metadata: &Metadata) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for (package, _) in below_facade(metadata) {
        let tree = output(&mut context.cargo(TREE.iter().copied().chain([&*package.name])))?;
        findings.extend(forbidden(package, &tree));
    }
    Ok(findings)
}

/// The arguments with which cargo prints all crates that a user of one package builds. Only that
/// package has all its features. The target is stated because some targets need more crates: on the
/// web, `uuid` needs crates for futures.
const TREE: &[&str] = &[
    "tree",
    "--quiet",
    "--edges=normal,build",
    "--all-features",
    "--target=x86_64-unknown-linux-gnu",
    "--prefix=none",
    "--format={p}",
    "--package",
];

/// Returns each forbidden crate that the printed tree contains, or on which the package itself
/// depends for any target.
fn forbidden(package: &Package, tree: &str) -> Vec<String> {
    let built: BTreeSet<&str> = tree.lines().filter_map(|l| l.split(' ').next()).collect();
    let found = FORBIDDEN_BELOW_FACADE.iter();
    let found = found.filter(|&&name| built.contains(name) || package.ships(name));
    found.map(|name| format!("{} is built from {name}", package.name)).collect()
}

fn grounds(metadata: &Metadata, tree: &Tree) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for (package, ground) in below_facade(metadata) {
        let Some(lib) = package.lib() else {
            findings.push(format!("{} has no library", package.name));
            continue;
        };
        let path = metadata.relative(&lib.src_path);
        let file = parse(&path, &tree.text(&path).unwrap_or_default())?;
        if ground == Ground::NoStd && !is_no_std(&file) {
            findings.push(format!("{path}: lacks `#![no_std]`"));
        }
    }
    Ok(findings)
}

/// The only files with `unsafe`. They contain two calls of other projects' crates in a bench, the
/// attributes of functions that WebAssembly imports and exports, and calls of a C library in a
/// test.
const UNSAFE: &[&str] = &[
    "benches/peers/benches/peers/mapped.rs",
    "crates/dacti-web/src/boundary.rs",
    "crates/dacti-web/src/codec.rs",
    "crates/dacti-web/src/far_tools.rs",
    "tests/google/library.rs",
];

/// The package whose lint table sets `unsafe_code` to `deny`, not `forbid`, so that files of
/// `UNSAFE` can allow the lint. All its other lints must equal the workspace's lints.
const OWN_LINTS: &str = "dacti-web";

fn unsafe_code(tree: &Tree) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts(".rs").filter(|(path, _)| !UNSAFE.contains(path)) {
        for line in unsafe_lines(path, &text)? {
            findings.push(format!("{path}:{line}: `unsafe`"));
        }
    }
    Ok(findings)
}

/// Checks that each manifest uses the workspace's lints. Otherwise they would have no effect.
fn lint_tables(metadata: &Metadata, tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for package in metadata.members().filter(|package| layer(package).is_some()) {
        let path = metadata.relative(&package.manifest_path);
        let text = tree.text(&path).unwrap_or_default();
        if package.name == OWN_LINTS {
            let workspace = tree.text("Cargo.toml").unwrap_or_default();
            if lints(&workspace, "[workspace.lints.") != lints(&text, "[lints.") {
                findings.push(format!("{path}: its lints differ from those of the workspace"));
            }
            continue;
        }
        let mut lines = text.lines().map(|line| line.replace(' ', ""));
        let taken = lines.any(|line| line == "[lints]")
            && lines.find(|line| !line.is_empty()).is_some_and(|line| line == "workspace=true");
        if !taken {
            findings.push(format!("{path}: lacks `[lints]` with `workspace = true`"));
        }
    }
    findings
}

/// Returns the lines of those lint tables of a manifest whose headings start with `heading`,
/// without the line for `unsafe_code`.
fn lints<'t>(manifest: &'t str, heading: &str) -> Vec<&'t str> {
    let mut is_lint = false;
    let mut lines = Vec::new();
    for line in manifest.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('[') {
            is_lint = line.starts_with(heading);
        } else if is_lint
            && !matches!(line, r#"unsafe_code = "deny""# | r#"unsafe_code = "forbid""#)
        {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{
        BELOW_FACADE, FACADE, Ground, LAYERS, edges, forbidden, grounds, lint_tables, lints,
        unsafe_code,
    };
    use crate::metadata::{Metadata, tests::SAMPLE};
    use crate::tree::tests::tree;

    /// Returns the sample workspace with our names for its crates: `tests` depends on `high`, and
    /// `high` on `low`.
    fn metadata(low: &str, high: &str) -> Metadata {
        let json = SAMPLE.replace("\"low\"", &format!("\"{low}\""));
        let json = json.replace("\"high\"", &format!("\"{high}\""));
        Metadata::parse(&json.replace("\"tests\"", "\"dacti-tests\"")).expect("sample")
    }

    #[test]
    fn no_layer_may_use_one_that_is_not_below_it() {
        for (at, layer) in LAYERS.iter().enumerate() {
            for used in layer.may_use {
                assert!(LAYERS[..at].iter().any(|below| below.name == *used), "{}", layer.name);
            }
        }
        let below = LAYERS.iter().filter(|layer| layer.ground != Ground::Io).map(|l| l.name);
        assert!(below.eq(BELOW_FACADE.iter().copied()));
        assert_eq!(FACADE[..BELOW_FACADE.len()], *BELOW_FACADE);
    }

    #[test]
    fn an_edge_that_is_not_listed_is_a_breach() {
        assert_eq!(edges(&metadata("daicon-core", "dacti-index")), [""; 0]);
        let expected = ["daicon-core may not depend on dacti-index"];
        assert_eq!(edges(&metadata("dacti-index", "daicon-core")), expected);
        let expected = ["dacti-new has no place in the list of layers"];
        assert_eq!(edges(&metadata("dacti-new", "dacti-tests")), expected);
    }

    #[test]
    fn an_example_uses_the_crate_that_it_shows() {
        let nested = |low: &str| {
            let json = SAMPLE.replace("/w/crates/high/C", "/w/crates/low/examples/high/C");
            Metadata::parse(&json.replace("\"low\"", &format!("\"{low}\""))).expect("sample")
        };
        let expected = ["tests has no place in the list of layers"];
        assert_eq!(edges(&nested("dacti-index")), expected);
        let other = SAMPLE.replace("/w/crates/high/C", "/w/tests/examples/high/C");
        let other = Metadata::parse(&other.replace("\"tests\"", "\"dacti-cli\"")).expect("sample");
        assert!(edges(&other).contains(&"high may not depend on low".to_owned()));
    }

    #[test]
    fn io_below_the_facade_is_a_breach_even_through_others() {
        let metadata = metadata("daicon-core", "dacti-cdn");
        let low = metadata.member("daicon-core").expect("member");
        assert_eq!(forbidden(low, "daicon-core v0.1.0 (/w)\nuuid v1.0.0\n"), [""; 0]);
        let expected = ["daicon-core is built from mio", "daicon-core is built from walkdir"];
        assert_eq!(forbidden(low, "uuid v1.0.0\nwalkdir v2.0.0\nmio v1.0.0 (*)\n"), expected);
        let high = metadata.member("dacti-cdn").expect("member");
        assert_eq!(forbidden(high, ""), ["dacti-cdn is built from tokio"]);
    }

    #[test]
    fn a_lower_crate_without_no_std_is_a_breach() {
        let sources = |high| {
            tree(&[
                ("crates/low/src/lib.rs", "//! doc\n#![no_std]\n"),
                ("crates/high/src/lib.rs", high),
            ])
        };
        let high = metadata("daicon-core", "dacti-index");
        assert_eq!(grounds(&high, &sources("#![no_std]")), Ok(vec![]));
        let expected = Ok(vec!["crates/high/src/lib.rs: lacks `#![no_std]`".to_owned()]);
        assert_eq!(grounds(&high, &sources("// #![no_std]")), expected);
        assert_eq!(grounds(&metadata("daicon-core", "dacti-dar"), &sources("")), Ok(vec![]));
    }

    #[test]
    fn unsafe_is_a_breach_everywhere_but_in_a_bench_and_a_test() {
        let tree = tree(&[
            ("a.rs", "fn f() {}"),
            ("b.rs", "\nunsafe fn g() {}"),
            ("benches/peers/benches/peers/mapped.rs", "unsafe fn h() {}"),
            ("tests/google/library.rs", "unsafe fn i() {}"),
        ]);
        assert_eq!(unsafe_code(&tree), Ok(vec!["b.rs:2: `unsafe`".to_owned()]));
    }

    #[test]
    fn a_manifest_that_leaves_the_lint_table_out_is_a_breach() {
        let manifests = tree(&[
            ("crates/low/Cargo.toml", "[package]\n[lints]\nworkspace = true\n"),
            ("crates/high/Cargo.toml", "[package]\nworkspace = true\n[lints]\n"),
        ]);
        let expected = ["crates/high/Cargo.toml: lacks `[lints]` with `workspace = true`"];
        assert_eq!(lint_tables(&metadata("daicon-core", "dacti-index"), &manifests), expected);
    }

    #[test]
    fn a_lint_table_of_its_own_may_differ_in_one_level() {
        let workspace =
            "[workspace.lints.rust]\nunsafe_code = \"forbid\"\na = 1\n[profile]\nb = 2\n";
        let own = "[lints.rust]\nunsafe_code = \"deny\"\na = 1\n";
        assert_eq!(lints(workspace, "[workspace.lints."), ["a = 1"]);
        assert_eq!(lints(own, "[lints."), ["a = 1"]);
        let looser = "[lints.rust]\nunsafe_code = \"allow\"\na = 1\n";
        assert_ne!(lints(looser, "[lints."), ["a = 1"]);
    }
}
