//! The files of a site beside its package: the page of the first visit, the worker, the module.

use super::{FOLDER, PACKAGE, WORKER};
use crate::outcome::Failure;
use crate::output::shown;
use crate::web::WebFiles;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::Write;
use std::path::Path;

/// The settings that the files contain.
pub(super) struct Pages<'p> {
    /// Public keys, as texts.
    pub(super) keys: Vec<String>,
    /// Prefixes of the paths to keep for offline use.
    pub(super) precache: &'p [String],
    /// The path of the site on its host.
    pub(super) base: &'p str,
}

/// The options of the worker, as `crates/dacti-web/js/worker/serve.js` takes them.
#[derive(Serialize)]
struct Options<'o> {
    package: String,
    keys: &'o [String],
    precache: &'o [String],
    wasm: Module,
    tools: Module,
}

/// The modules of the reader, in the embedded files.
#[derive(Debug, Deserialize)]
struct Modules {
    wasm: Module,
    tools: Module,
}

/// A WebAssembly module: its name, and the digest that browsers check.
#[derive(Debug, Serialize, Deserialize)]
struct Module {
    url: String,
    integrity: String,
}

impl Pages<'_> {
    /// Writes the files into a folder: first the modules, then the worker, which names them, and
    /// the pages last.
    pub(super) fn write(&self, files: &WebFiles, out: &Path) -> Result<(), Failure> {
        let own = out.join(FOLDER);
        let text = files.text("site/modules.json")?;
        let mut modules: Modules = serde_json::from_str(&text).map_err(std::io::Error::other)?;
        for Module { url, .. } in [&mut modules.wasm, &mut modules.tools] {
            write(&own.join(&*url), &files.get(&format!("site/{url}"))?)?;
            *url = format!("{FOLDER}/{url}");
        }
        let Modules { wasm, tools } = modules;
        for name in ["boot.js", "boot.css"] {
            write(&own.join(name), &files.get(&format!("site/{name}"))?)?;
        }
        let package = format!("{FOLDER}/{PACKAGE}");
        let (keys, precache) = (&*self.keys, self.precache);
        let options = Options { package, keys, precache, wasm, tools };
        let options = serde_json::to_string(&options).map_err(std::io::Error::other)?;
        let worker = format!("{}\ndacti.serve({options});\n", files.text("site/worker.js")?);
        write(&out.join(WORKER), worker.as_bytes())?;
        let page = files.text("site/index.html")?;
        write(&out.join("index.html"), page.replace("{base}", "").as_bytes())?;
        write(&out.join("404.html"), page.replace("{base}", self.base).as_bytes())
    }
}

/// Writes a file, whole or not at all. A file with the same content keeps its modification time,
/// because deploys compare these times to find changes.
fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    if fs::read(path).is_ok_and(|found| found == content) {
        return Ok(());
    }
    let failed =
        |error: std::io::Error| Failure::Failed(format!("cannot write {}: {error}", shown(path)));
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".dacti-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A web server that runs as another user must read the file. The system applies the user's
        // umask.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(content).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
