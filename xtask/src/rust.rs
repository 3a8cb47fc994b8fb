//! Answers questions about Rust sources: which files are modules of a target, which lines are only
//! for tests, and how long functions are. It parses the source text, and does not expand macros.

use crate::run::{Failure, Result};
use crate::tree::{Tree, dir_of, join};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

pub fn parse(path: &str, text: &str) -> Result<syn::File> {
    syn::parse_file(text).map_err(|error| at(path, &error))
}

/// Returns the numbers of the lines with the keyword `unsafe`, counted from 1. Lines in macros and
/// attributes are included.
pub fn unsafe_lines(path: &str, text: &str) -> Result<Vec<usize>> {
    fn walk(tokens: TokenStream, lines: &mut Vec<usize>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => walk(group.stream(), lines),
                TokenTree::Ident(ident) if ident == "unsafe" => {
                    lines.push(ident.span().start().line);
                }
                _ => {}
            }
        }
    }
    let tokens = text.parse().map_err(|error| at(path, &syn::Error::from(error)))?;
    let mut lines = Vec::new();
    walk(tokens, &mut lines);
    Ok(lines)
}

fn at(path: &str, error: &syn::Error) -> Failure {
    format!("{path}:{}: {error}", error.span().start().line).into()
}

/// The files of one target or of several targets.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Modules {
    pub all: BTreeSet<String>,
    /// The files that are only compiled for tests.
    pub tests: BTreeSet<String>,
}

/// Starts at the root files of targets, and follows `mod name;`, `#[path]` and `include!`.
pub fn modules<'a>(tree: &Tree, roots: impl IntoIterator<Item = &'a str>) -> Result<Modules> {
    let mut open: Vec<Module> = roots.into_iter().map(Module::root).collect();
    let (mut shipped, mut tests) = (BTreeSet::new(), BTreeSet::new());
    while let Some(module) = open.pop() {
        let Some(text) = tree.text(&module.path) else { continue };
        let seen = if module.test { &mut tests } else { &mut shipped };
        if !seen.insert(module.path.clone()) {
            continue;
        }
        let file = parse(&module.path, &text)?;
        let test = module.test || file.attrs.iter().any(is_cfg_test);
        let mut finder = Children {
            tree,
            own: &module,
            dir: module.dir.clone(),
            inline: false,
            test,
            found: vec![],
        };
        finder.visit_file(&file);
        open.append(&mut finder.found);
    }
    let all = shipped.union(&tests).cloned().collect();
    tests.retain(|path| !shipped.contains(path));
    Ok(Modules { all, tests })
}

#[derive(Debug)]
struct Module {
    path: String,
    /// The folder of the modules inside this module.
    dir: String,
    test: bool,
}

impl Module {
    fn root(path: &str) -> Self {
        Self { path: path.to_owned(), dir: dir_of(path).to_owned(), test: false }
    }
}

struct Children<'t> {
    tree: &'t Tree,
    own: &'t Module,
    dir: String,
    inline: bool,
    test: bool,
    found: Vec<Module>,
}

impl Children<'_> {
    fn external(&mut self, item: &syn::ItemMod) {
        let name = unraw(&item.ident);
        let test = self.test;
        let (path, dir) = if let Some(given) = path_attr(item) {
            let base = if self.inline { &self.dir } else { dir_of(&self.own.path) };
            let path = join(base, &given);
            let dir = dir_of(&path).to_owned();
            (path, dir)
        } else {
            let flat = join(&self.dir, &format!("{name}.rs"));
            let nested = join(&self.dir, &format!("{name}/mod.rs"));
            (if self.tree.has(&flat) { flat } else { nested }, join(&self.dir, &name))
        };
        self.found.push(Module { path, dir, test });
    }
}

impl<'ast> Visit<'ast> for Children<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let before = (self.dir.clone(), self.inline, self.test);
        self.test |= item.attrs.iter().any(is_cfg_test);
        if item.content.is_none() {
            self.external(item);
        } else {
            let name = path_attr(item).unwrap_or_else(|| unraw(&item.ident));
            self.dir = join(&self.dir, &name);
            self.inline = true;
            visit::visit_item_mod(self, item);
        }
        (self.dir, self.inline, self.test) = before;
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.is_ident("include")
            && let Ok(name) = call.parse_body::<syn::LitStr>()
        {
            let path = join(dir_of(&self.own.path), &name.value());
            self.found.push(Module { path, dir: self.dir.clone(), test: self.test });
        }
    }
}

/// Returns an identifier without its prefix `r#`.
pub fn unraw(ident: &syn::Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").unwrap_or(&name).to_owned()
}

fn path_attr(item: &syn::ItemMod) -> Option<String> {
    item.attrs.iter().filter(|attr| attr.path().is_ident("path")).find_map(|attr| {
        let value = &attr.meta.require_name_value().ok()?.value;
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(name), .. }) = value else {
            return None;
        };
        Some(name.value())
    })
}

