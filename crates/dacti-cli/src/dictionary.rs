//! The dictionary that `--dictionary` chooses: a trained one, a file of strings, or the dictionary
//! of another package.

use crate::outcome::Failure;
use crate::output::shown;
use core::convert::Infallible;
use core::str::FromStr;
use dacti::Package;
use dacti::index::DICTIONARY_LEN_MAX;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The first bytes of every container.
const SIGNATURE: &[u8] = b"\xffdaicon0";

/// The value of `--dictionary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dictionary {
    Auto,
    None,
    File(PathBuf),
}

impl FromStr for Dictionary {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "none" => Self::None,
            path => Self::File(path.into()),
        })
    }
}

impl Dictionary {
    /// Returns the file from which the dictionary is read.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Auto | Self::None => None,
        }
    }

    /// Reads the dictionary from the file that the option names; `None` if it names no file.
    pub(crate) fn read(&self) -> Result<Option<Vec<u8>>, Failure> {
        let Some(path) = self.file() else { return Ok(None) };
        let failed = |error| Failure::Failed(format!("cannot read {}: {error}", shown(path)));
        let mut bytes = Vec::new();
        // This reads one byte more than allowed, to find out whether the file is too long.
        let file = File::open(path).map_err(failed)?;
        file.take(DICTIONARY_LEN_MAX.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if !bytes.starts_with(SIGNATURE) {
            return Ok(Some(bytes));
        }
        let read = Package::open(path).and_then(|package| package.read_dictionary());
        if let Some(dictionary) = read.map_err(|error| Failure::with(path, &error))? {
            Ok(Some(dictionary.to_vec()))
        } else {
            let message =
                format!("{}: the package has no dictionary: use --dictionary auto", shown(path));
            Err(Failure::Failed(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dictionary;

    #[test]
    fn a_dictionary_is_a_word_or_a_file() {
        assert_eq!("auto".parse(), Ok(Dictionary::Auto));
        assert_eq!("none".parse(), Ok(Dictionary::None));
        assert_eq!("./auto".parse(), Ok(Dictionary::File("./auto".into())));
    }
}
