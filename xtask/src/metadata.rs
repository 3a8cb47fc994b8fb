//! Those parts of the output of `cargo metadata` that the verbs need.

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
}

#[derive(Debug, Deserialize)]
pub struct Package {
    pub id: String,
    pub name: String,
    pub manifest_path: PathBuf,
    #[serde(rename = "rust_version")]
    pub msrv: Option<String>,
    pub description: Option<String>,
    pub license: Option<String>,
    #[serde(default)]
    pub keywords: Vec<String>,
    #[serde(default)]
    pub categories: Vec<String>,
    /// The table `package.metadata` of the manifest.
    #[serde(default)]
    pub metadata: serde_json::Value,
    /// The registries to which the package may be published. `None` means any registry, and an
    /// empty list means none.
    publish: Option<Vec<String>>,
    pub features: BTreeMap<String, Vec<String>>,
    pub dependencies: Vec<Dependency>,
    pub targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub struct Dependency {
    pub name: String,
    /// The kind of dependency: `None` for a normal dependency, or `dev` or `build`.
    kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Target {
    pub kind: Vec<String>,
    pub src_path: PathBuf,
}

impl Metadata {
    /// Runs cargo. Only the members of the workspace are listed, so cargo needs no registry.
    pub fn load(context: &Context) -> Result<Self> {
        let call = ["metadata", "--format-version=1", "--no-deps"];
        Self::parse(&output(&mut context.cargo(call))?)
    }

    pub fn parse(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| format!("cargo metadata: {error}").into())
    }

    /// Returns the packages of the workspace.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    pub fn member(&self, name: &str) -> Result<&Package> {
        self.members()
            .find(|package| package.name == name)
            .ok_or_else(|| format!("the workspace has no package `{name}`").into())
    }

    /// Returns a path from the root of the workspace, with `/` between its parts.
    pub fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.workspace_root).unwrap_or(path);
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }

    /// Returns the folder of a package, as a path from the root of the workspace.
    pub fn dir(&self, package: &Package) -> String {
        self.relative(package.manifest_path.parent().unwrap_or(&package.manifest_path))
    }
}

impl Package {
    /// Returns whether the package may be published to a registry.
    pub fn published(&self) -> bool {
        self.publish.as_ref().is_none_or(|registries| !registries.is_empty())
    }

    /// Returns the name of the library in Rust code.
    pub fn rust_name(&self) -> String {
        self.name.replace('-', "_")
    }

    pub fn lib(&self) -> Option<&Target> {
        self.targets.iter().find(|target| target.kind.iter().any(|kind| kind.ends_with("lib")))
    }

    /// Returns whether the package `name` is a direct dependency that users of this package have to
    /// build.
    pub fn ships(&self, name: &str) -> bool {
        let dev = |dependency: &Dependency| dependency.kind.as_deref() == Some("dev");
        self.dependencies.iter().any(|dependency| dependency.name == name && !dev(dependency))
    }

    pub fn depends_on(&self, name: &str) -> bool {
        self.dependencies.iter().any(|dependency| dependency.name == name)
    }
}

#[cfg(test)]
pub mod tests {
    use super::Metadata;

    /// A workspace of three crates: `tests` depends on `high`, and `high` on `low`. Users of `high`
    /// build `tokio`. Only its tests need `insta`.
    pub const SAMPLE: &str = r#"{
        "packages": [
            {"id": "l", "name": "low", "manifest_path": "/w/crates/low/Cargo.toml",
             "publish": null, "features": {"alloc": []}, "dependencies": [],
             "targets": [{"name": "low", "kind": ["lib"], "src_path": "/w/crates/low/src/lib.rs"}]},
            {"id": "h", "name": "high", "manifest_path": "/w/crates/high/Cargo.toml",
             "publish": null, "features": {},
             "dependencies": [{"name": "low", "kind": null}, {"name": "tokio", "kind": "build"},
                              {"name": "insta", "kind": "dev"}],
             "targets": [{"name": "high", "kind": ["lib"],
                          "src_path": "/w/crates/high/src/lib.rs"}]},
            {"id": "t", "name": "tests", "manifest_path": "/w/tests/Cargo.toml",
             "publish": [], "features": {}, "dependencies": [{"name": "high", "kind": "dev"}],
             "targets": []},
            {"id": "k", "name": "tokio", "manifest_path": "/r/tokio/Cargo.toml",
             "publish": null, "features": {}, "dependencies": [], "targets": []}
        ],
        "workspace_members": ["l", "h", "t"], "workspace_root": "/w", "target_directory": "/w/t"
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
    fn what_ships_is_not_what_tests_use() {
        let metadata = Metadata::parse(SAMPLE).expect("sample");
        let high = metadata.member("high").expect("member");
        let dependencies = ["low", "tokio", "insta", "none"];
        assert_eq!(dependencies.map(|name| high.depends_on(name)), [true, true, true, false]);
        assert_eq!(dependencies.map(|name| high.ships(name)), [true, true, false, false]);
    }
}