/// Returns whether an attribute is `#[cfg(test)]`, or has `test` inside `all(..)`.
fn is_cfg_test(attr: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attr.meta else { return false };
    let words = words(list.tokens.clone());
    list.path.is_ident("cfg")
        && words.iter().any(|word| word == "test")
        && !words.iter().any(|word| word == "not" || word == "any")
}

/// Returns whether an item is only compiled for tests.
pub fn is_for_tests(item: &syn::Item) -> bool {
    use syn::Item as I;
    let attrs = match item {
        I::Const(syn::ItemConst { attrs, .. })
        | I::Enum(syn::ItemEnum { attrs, .. })
        | I::Fn(syn::ItemFn { attrs, .. })
        | I::Impl(syn::ItemImpl { attrs, .. })
        | I::Macro(syn::ItemMacro { attrs, .. })
        | I::Mod(syn::ItemMod { attrs, .. })
        | I::Static(syn::ItemStatic { attrs, .. })
        | I::Struct(syn::ItemStruct { attrs, .. })
        | I::Trait(syn::ItemTrait { attrs, .. })
        | I::Type(syn::ItemType { attrs, .. })
        | I::Use(syn::ItemUse { attrs, .. }) => attrs,
        _ => return false,
    };
    attrs.iter().any(|attr| is_cfg_test(attr) || is_named(attr, "test"))
}

fn words(tokens: TokenStream) -> Vec<String> {
    let words = tokens.into_iter().flat_map(|token| match token {
        TokenTree::Group(group) => words(group.stream()),
        TokenTree::Ident(ident) => vec![ident.to_string()],
        _ => vec![],
    });
    words.collect()
}

/// Returns whether the path of an attribute ends with `name`. So `#[test]` and `#[tokio::test]` are
/// both named `test`.
fn is_named(attr: &syn::Attribute, name: &str) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == name)
}

/// Returns the lines of a file that are only compiled for tests.
pub fn test_lines(file: &syn::File) -> Vec<RangeInclusive<usize>> {
    struct Finder(Vec<RangeInclusive<usize>>);
    impl Finder {
        fn note(&mut self, attrs: &[syn::Attribute], item: &impl Spanned) -> bool {
            let test = attrs.iter().any(|attr| is_cfg_test(attr) || is_named(attr, "test"));
            if test {
                self.0.push(item.span().start().line..=item.span().end().line);
            }
            test
        }
    }
    impl<'ast> Visit<'ast> for Finder {
        fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
            if !self.note(&item.attrs, item) {
                visit::visit_item_mod(self, item);
            }
        }
        fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
            self.note(&item.attrs, item);
        }
        fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
            self.note(&item.attrs, item);
        }
    }
    let mut finder = Finder(Vec::new());
    finder.visit_file(file);
    finder.0
}

/// A function: its name and its lines, from the line of `fn` to the closing brace.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// Returns all functions that have a body. Functions in macros are not found.
pub fn functions(file: &syn::File) -> Vec<Function> {
    struct Finder(Vec<Function>);
    impl Finder {
        fn note(&mut self, signature: &syn::Signature, body: &syn::Block) {
            let line = signature.span().start().line;
            let lines = body.span().end().line - line + 1;
            self.0.push(Function { name: signature.ident.to_string(), line, lines });
        }
    }
    impl<'ast> Visit<'ast> for Finder {
        fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
            self.note(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
        fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
            self.note(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
        fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
            if let Some(body) = &item.default {
                self.note(&item.sig, body);
            }
            visit::visit_trait_item_fn(self, item);
        }
    }
    let mut finder = Finder(Vec::new());
    finder.visit_file(file);
    finder.0
}

/// Returns the attributes that have one of these names: the number of the line, and the name.
pub fn attributes(file: &syn::File, names: &[&'static str]) -> Vec<(usize, &'static str)> {
    struct Finder<'n>(&'n [&'static str], Vec<(usize, &'static str)>);
    impl<'ast> Visit<'ast> for Finder<'_> {
        fn visit_attribute(&mut self, attr: &'ast syn::Attribute) {
            let found = self.0.iter().find(|name| is_named(attr, name));
            self.1.extend(found.map(|&name| (attr.span().start().line, name)));
        }
    }
    let mut finder = Finder(names, Vec::new());
    finder.visit_file(file);
    finder.1
}

/// Returns whether the file has `#![no_std]` without a condition.
pub fn is_no_std(file: &syn::File) -> bool {
    file.attrs.iter().any(|attr| attr.path().is_ident("no_std"))
}

#[cfg(test)]
mod tests {
    use super::{
        Function, attributes, functions, is_no_std, modules, parse, test_lines, unsafe_lines,
    };
    use crate::tree::tests::tree;

