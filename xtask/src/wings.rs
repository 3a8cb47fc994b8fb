//! Checks which modules of a crate name which other modules. The checks cover the top-level modules
//! of the facade ("wings"), the writing modules of other crates, and modules that name each other
//! in a circle.

use crate::imports::Imports;
use crate::metadata::Metadata;
use crate::run::Result;
use crate::tree::Tree;
use std::collections::BTreeSet;

/// A top-level module of the facade, and the modules that it may name. If you add a module to this
/// table, give the reason in ARCHITECTURE.md.
const WINGS: &[(&str, &[&str])] = &[
    // An error names the place of a package. It uses a type of `fetch` for this name, because that
    // type hides secrets.
    ("error", &["fetch"]),
    ("threads", &["error"]),
    ("hash", &["threads"]),
    // `open_url` and `open_store` are functions of a package, but they are in the module of their
    // transport.
    ("fetch", &["error", "read", "remote"]),
    ("find", &["error", "fetch", "read", "threads"]),
    // DAR archives use the fetch layer of packages.
    ("dar", &["error", "fetch", "read", "remote"]),
    ("read", &["error", "fetch", "find", "hash", "threads"]),
    ("remote", &["error", "fetch", "read"]),
    // A report can also describe a file that a transport fetches.
    ("report", &["error", "fetch", "find", "hash", "read", "remote", "threads"]),
    // `pull` verifies a copy before keeping it. Uploads of parts to an object store use the runner
    // of `remote`.
    ("write", &["error", "fetch", "find", "hash", "read", "remote", "report", "threads"]),
];

const FACADE: &str = "dacti";

/// For each crate below the facade, the modules that write. Only the root file of the crate may
/// name these modules.
const WRITERS: &[(&str, &[&str])] = &[
    ("daicon-core", &["emit"]),
    ("dacti-index", &["emit", "ranges"]),
    ("dacti-lookup", &["emit"]),
    ("dacti-cdn", &["planner"]),
    ("dacti-dar", &["convert", "encode", "salvage", "writer"]),
];

pub fn findings(tree: &Tree, metadata: &Metadata) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for package in metadata.members().filter(|package| package.published()) {
        let name = package.name.as_str();
        let imports = Imports::of(tree, metadata, package)?;
        if name == FACADE {
            findings.extend(wings(&imports));
        }
        if let Some((_, writers)) = WRITERS.iter().find(|(owner, _)| *owner == name) {
            findings.extend(written(name, writers, &imports));
        }
        if !CIRCULAR.contains(&name) {
            findings.extend(circles(name, &imports));
        }
    }
    Ok(findings)
}

fn wings(imports: &Imports) -> Vec<String> {
    let mut findings = Vec::new();
    for module in &imports.modules {
        if !WINGS.iter().any(|(name, _)| name == module) {
            findings.push(format!("{FACADE}: the module {module} has no place among the wings"));
        }
    }
    for ((from, to), place) in &imports.edges {
        let wing = WINGS.iter().find(|(name, _)| name == from);
        if wing.is_some_and(|(_, may_use)| !may_use.contains(&&**to)) {
            findings.push(format!("{place}: {from} may not name {to}"));
        }
    }
    findings
}

fn written(package: &str, writers: &[&str], imports: &Imports) -> Vec<String> {
    let mut findings = Vec::new();
    for missing in writers.iter().filter(|name| !imports.modules.contains(**name)) {
        findings.push(format!("{package} has no module {missing}, which is listed as writing"));
    }
    for ((from, to), place) in &imports.edges {
        if writers.contains(&&**to) && !writers.contains(&&**from) {
            findings.push(format!("{place}: {from} does not write and may not name {to}"));
        }
    }
    findings
}

/// The crates whose modules may name each other in circles. The wings of the facade do so, because
/// they share its types.
const CIRCULAR: &[&str] = &[FACADE];

/// Returns the modules that name each other, directly or through other modules.
fn circles(package: &str, imports: &Imports) -> Vec<String> {
    let reached = |start: &str| {
        let mut reached = BTreeSet::new();
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for (from, to) in imports.edges.keys() {
                if from == at && reached.insert(to.as_str()) {
                    open.push(to);
                }
            }
        }
        reached
    };
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for module in imports.modules.iter().map(String::as_str) {
        if seen.contains(module) || !reached(module).contains(module) {
            continue;
        }
        let mut circle: Vec<_> = reached(module).into_iter().collect();
        circle.retain(|other| reached(other).contains(module));
        seen.extend(circle.iter().copied());
        findings.push(format!("{package}: {} name each other in a circle", circle.join(", ")));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{WINGS, circles, wings, written};
    use crate::imports::Imports;

    fn imports(edges: &[(&str, &str)]) -> Imports {
        let mut imports = Imports::default();
        for (from, to) in edges {
            imports.modules.extend([from, to].map(|name| (*name).to_owned()));
            let edge = ((*from).to_owned(), (*to).to_owned());
            imports.edges.insert(edge, format!("{from}.rs:1"));
        }
        imports
    }

    #[test]
    fn no_wing_that_reads_may_name_one_that_writes_or_reports() {
        for (name, may_use) in WINGS.iter().filter(|(name, _)| !["write", "report"].contains(name))
        {
            assert!(!may_use.contains(&"write") && !may_use.contains(&"report"), "{name}");
        }
    }

    #[test]
    fn an_edge_that_is_not_listed_is_a_breach() {
        assert_eq!(wings(&imports(&[("write", "read"), ("read", "find")])), [""; 0]);
        let expected = ["find.rs:1: find may not name write"];
        assert_eq!(wings(&imports(&[("find", "write")])), expected);
        let expected = ["dacti: the module utils has no place among the wings"];
        assert_eq!(wings(&imports(&[("utils", "read")])), expected);
    }

    #[test]
    fn a_module_that_reads_may_not_name_one_that_writes() {
        let found = |edges| written("low", &["emit", "ranges"], &imports(edges));
        assert_eq!(found(&[("emit", "wire"), ("ranges", "emit")]), [""; 0]);
        let expected = ["reader.rs:1: reader does not write and may not name emit"];
        assert_eq!(found(&[("reader", "emit"), ("ranges", "emit")]), expected);
        let expected = ["low has no module ranges, which is listed as writing"];
        assert_eq!(found(&[("emit", "wire")]), expected);
    }

    #[test]
    fn circles_are_found_once() {
        assert_eq!(circles("low", &imports(&[("a", "b"), ("b", "c"), ("a", "c")])), [""; 0]);
        let edges = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "b")];
        let expected = ["low: b, c, d name each other in a circle"];
        assert_eq!(circles("low", &imports(&edges)), expected);
    }
}
