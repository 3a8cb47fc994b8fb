//! Key files: the public keys that a reader trusts, and the private key that signs.
//!
//! This program refuses a private key that other users can read, as ssh does. Specification:
//! `docs/spec/dacti-seal.md`, "Key files".

use crate::outcome::Failure;
use crate::output::shown;
use dacti::Package;
use dacti::seal::{
    KEY_TEXT_LEN_MAX, KeyFault, KeyMisuse, KeySearch, PublicKey, SealPolicy, SecretKey,
};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// The public keys whose signatures a reader accepts.
#[derive(Debug, clap::Args)]
pub(crate) struct Trust {
    /// Accept only regions that are signed with the public key in this file, for the key's package.
    /// May be given several times: a signature by one of the keys is enough.
    #[arg(long = "key", value_name = "PUB")]
    keys: Vec<PathBuf>,
    /// The UUID of the publisher's package to accept. By default, the key file gives it.
    #[arg(long, value_name = "UUID", requires = "keys", value_parser = package_id)]
    package_id: Option<Uuid>,
}

impl Trust {
    /// Returns the package with a seal policy. If keys are given, the policy refuses regions that
    /// none of these keys has signed.
    pub(crate) fn applied(&self, package: Package) -> Result<Package, Failure> {
        if self.keys.is_empty() {
            return Ok(package);
        }
        let keys = self.keys.iter().map(|path| self.read(path)).collect::<Result<_, _>>()?;
        Ok(package.require(SealPolicy::Signature(keys)))
    }

    /// Returns the files of the keys.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.keys.iter().map(PathBuf::as_path)
    }

    /// Returns whether signatures are required.
    pub(crate) fn is_required(&self) -> bool {
        !self.keys.is_empty()
    }

    fn read(&self, path: &Path) -> Result<PublicKey, Failure> {
        let text = read_text(path, &open(path)?)?;
        let key = PublicKey::from_text(&text).map_err(|error| {
            if KeySearch::finds_in(text.as_bytes()) {
                let what = "is the private key: give the public one, which `dacti key show` prints";
                return Failure::Failed(format!("{}: {what}", shown(path)));
            }
            no_key(path, &error)
        })?;
        Ok(match self.package_id {
            Some(package) => key.for_package(package),
            None => key,
        })
    }
}

/// Reads a private key from a file that only its owner can read.
pub(crate) fn read_private(path: &Path) -> Result<SecretKey, Failure> {
    let file = open(path)?;
    let text = read_text(path, &file)?;
    let key = SecretKey::from_text(&text).map_err(|error| no_key(path, &error))?;
    check_owner_only(path, &file)?;
    Ok(key)
}

/// Reads the private key that a verb signs with. The key signs for `package`, or else for the
/// package in the file of the key. Returns `None` if the caller gave no key.
pub(crate) fn signing(
    path: Option<&Path>,
    package: Option<Uuid>,
) -> Result<Option<SecretKey>, Failure> {
    let key = path.map(read_private).transpose()?;
    Ok(match package {
        Some(package) => key.map(|key| key.for_package(package)),
        None => key,
    })
}

/// Reads the public part of a private or public key. Returns whether the key is private.
pub(crate) fn read_either(path: &Path) -> Result<(PublicKey, bool), Failure> {
    let file = open(path)?;
    let text = read_text(path, &file)?;
    match SecretKey::from_text(&text) {
        Ok(key) => {
            check_owner_only(path, &file)?;
            Ok((key.public(), true))
        }
        Err(KeyMisuse::KeyText(KeyFault::NotPrivate)) => {
            let key = PublicKey::from_text(&text).map_err(|error| no_key(path, &error))?;
            Ok((key, false))
        }
        Err(error) => Err(no_key(path, &error)),
    }
}

/// Reads the UUID of a publisher's package, with hyphens. Refuses the nil UUID, which means that
/// there is no package.
pub(crate) fn package_id(text: &str) -> Result<Uuid, String> {
    let hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
    Uuid::parse_str(text)
        .ok()
        .filter(|id| hyphenated && !id.is_nil())
        .ok_or_else(|| "expected a UUID with hyphens, and not the nil UUID".into())
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| cannot_read(path, &error))
}

/// Reads the text of a key file, up to the length of the longest valid text.
fn read_text(path: &Path, file: &File) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let len_max = u64::try_from(KEY_TEXT_LEN_MAX).unwrap_or(u64::MAX).saturating_add(1);
    file.take(len_max).read_to_end(&mut bytes).map_err(|error| cannot_read(path, &error))?;
    String::from_utf8(bytes)
        .map_err(|_| Failure::Failed(format!("{}: is not text, so it has no key", shown(path))))
}

/// Refuses a private key that other users may read. Checks only regular files, and only on Unix,
/// where a file has a mode.
fn check_owner_only(path: &Path, file: &File) -> Result<(), Failure> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Reads the mode of the open file, because the path may name another file by now.
        let found = file.metadata().map_err(|error| cannot_read(path, &error))?;
        let mode = found.permissions().mode() & 0o777;
        if found.is_file() && mode & 0o077 != 0 {
            let shown = shown(path);
            return Err(Failure::Failed(format!(
                "{shown}: is a private key with mode {mode:03o}, which gives other users rights to \
                 it: run `chmod 600 {shown}`, and make a new key if others may have read it"
            )));
        }
    }
    #[cfg(not(unix))]
    let _ = (path, file);
    Ok(())
}

fn no_key(path: &Path, error: &KeyMisuse) -> Failure {
    let fault = match error {
        KeyMisuse::KeyText(fault) => fault.to_string(),
        other => other.to_string(),
    };
    Failure::Failed(format!("{}: {fault}", shown(path)))
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("cannot read {}: {error}", shown(path)))
}

#[cfg(test)]
mod tests {
    use super::package_id;

    #[test]
    fn a_publishers_package_is_a_uuid_with_hyphens() {
        let id = "00112233-4455-6677-8899-aabbccddeeff";
        assert_eq!(package_id(id).map(|id| id.to_string()), Ok(id.into()));
        for wrong in ["", "x", "00000000-0000-0000-0000-000000000000", &id.replace('-', "")] {
            assert!(package_id(wrong).is_err(), "{wrong}");
        }
    }
}