    fn file(text: &str) -> syn::File {
        parse("x.rs", text).expect("valid")
    }

    #[test]
    fn modules_are_followed_as_the_compiler_does() {
        let tree = tree(&[
            ("p/src/lib.rs", "mod a; mod b { mod c; #[path = \"x.rs\"] mod d; } mod r#gen;"),
            ("p/src/a.rs", "mod deep; include!(\"table.in.rs\"); #[path = \"odd.rs\"] mod o;"),
            ("p/src/a/deep.rs", ""),
            ("p/src/table.in.rs", ""),
            ("p/src/odd.rs", "mod child;"),
            ("p/src/child.rs", ""),
            ("p/src/b/c/mod.rs", "mod e;"),
            ("p/src/b/c/e.rs", ""),
            ("p/src/b/x.rs", ""),
            ("p/src/gen.rs", ""),
            ("p/src/deep.rs", "never named"),
            ("p/src/a/odd.rs", "never named"),
        ]);
        let found = modules(&tree, ["p/src/lib.rs"]).expect("parses");
        let expected = [
            "p/src/a.rs",
            "p/src/a/deep.rs",
            "p/src/b/c/e.rs",
            "p/src/b/c/mod.rs",
            "p/src/b/x.rs",
            "p/src/child.rs",
            "p/src/gen.rs",
            "p/src/lib.rs",
            "p/src/odd.rs",
            "p/src/table.in.rs",
        ];
        assert!(found.all.iter().eq(expected), "{:?}", found.all);
        assert!(found.tests.is_empty());
    }

    #[test]
    fn modules_for_tests_alone_are_known() {
        let tree = tree(&[
            (
                "lib.rs",
                "#[cfg(test)] mod t; #[cfg(all(test, unix))] mod u; #[cfg(not(test))] mod n;
                mod both; #[cfg(test)] mod again { #[path = \"../both.rs\"] mod both; }",
            ),
            ("t.rs", "mod below;"),
            ("t/below.rs", ""),
            ("u.rs", ""),
            ("n.rs", ""),
            ("both.rs", ""),
        ]);
        let found = modules(&tree, ["lib.rs"]).expect("parses");
        assert!(found.all.len() == 6, "{found:?}");
        assert!(found.tests.iter().eq(["t.rs", "t/below.rs", "u.rs"]), "{found:?}");
    }

    #[test]
    fn a_module_that_names_itself_ends_the_walk() {
        let tree = tree(&[("lib.rs", "#[path = \"lib.rs\"] mod again;")]);
        assert!(modules(&tree, ["lib.rs"]).expect("parses").all.iter().eq(["lib.rs"]));
    }

    #[test]
    fn test_lines_are_those_of_test_items() {
        let text = "fn a() {}\n/// doc\n#[cfg(test)]\nmod tests {\n}\nfn b() {}\n\
            #[test]\nfn c() {\n}\n#[cfg(not(test))]\nfn d() {}\n\
            mod e {\n  #[cfg(test)]\n  p! {\n  }\n}\n";
        assert_eq!(test_lines(&file(text)), [2..=5, 7..=9, 13..=15]);
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let text = "/// doc\n#[inline]\npub fn a(\n) {\n}\nimpl T {\n fn b() { fn c() {\n } }\n}\n\
            trait U { fn d(); fn e() {} }\n";
        let found = functions(&file(text));
        let function = |name: &str, line, lines| Function { name: name.to_owned(), line, lines };
        let expected =
            [function("a", 3, 3), function("b", 7, 2), function("c", 7, 2), function("e", 10, 1)];
        assert_eq!(found, expected);
    }

    #[test]
    fn unsafe_is_found_in_macros_but_not_in_words_or_texts() {
        let text = "#![forbid(unsafe_code)]\n// unsafe\nconst A: &str = \"unsafe\";\n\
            m! { (unsafe) }\nfn f() { unsafe { g() } }\n";
        assert_eq!(unsafe_lines("x.rs", text), Ok(vec![4, 5]));
        let broken = unsafe_lines("x.rs", "fn f() {\n)").expect_err("unbalanced").to_string();
        assert!(broken.starts_with("x.rs:2: "), "{broken}");
    }

    #[test]
    fn attributes_are_found_by_name() {
        let text =
            "#![allow(x)]\n#[test]\n#[ignore = \"why\"]\nfn f() { #[allow(y)] let z = 1; }\n";
        assert_eq!(
            attributes(&file(text), &["ignore", "allow"]),
            [(1, "allow"), (3, "ignore"), (4, "allow")]
        );
        assert!(is_no_std(&file("//! doc\n#![no_std]\n")));
        assert!(!is_no_std(&file("#![cfg_attr(not(test), no_std)]\n")));
    }
}
