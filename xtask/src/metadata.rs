//! What `cargo metadata` says of the workspace, as far as the verbs ask.

use crate::run::{Context, Result, output};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Deserialize)]
pub struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    pub workspace_root: PathBuf,
    pub target_directory: PathBuf,
    resolve: Option<Resolve>,
}

#[derive(Debug, Deserialize)]
pub struct Package {
    pub id: String,
    pub name: String,
    pub manifest_path: PathBuf,
    /// `None`: everywhere; an empty list: nowhere.
    publish: Option<Vec<String>>,
    pub features: BTreeMap<String, Vec<String>>,
    pub dependencies: Vec<Dependency>,
    pub targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub struct Dependency {
    pub name: String,
}

#[derive(Debug, Deserialize)]
pub struct Target {
    pub kind: Vec<String>,
    pub src_path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDep>,
}

#[derive(Debug, Deserialize)]
struct NodeDep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Debug, Deserialize)]
struct DepKind {
    kind: Option<String>,
}

impl Metadata {
    /// Everything, the resolved graph with all features included.
    pub fn load(context: &Context) -> Result<Self> {
        Self::ask(context, &["metadata", "--format-version=1", "--all-features"])
    }

    /// The members alone; asks no registry.
    pub fn members_only(context: &Context) -> Result<Self> {
        Self::ask(context, &["metadata", "--format-version=1", "--no-deps"])
    }

    fn ask(context: &Context, args: &[&str]) -> Result<Self> {
        Self::parse(&output(&mut context.cargo(args.iter().copied()))?)
    }

    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| format!("cargo metadata: {error}").into())
    }

    /// The workspace's own packages.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    pub fn member(&self, name: &str) -> Result<&Package> {
        self.members()
            .find(|package| package.name == name)
            .ok_or_else(|| format!("the workspace has no package `{name}`").into())
    }

    /// A path below the workspace's root, with `/` between its parts.
    pub fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.workspace_root).unwrap_or(path);
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }

    /// The folder of a package, below the root.
    pub fn dir(&self, package: &Package) -> String {
        self.relative(package.manifest_path.parent().unwrap_or(&package.manifest_path))
    }

    /// Names of all packages that a package's library is built from, itself left out.
    /// Dev-dependencies are not followed: nobody who uses the crate gets them.
    pub fn built_from(&self, package: &Package) -> BTreeSet<&str> {
        let nodes: BTreeMap<&str, &Node> = self
            .resolve
            .iter()
            .flat_map(|resolve| &resolve.nodes)
            .map(|node| (node.id.as_str(), node))
            .collect();
        let mut seen = BTreeSet::from([package.id.as_str()]);
        let mut open = vec![package.id.as_str()];
        while let Some(id) = open.pop() {
            for dep in nodes.get(id).iter().flat_map(|node| &node.deps) {
                let shipped = dep.dep_kinds.iter().any(|k| k.kind.as_deref() != Some("dev"));
                if shipped && seen.insert(&dep.pkg) {
                    open.push(&dep.pkg);
                }
            }
        }
        seen.remove(package.id.as_str());
        self.packages
            .iter()
            .filter(|package| seen.contains(package.id.as_str()))
            .map(|package| package.name.as_str())
            .collect()
    }
}

impl Package {
    /// Does it go to a registry?
    pub fn published(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }

    pub fn lib(&self) -> Option<&Target> {
        self.targets.iter().find(|target| target.kind.iter().any(|kind| kind.ends_with("lib")))
    }

    pub fn depends_on(&self, name: &str) -> bool {
        self.dependencies.iter().any(|dependency| dependency.name == name)
    }
}

#[cfg(test)]
pub mod tests {
    use super::Metadata;

    /// A workspace of `low` <- `high` <- `tests`; `high` ships `middle`, which ships `tokio`.
    pub const SAMPLE: &str = r#"{
        "packages": [
            {"id": "l", "name": "low", "manifest_path": "/w/crates/low/Cargo.toml",
             "publish": null, "features": {"alloc": []}, "dependencies": [],
             "targets": [{"name": "low", "kind": ["lib"], "src_path": "/w/crates/low/src/lib.rs"}]},
            {"id": "h", "name": "high", "manifest_path": "/w/crates/high/Cargo.toml",
             "publish": null, "features": {},
             "dependencies": [{"name": "low", "kind": null}, {"name": "middle", "kind": null},
                              {"name": "insta", "kind": "dev"}],
             "targets": [{"name": "high", "kind": ["lib"],
                          "src_path": "/w/crates/high/src/lib.rs"}]},
            {"id": "t", "name": "tests", "manifest_path": "/w/tests/Cargo.toml",
             "publish": [], "features": {}, "dependencies": [{"name": "high", "kind": "dev"}],
             "targets": []},
            {"id": "m", "name": "middle", "manifest_path": "/r/middle/Cargo.toml",
             "publish": null, "features": {}, "dependencies": [], "targets": []},
            {"id": "i", "name": "insta", "manifest_path": "/r/insta/Cargo.toml",
             "publish": null, "features": {}, "dependencies": [], "targets": []},
            {"id": "k", "name": "tokio", "manifest_path": "/r/tokio/Cargo.toml",
             "publish": null, "features": {}, "dependencies": [], "targets": []}
        ],
        "workspace_members": ["l", "h", "t"], "workspace_root": "/w", "target_directory": "/w/t",
        "resolve": {"nodes": [
            {"id": "l", "deps": []},
            {"id": "h", "deps": [
                {"pkg": "l", "dep_kinds": [{"kind": null}]},
                {"pkg": "m", "dep_kinds": [{"kind": null}, {"kind": "dev"}]},
                {"pkg": "i", "dep_kinds": [{"kind": "dev"}]}]},
            {"id": "t", "deps": [{"pkg": "h", "dep_kinds": [{"kind": "dev"}]}]},
            {"id": "m", "deps": [{"pkg": "k", "dep_kinds": [{"kind": "build"}]}]},
            {"id": "i", "deps": []},
            {"id": "k", "deps": [{"pkg": "m", "dep_kinds": [{"kind": null}]}]}
        ]}
    }"#;

    #[test]
    fn members_and_their_folders() {
        let metadata = Metadata::parse(SAMPLE).expect("sample");
        let members: Vec<_> = metadata
            .members()
            .map(|p| (p.name.as_str(), metadata.dir(p), p.published(), p.lib().is_some()))
            .collect();
        let expected = [
            ("low", "crates/low".to_owned(), true, true),
            ("high", "crates/high".to_owned(), true, true),
            ("tests", "tests".to_owned(), false, false),
        ];
        assert_eq!(members, expected);
        assert!(metadata.member("tokio").is_err());
    }

    #[test]
    fn what_a_crate_is_built_from_goes_through_everything_but_dev_dependencies() {
        let metadata = Metadata::parse(SAMPLE).expect("sample");
        let built_from = |name| {
            let names = metadata.built_from(metadata.member(name).expect("member"));
            names.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(built_from("low"), [""; 0]);
        assert_eq!(built_from("high"), ["low", "middle", "tokio"]);
        assert_eq!(built_from("tests"), [""; 0]);
    }
}
