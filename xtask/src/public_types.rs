//! Finds other crates whose types or traits a public interface uses. It reads rustdoc's JSON.
//!
//! The JSON is unstable, and rustdoc writes it only if `RUSTC_BOOTSTRAP` is set. If other processes
//! got this variable, build scripts would react to it and all dependencies would be built again. So
//! xtask runs in place of rustdoc, and sets the variable only for the real rustdoc.

use crate::run::{Failure, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

/// This variable is set if xtask runs in place of rustdoc. Its value is the path of the real
/// rustdoc.
const RUSTDOC: &str = "XTASK_RUSTDOC";

/// The names of crates. For each crate, one item that uses it.
pub type Crates = BTreeMap<String, String>;

/// Changes a `cargo doc` command so that it writes JSON.
pub fn as_rustdoc(doc: &mut Command) -> &mut Command {
    let rustdoc = std::env::var_os("RUSTDOC").unwrap_or_else(|| "rustdoc".into());
    let own = std::env::current_exe().unwrap_or_default();
    doc.env("RUSTDOC", own).env(RUSTDOC, rustdoc);
    doc.env("RUSTDOCFLAGS", "-Zunstable-options --output-format=json")
}

/// Runs the real rustdoc, if xtask was started in place of rustdoc.
pub fn rustdoc() -> Option<ExitCode> {
    let rustdoc = std::env::var_os(RUSTDOC)?;
    let mut command = Command::new(rustdoc);
    let status = command.args(std::env::args_os().skip(1)).env("RUSTC_BOOTSTRAP", "1").status();
    Some(match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: cannot start rustdoc: {error}");
            ExitCode::FAILURE
        }
    })
}

/// Returns the crates that the items of a documented crate use. Leaves out the crate itself, and
/// the crates of the compiler.
pub fn crates(json: &str) -> Result<Crates> {
    let doc: Value = serde_json::from_str(json).map_err(|e| Failure::from(format!("JSON: {e}")))?;
    let mut found = Crates::new();
    let items = doc["index"].as_object().ok_or("the JSON of rustdoc has no index")?;
    for (id, item) in items.iter().filter(|(_, item)| item["crate_id"] == 0) {
        let implementation = &item["inner"]["impl"];
        // The authors of the crate did not write this implementation. It is made by the compiler,
        // or by a blanket implementation for every type.
        if implementation["is_synthetic"] == true || !implementation["blanket_impl"].is_null() {
            continue;
        }
        let place = place(&doc, id, item);
        walk(&doc, &item["inner"], &mut |name| {
            found.entry(name.to_owned()).or_insert_with(|| place.clone());
        });
    }
    Ok(found)
}

/// Calls `found` with the crate of each foreign item that a JSON value names, such as a type, a
/// trait or a re-export. Leaves out the standard library.
fn walk(doc: &Value, value: &Value, found: &mut dyn FnMut(&str)) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| walk(doc, value, found)),
        Value::Object(fields) => {
            let named = value["path"].is_string() || value["source"].is_string();
            if named && let Some(name) = crate_of(doc, &value["id"]) {
                found(name);
            }
            fields.values().for_each(|value| walk(doc, value, found));
        }
        _ => {}
    }
}

/// Returns the crate that has an item. Returns `None` for the documented crate and for the standard
/// library.
fn crate_of<'d>(doc: &'d Value, id: &Value) -> Option<&'d str> {
    let owner = &doc["paths"][id.as_u64()?.to_string()]["crate_id"];
    let name = doc["external_crates"][owner.as_u64()?.to_string()]["name"].as_str()?;
    (!["alloc", "core", "std"].contains(&name)).then_some(name)
}

fn place(doc: &Value, id: &str, item: &Value) -> String {
    let path = doc["paths"][id]["path"].as_array();
    let path = path.map(|path| path.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let file = item["span"]["filename"].as_str();
    let line = item["span"]["begin"][0].as_u64();
    let at = file.zip(line).map(|(file, line)| format!("{file}:{line}"));
    path.map(|path| path.join("::")).or(at).unwrap_or_else(|| format!("item {id}"))
}

#[cfg(test)]
mod tests {
    use super::crates;

    #[test]
    fn crates_of_types_and_traits_are_found() {
        let json = r#"{
            "index": {
                "1": {"crate_id": 0, "inner": {"function": {"sig": {"inputs":
                    [["a", {"resolved_path": {"path": "Uuid", "id": 7}}]]}}}},
                "2": {"crate_id": 0, "inner": {"impl": {"is_synthetic": false, "blanket_impl": null,
                    "trait": {"path": "Serialize", "id": 8}}}},
                "3": {"crate_id": 0, "inner": {"impl": {"is_synthetic": false,
                    "blanket_impl": {"generic": "T"}, "trait": {"path": "Any", "id": 9}}}},
                "4": {"crate_id": 0, "inner": {"use": {"source": "bytes::Bytes", "id": 10}}},
                "5": {"crate_id": 0, "inner": {"struct_field": {"resolved_path":
                    {"path": "Vec", "id": 11}}}},
                "6": {"crate_id": 5, "inner": {"struct_field": {"resolved_path":
                    {"path": "Any", "id": 9}}}}
            },
            "paths": {
                "1": {"crate_id": 0, "path": ["own", "f"]},
                "7": {"crate_id": 1}, "8": {"crate_id": 2}, "9": {"crate_id": 3},
                "10": {"crate_id": 4}, "11": {"crate_id": 5}
            },
            "external_crates": {"1": {"name": "uuid"}, "2": {"name": "serde_core"},
                "3": {"name": "either"}, "4": {"name": "bytes"}, "5": {"name": "alloc"}}
        }"#;
        let found = crates(json).expect("JSON");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["bytes", "serde_core", "uuid"]);
        assert_eq!(found["uuid"], "own::f");
        assert!(crates("{}").is_err());
    }
}
