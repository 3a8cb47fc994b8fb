//! The files for browsers that are part of this program: the reader as WebAssembly, the service
//! worker, the first page of a site, and the inspector.
//!
//! `cargo xtask web --embed` builds these files and packs them into one package. The package is
//! committed, so a build of this program needs no WebAssembly toolchain.

use crate::outcome::Failure;
use dacti::Package;

static FILES: &[u8] = include_bytes!("../assets/web.dacti-pack");

/// The embedded files.
#[derive(Debug)]
pub(crate) struct WebFiles(Package);

impl WebFiles {
    pub(crate) fn open() -> Result<Self, Failure> {
        Package::from_bytes(FILES).map(Self).map_err(|error| broken(&error))
    }

    /// Returns the content of a file.
    pub(crate) fn get(&self, path: &str) -> Result<Vec<u8>, Failure> {
        self.0.get(path).map_err(|error| broken(&error))
    }

    /// Returns the content of a file that is text.
    pub(crate) fn text(&self, path: &str) -> Result<String, Failure> {
        let text = String::from_utf8(self.get(path)?);
        text.map_err(|_| Failure::Failed(format!("the embedded file {path} is not text")))
    }

    /// Returns the paths of all files below a folder, such as `module/`, without the folder.
    pub(crate) fn below(&self, folder: &str) -> Result<Vec<String>, Failure> {
        let listed = self.0.list().map_err(|error| broken(&error))?;
        let paths = listed.into_iter().filter_map(|region| region.path);
        Ok(paths.filter_map(|path| path.strip_prefix(folder).map(String::from)).collect())
    }
}

fn broken(error: &dacti::Error) -> Failure {
    Failure::Failed(format!("the browser files in this program cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::WebFiles;

    #[test]
    fn the_files_of_a_site_and_of_the_inspector_are_there() {
        let files = WebFiles::open().unwrap();
        for path in ["site/worker.js", "site/boot.js", "site/boot.css", "site/index.html"] {
            assert!(!files.text(path).unwrap().is_empty(), "{path}");
        }
        let module = files.below("module/").unwrap();
        assert!(module.iter().any(|path| path == "inspector/index.html"));
        assert!(module.iter().any(|path| path.strip_suffix(".wasm").is_some()));
    }
}
