//! `web --embed`: makes one package of the files for browsers that the program contains. The
//! package is committed, so users can build the program without a toolchain for WebAssembly.

use crate::bundle::bundle;
use crate::run::{Context, Result, judge, run};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The package, which is committed.
const ASSET: &str = "crates/dacti-cli/assets/web.dacti-pack";
/// The folder with the sources of the files for a site.
const SITE: &str = "crates/dacti-web/js/site";
/// The folder in which the files are collected before packing.
const FOLDER: &str = "target/web/embed";

/// The files of the npm package that the inspector loads. The inspector needs no `inspect.wasm`,
/// because the program makes the map.
const MODULE: &[&str] =
    &["codec.wasm", "dacti.js", "dacti.wasm", "engine.js", "error.js", "media.js"];

/// Collects the files, including the files of the npm package at `npm`, and packs them.
pub fn embed(context: &Context, npm: &Path) -> Result {
    let folder = lay_out(context, npm)?;
    let asset = context.root.join(ASSET);
    let mut pack = context.cargo(["run", "--quiet", "-p", "dacti-cli", "--", "pack"]);
    pack.args(["--layout", "compact", "--quality", "11"]).arg(folder).arg("-o").arg(asset);
    run(&mut pack)
}

/// Compares the committed package with the sources. The bytes of modules depend on the compiler, so
/// a different module is only reported. The browser tests use the committed modules.
pub fn check(context: &Context, npm: &Path) -> Result {
    let fresh = files(&lay_out(context, npm)?)?;
    let unpacked = context.root.join("target/web/embedded");
    let _ = fs::remove_dir_all(&unpacked);
    let mut unpack = context.cargo(["run", "--quiet", "-p", "dacti-cli", "--", "-q", "unpack"]);
    run(unpack.arg(context.root.join(ASSET)).arg("-C").arg(&unpacked))?;
    let committed = files(&unpacked)?;
    let is_other = |name: &str| fresh.get(name) != committed.get(name);
    if is_other("module/dacti.wasm") || is_other("module/codec.wasm") {
        eprintln!(
            "web: a module in {ASSET} was built from other sources or by another compiler; \
             before a release, run `cargo xtask web --embed`"
        );
    }
    judge(
        &format!("files that differ from {ASSET}; run `cargo xtask web --embed`"),
        &differing(&fresh, &committed),
    )
}

type Files = BTreeMap<String, Vec<u8>>;

/// Returns the names of the files that differ. Files whose bytes depend on the compiler are left
/// out.
fn differing(fresh: &Files, committed: &Files) -> Vec<String> {
    let depends = |name: &str| name.ends_with(".wasm") || name == "site/modules.json";
    let names = fresh.keys().chain(committed.keys().filter(|name| !fresh.contains_key(*name)));
    let differs = |name: &&String| !depends(name) && fresh.get(*name) != committed.get(*name);
    names.filter(differs).cloned().collect()
}

/// Collects the files in a folder: `site/` for `dacti site`, and `module/` for the inspector.
fn lay_out(context: &Context, npm: &Path) -> Result<PathBuf> {
    let folder = context.root.join(FOLDER);
    let _ = fs::remove_dir_all(&folder);
    for name in MODULE {
        write(&folder.join("module").join(name), &read(&npm.join(name))?)?;
    }
    for (name, bytes) in files(&npm.join("inspector"))? {
        write(&folder.join("module/inspector").join(name), &bytes)?;
    }
    for (name, bytes) in files(&context.root.join(SITE))? {
        write(&folder.join("site").join(name), &bytes)?;
    }
    let mut source = |path: &Path| {
        String::from_utf8(read(&npm.join(path))?)
            .map_err(|_| format!("{}: is not text", path.display()).into())
    };
    let worker = bundle("dacti", Path::new("worker/serve.js"), &mut source)?;
    write(&folder.join("site/worker.js"), worker.as_bytes())?;
    let modules = serde_json::json!({
        "wasm": add_module(&folder, npm, "dacti")?,
        "tools": add_module(&folder, npm, "codec")?,
    });
    write(&folder.join("site/modules.json"), modules.to_string().as_bytes())?;
    Ok(folder)
}

/// Adds a module to the folder. Its new name contains the first bytes of its digest. Returns the
/// name, and the digest in the form that browsers expect in `integrity`.
fn add_module(folder: &Path, npm: &Path, name: &str) -> Result<serde_json::Value> {
    let module = read(&npm.join(format!("{name}.wasm")))?;
    let digest = Sha256::digest(&module);
    let start: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let name = format!("{name}-{start}.wasm");
    write(&folder.join("site").join(&name), &module)?;
    let integrity = format!("sha256-{}", crate::web::base64(&digest));
    Ok(serde_json::json!({ "url": name, "integrity": integrity }))
}

/// Returns the contents of all files below a folder.
fn files(folder: &Path) -> Result<Files> {
    let mut found = Files::new();
    let entries = fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| failed(folder, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            let inner = files(&entry.path())?.into_iter();
            found.extend(inner.map(|(path, bytes)| (format!("{name}/{path}"), bytes)));
        } else {
            found.insert(name, read(&entry.path())?);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    Ok(fs::read(path).map_err(|error| failed(path, &error))?)
}

fn write(path: &Path, bytes: &[u8]) -> Result {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    Ok(fs::write(path, bytes).map_err(|error| failed(path, &error))?)
}

fn failed(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::{Files, differing};

    fn of(files: &[(&str, &str)]) -> Files {
        let file = |(name, text): &(&str, &str)| ((*name).to_owned(), text.as_bytes().to_vec());
        files.iter().map(file).collect()
    }

    #[test]
    fn only_the_module_may_differ() {
        let fresh =
            of(&[("a.js", "1"), ("b.js", "1"), ("m.wasm", "1"), ("site/modules.json", "1")]);
        let committed = of(&[("a.js", "1"), ("b.js", "2"), ("c.js", "1"), ("m.wasm", "2")]);
        assert_eq!(differing(&fresh, &committed), ["b.js", "c.js"]);
        assert_eq!(differing(&fresh, &fresh), [""; 0]);
    }
}
