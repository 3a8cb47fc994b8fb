//! Finds which top-level modules of a library name which other modules. Tests and documentation do
//! not count.

use crate::metadata::{Metadata, Package};
use crate::run::Result;
use crate::rust::{is_for_tests, modules, parse, unraw};
use crate::tree::{Tree, dir_of};
use proc_macro2::{Punct, Spacing, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// The names in a path, starting after the root of the crate.
type Path = Vec<String>;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imports {
    pub modules: BTreeSet<String>,
    /// For each pair of modules `from` and `to`: the first place at which `from` names `to`.
    pub edges: BTreeMap<(String, String), String>,
}

impl Imports {
    /// Reads all files of the library. Names in the root file do not count, because the root file
    /// names all modules to export their items.
    pub fn of(tree: &Tree, metadata: &Metadata, package: &Package) -> Result<Self> {
        let Some(lib) = package.lib() else { return Ok(Self::default()) };
        let root = metadata.relative(&lib.src_path);
        let files = modules(tree, [root.as_str()])?;
        let mut imports = Self::default();
        let mut named = Vec::new();
        let mut exported = BTreeMap::new();
        for path in files.all.difference(&files.tests) {
            let file = parse(path, &tree.text(path).unwrap_or_default())?;
            let module = module_path(path.strip_prefix(dir_of(&root)).unwrap_or(path));
            imports.modules.extend(module.first().cloned());
            let mut finder = Finder { module, named: vec![], exported: vec![] };
            finder.visit_file(&file);
            if *path == root {
                exported.extend(finder.exported);
            } else {
                let place = |line| format!("{path}:{line}");
                named.extend(finder.named.into_iter().map(|(f, to, line)| (f, to, place(line))));
            }
        }
        for (from, to, place) in named {
            let to = imports.owner(&to, &exported);
            if to.as_ref().is_some_and(|to| *to != from) {
                imports.edges.entry((from, to.unwrap_or_default())).or_insert(place);
            }
        }
        Ok(imports)
    }

    /// Returns the top-level module to which a path leads. It may lead there directly, or through
    /// an export of the root file.
    fn owner(&self, path: &[String], exported: &BTreeMap<Path, Path>) -> Option<String> {
        let own = path.first().filter(|first| self.modules.contains(*first));
        let through = || (1..=path.len()).find_map(|len| exported.get(path.get(..len)?));
        let through = || through()?.first().filter(|first| self.modules.contains(*first));
        own.or_else(through).cloned()
    }
}

/// Returns the module of a file. `a/b/mod.rs` and `a/b.rs` are both the module `a::b`. The root
/// file has an empty path.
fn module_path(file: &str) -> Path {
    let path = file.trim_start_matches('/').trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { vec![] } else { path.split('/').map(str::to_owned).collect() }
}

struct Finder {
    module: Path,
    /// A top-level module, a path that it names, and the number of the line.
    named: Vec<(String, Path, usize)>,
    /// A public name of the root file, and the path for which it stands.
    exported: Vec<(Path, Path)>,
}

impl Finder {
    /// Converts a path of the source text to a path from the root of the crate. In the root file,
    /// any path may lead to a module. In other files, a path leads to a module only if it starts
    /// with `crate` or `super`.
    fn absolute(&self, written: &[String]) -> Option<Path> {
        let supers = written.iter().take_while(|name| *name == "super").count();
        let rest = written.get(supers.max(1)..)?;
        match written.first()?.as_str() {
            "crate" => Some(rest.to_vec()),
            "super" => {
                let kept = self.module.len().checked_sub(supers)?;
                Some([self.module.get(..kept)?, rest].concat())
            }
            _ if self.module.is_empty() => Some(written.to_vec()),
            _ => None,
        }
    }

    fn name(&mut self, written: &[String], line: usize) {
        if let (Some(from), Some(to)) = (self.module.first(), self.absolute(written)) {
            self.named.push((from.clone(), to, line));
        }
    }

    fn use_tree(&mut self, tree: &syn::UseTree, mut before: Path) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(unraw(&path.ident));
                self.use_tree(&path.tree, before);
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.use_tree(tree, before.clone()));
            }
            syn::UseTree::Name(name) => self.used(before, &name.ident, &name.ident),
            syn::UseTree::Rename(name) => self.used(before, &name.ident, &name.rename),
            syn::UseTree::Glob(glob) => self.name(&before, glob.span().start().line),
        }
    }

    fn used(&mut self, mut path: Path, name: &syn::Ident, own: &syn::Ident) {
        path.push(unraw(name));
        self.name(&path, name.span().start().line);
        let own = self.module.iter().cloned().chain([unraw(own)]).collect();
        self.exported.extend(self.absolute(&path).map(|to| (own, to)));
    }

    /// In macros, only paths that start with `crate::` are found.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Path = Vec::new();
        let (mut colons, mut line) = (0, 0);
        let end = TokenTree::Punct(Punct::new(';', Spacing::Alone));
        for token in tokens.into_iter().chain([end]) {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => {
                    path.push(unraw(&ident));
                    colons = 0;
                }
                other => {
                    if path.len() > 1 {
                        self.name(&path, line);
                    }
                    (path, colons) = (vec![], 0);
                    match other {
                        TokenTree::Ident(ident) if ident == "crate" => {
                            line = ident.span().start().line;
                            path.push(unraw(&ident));
                        }
                        TokenTree::Group(group) => self.tokens(group.stream()),
                        _ => {}
                    }
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_for_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() {
            self.module.push(unraw(&item.ident));
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&item.tree, vec![]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let written: Path = path.segments.iter().map(|segment| unraw(&segment.ident)).collect();
        if ["crate", "super"].iter().any(|first| written.first().is_some_and(|w| w == first)) {
            self.name(&written, path.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.tokens(call.tokens.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::Imports;
    use crate::metadata::{Metadata, tests::SAMPLE};
    use crate::tree::tests::tree;

    #[track_caller]
    fn check(lib: &str, read: &str, expected: &[(&str, &str)]) {
        let tree = tree(&[
            ("crates/low/src/lib.rs", &format!("mod read; mod write; mod error;\n{lib}")),
            ("crates/low/src/read/mod.rs", "mod inner;"),
            ("crates/low/src/read/inner.rs", read),
            ("crates/low/src/write.rs", ""),
            ("crates/low/src/error.rs", ""),
        ]);
        let metadata = Metadata::parse(SAMPLE).expect("sample");
        let package = metadata.member("low").expect("member");
        let imports = Imports::of(&tree, &metadata, package).expect("parses");
        assert_eq!(imports.modules.iter().collect::<Vec<_>>(), ["error", "read", "write"]);
        let edges = imports.edges.iter().map(|((_, to), place)| (to.as_str(), place.as_str()));
        assert_eq!(edges.collect::<Vec<_>>(), expected, "{read}");
        assert!(imports.edges.keys().all(|(from, _)| from == "read"));
    }

    #[test]
    fn paths_lead_to_top_level_modules() {
        let place = |line| format!("crates/low/src/read/inner.rs:{line}");
        let (one, two) = (place(1), place(2));
        let write: &[_] = &[("write", one.as_str())];
        check("", "use crate::write::A;", write);
        check("", "use crate::{error, write::{A, b::*}};", &[("error", &one), write[0]]);
        check("", "use super::super::write::A;", write);
        check("", "use super::write::A; use self::write; use write::B;", &[]);
        check("", "\nfn f(a: crate::write::A) {}", &[("write", &two)]);
        check("", "\nm! { f(crate::write::A) }", &[("write", &two)]);
        check("", "mod m { use super::super::super::write::A; }", write);
        check("", "mod m { use super::super::write::A; }", &[]);
    }

    #[test]
    fn names_that_the_root_exports_lead_to_their_owners() {
        let place = "crates/low/src/read/inner.rs:1";
        check("pub use write::A;", "use crate::A;", &[("write", place)]);
        check("pub use write::A as B;", "use crate::B::new;", &[("write", place)]);
        check("pub use crate::write::a::{A, B};", "fn f(b: crate::B) {}", &[("write", place)]);
        check("pub mod t { pub use crate::write::A; }", "use crate::t::A;", &[("write", place)]);
        check("pub use other::A;", "use crate::A;", &[]);
    }

    #[test]
    fn tests_and_documentation_do_not_count() {
        let doc = "/// [`crate::write::A`]\nfn f() {}\n";
        check("", doc, &[]);
        check("", "#[cfg(test)]\nmod tests { use crate::write::A; }", &[]);
        check("", "#[cfg(test)]\nuse crate::write::A;", &[]);
        check("", "#[test]\nfn f() { crate::write::a() }", &[]);
    }
}
