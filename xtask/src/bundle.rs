//! Joins ES modules into one classic script, because some browsers cannot start a service worker
//! from a module.
//!
//! Only modules of this project are joined, and they use a small part of the language. They import
//! names from relative paths, and export declarations. Every import and every export begins a line.

use crate::run::Result;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// Returns a script that defines the constant `name`. The constant is an object with the exports of
/// the module `entry`.
///
/// `read` returns the text of the module at a path.
pub fn bundle(
    name: &str,
    entry: &Path,
    read: &mut dyn FnMut(&Path) -> Result<String>,
) -> Result<String> {
    let mut bundle = Bundle { names: BTreeMap::new(), open: Vec::new(), script: String::new() };
    let exports = bundle.add(entry, read)?;
    let script = &bundle.script;
    Ok(format!("const {name} = (() => {{\n'use strict';\n{script}return {exports};\n}})();\n"))
}

struct Bundle {
    /// For each module, the name of the constant that holds its exports.
    names: BTreeMap<PathBuf, String>,
    /// The modules that are being added. Each of them imports the next one.
    open: Vec<PathBuf>,
    script: String,
}

impl Bundle {
    /// Adds a module, after adding the modules that it imports. Returns the name of the constant
    /// with its exports.
    fn add(
        &mut self,
        path: &Path,
        read: &mut dyn FnMut(&Path) -> Result<String>,
    ) -> Result<String> {
        if let Some(name) = self.names.get(path) {
            return Ok(name.clone());
        }
        if self.open.iter().any(|open| open == path) {
            return Err(format!("{}: imports itself through others", path.display()).into());
        }
        self.open.push(path.into());
        let text = read(path)?;
        let (mut body, mut exports) = (String::new(), Vec::<String>::new());
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let failed = |what: &str| Err(format!("{}: {what}: {line}", path.display()).into());
            if line.starts_with("import ") {
                let mut statement = line.to_owned();
                while !statement.ends_with(';') {
                    let Some(next) = lines.next() else { return failed("an import has no end") };
                    statement.push_str(next);
                }
                let Some((names, from)) = import(&statement) else {
                    return failed("only names of relative paths can be imported");
                };
                let from = relative(path, from)?;
                let constant = self.add(&from, read)?;
                let names = names.replace(" as ", ": ");
                body.push_str(&format!("const {{ {names} }} = {constant};\n"));
            } else if let Some(declaration) = line.strip_prefix("export ") {
                let mut declaration = declaration.to_owned();
                // A declaration of several constants may take several lines.
                while declaration.starts_with("const ") && declaration.ends_with(',') {
                    let Some(next) = lines.next() else { return failed("it has no end") };
                    declaration = format!("{declaration} {}", next.trim());
                }
                let Some(names) = declared(&declaration) else {
                    return failed("only declarations and lists of names can be exported");
                };
                exports.extend(names);
                if !declaration.starts_with('{') {
                    body.push_str(&format!("{declaration}\n"));
                }
            } else {
                body.push_str(&format!("{line}\n"));
            }
        }
        let body = body.replace("import.meta.url", "self.location.href");
        self.open.pop();
        let name = format!("module{}", self.names.len());
        let exports = exports.join(", ");
        self.script.push_str(&format!(
            "const {name} = (() => {{\n{body}return {{ {exports} }};\n}})();\n"
        ));
        self.names.insert(path.into(), name.clone());
        Ok(name)
    }
}

/// Reads a statement like `import { a, b as c } from "./x.js";`. Returns the names and the path.
fn import(statement: &str) -> Option<(&str, &str)> {
    let (names, rest) = statement.strip_prefix("import {")?.split_once('}')?;
    let path = rest.trim().strip_prefix("from \"")?.strip_suffix("\";")?;
    path.starts_with('.').then_some((names.trim().trim_end_matches(','), path))
}

/// Returns the names that an exported declaration defines, or the names in an exported list.
fn declared(declaration: &str) -> Option<Vec<String>> {
    if let Some(list) = declaration.strip_prefix('{') {
        let names = list.strip_suffix("};")?.split(',').map(str::trim);
        return names.map(|name| is_name(name).then(|| name.to_owned())).collect();
    }
    if let Some(constants) = declaration.strip_prefix("const ") {
        let declared = constants.split(", ").filter_map(|part| part.split_once(" = "));
        let names: Vec<_> = declared.map(|(name, _)| name.to_owned()).collect();
        return Some(names).filter(|names| !names.is_empty() && names.iter().all(|n| is_name(n)));
    }
    let rest = declaration.strip_prefix("async ").unwrap_or(declaration);
    let rest = ["function* ", "function ", "class "].iter().find_map(|w| rest.strip_prefix(w))?;
    let end = rest.find(|c: char| !is_name(c.encode_utf8(&mut [0; 4])))?;
    (end > 0).then(|| vec![rest[..end].to_owned()])
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$')
}

/// Returns the path of the module `to`, which the module `from` imports.
fn relative(from: &Path, to: &str) -> Result<PathBuf> {
    let mut path = from.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(to).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            Component::Normal(name) => path.push(name),
            _ => {
                let from = from.display();
                return Err(format!("{from}: imports {to}, which is outside the bundle").into());
            }
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::{bundle, declared};
    use std::path::Path;

    fn bundled(files: &[(&str, &str)]) -> Result<String, String> {
        let mut read = |path: &Path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| format!("no {path:?}").into())
        };
        bundle("all", Path::new("a/main.js"), &mut read).map_err(|error| error.to_string())
    }

    #[test]
    fn modules_come_after_those_that_they_import() {
        let files = [
            (
                "a/main.js",
                "import {\n  one,\n  two as deux,\n} from \"../lib.js\";\n\
                 import { x } from \"./x.js\";\nexport { x };\n\
                 export function main() { return one + deux + x; }\n",
            ),
            ("lib.js", "export const one = 1,\n  two = 2;\n"),
            (
                "a/x.js",
                "import { one } from \"../lib.js\";\nexport const x = import.meta.url + one;\n",
            ),
        ];
        let expected = "const all = (() => {\n'use strict';\n\
            const module0 = (() => {\nconst one = 1, two = 2;\nreturn { one, two };\n})();\n\
            const module1 = (() => {\nconst { one } = module0;\n\
            const x = self.location.href + one;\nreturn { x };\n})();\n\
            const module2 = (() => {\nconst { one,  two: deux } = module0;\n\
            const { x } = module1;\n\
            function main() { return one + deux + x; }\nreturn { x, main };\n})();\n\
            return module2;\n})();\n";
        assert_eq!(bundled(&files).unwrap(), expected);
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "import x from \"./x.js\";",
            "import { x } from \"x\";",
            "import { main } from \"./main.js\";",
            "import { x } from \"../../x.js\";",
            "export default 1;",
            "export { x as y };",
            "export * from \"./x.js\";",
            "import { x } from \"./x.js\"",
        ] {
            assert!(bundled(&[("a/main.js", text), ("a/x.js", "")]).is_err(), "{text}");
        }
    }

    #[test]
    fn declarations_have_names() {
        let names = |text| declared(text).map(|names| names.join(" "));
        assert_eq!(names("async function a1(b) {"), Some("a1".into()));
        assert_eq!(names("class B extends C {"), Some("B".into()));
        assert_eq!(names("const D = 1;"), Some("D".into()));
        assert_eq!(names("const E = {"), Some("E".into()));
        assert_eq!(names("{ a, b };"), Some("a b".into()));
        assert_eq!(names("function () {"), None);
        assert_eq!(names("default a;"), None);
    }
}
