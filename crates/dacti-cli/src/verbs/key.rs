//! `dacti key`: makes and shows the keys of publishers.

use crate::outcome::{Failure, Outcome};
use crate::output::{self, shown};
use crate::{Talk, keys};
use dacti::seal::{PublicKey, SecretKey};
use daicon_core::Hex;
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Make and show the keys that sign packages and check signatures.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    New(New),
    Show(Show),
}

/// Make a new key: a private file, which only its owner can read, and a public one beside it.
///
/// The private file signs (`dacti pack --sign FILE`): keep it secret, and do not lose it. The
/// public file, FILE.pub, is for readers of the package (`dacti get --key FILE.pub`). Both files
/// name the publisher's package: one UUID for all versions of one package. Existing files are not
/// replaced.
#[derive(Debug, clap::Args)]
struct New {
    /// The private file. The name of the public file is this name and .pub.
    #[arg(long, short, value_name = "FILE", default_value = "dacti.key")]
    output: PathBuf,
    /// The publisher's package that the key is for; by default a new random UUID.
    #[arg(long, value_name = "UUID", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// Print one JSON object about the key.
    #[arg(long)]
    json: bool,
}

/// Print the public part of a key, from its private or its public file.
#[derive(Debug, clap::Args)]
struct Show {
    /// The private or the public file of the key.
    file: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Made<'m> {
    private: &'m Path,
    public: &'m Path,
    public_key: String,
    package_id: Uuid,
}

#[derive(Debug, Serialize)]
struct Shown {
    public_key: String,
    package_id: Uuid,
    private: bool,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        match self.verb {
            Verb::New(new) => new.run(talk),
            Verb::Show(show) => show.run(),
        }
    }
}

impl New {
    fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let private = &*self.output;
        let mut public = private.as_os_str().to_owned();
        public.push(".pub");
        let public = Path::new(&public);
        let key = new_key(self.package_id)?;
        write_both((private, &key), (public, &key.public()))?;
        let (public_key, package_id) = (hex(&key.public()), key.package());
        if self.json {
            let made = Made { private, public, public_key, package_id };
            output::json(&mut io::stdout().lock(), &made)?;
        } else if talk >= Talk::Normal {
            let (private, public) = (shown(private), shown(public));
            output::note(&format!("{private}: the private key: keep it secret"));
            output::note(&format!("{public}: the public key, for package {package_id}"));
        }
        Ok(Outcome::Done)
    }
}

impl Show {
    fn run(self) -> Result<Outcome, Failure> {
        let (key, private) = keys::read_either(&self.file)?;
        let mut out = output::stdout();
        if self.json {
            let (public_key, package_id) = (hex(&key), key.package());
            output::json(&mut out, &Shown { public_key, package_id, private })?;
        } else {
            out.write_all(key.to_text().as_bytes())?;
        }
        out.flush()?;
        Ok(Outcome::Done)
    }
}

/// Makes a key from the system's randomness.
fn new_key(package: Option<Uuid>) -> Result<SecretKey, Failure> {
    let failed = |error| Failure::Failed(format!("the system supplies no random bytes: {error}"));
    let (mut seed, mut random) = ([0; 32], [0; 16]);
    getrandom::fill(&mut seed).map_err(failed)?;
    getrandom::fill(&mut random).map_err(failed)?;
    let package = package.unwrap_or_else(|| uuid::Builder::from_random_bytes(random).into_uuid());
    Ok(SecretKey::from_seed(&seed, package))
}

/// Writes both files, or none. The public file is written first, so that a private file never lacks
/// its public file.
fn write_both(
    (private_at, private): (&Path, &SecretKey),
    (public_at, public): (&Path, &PublicKey),
) -> Result<(), Failure> {
    write_new(public_at, &public.to_text(), 0o666)?;
    write_new(private_at, &private.to_text(), 0o600).inspect_err(|_| {
        // The public file that was just written is useless without the private file.
        let _ = std::fs::remove_file(public_at);
    })
}

/// Creates a file, whole or not at all; fails if it exists. The file has `mode` from the start, so
/// that a private key is never readable by others.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let failed = |error: &io::Error| {
        let shown = shown(path);
        Failure::Failed(match error.kind() {
            io::ErrorKind::AlreadyExists => {
                format!("{shown} exists, and keys are not replaced: give another name with -o")
            }
            _ => format!("cannot write {shown}: {error}"),
        })
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    // If a run is killed, it leaves a file of this name. `pack` leaves such files out.
    builder.prefix(".dacti-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = mode;
    let temp = builder.tempfile_in(folder.unwrap_or(Path::new(".")));
    let mut temp = temp.map_err(|error| failed(&system_error(error)))?;
    temp.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    temp.as_file().sync_all().map_err(|error| failed(&error))?;
    temp.persist_noclobber(path).map_err(|error| failed(&error.error))?;
    Ok(())
}

/// Returns the system's error without the path of the temporary file. Users do not know that path,
/// and it may contain a secret from the path that the caller gave.
fn system_error(error: io::Error) -> io::Error {
    match error.to_string().split_once(" at path ") {
        Some((told, _)) => io::Error::new(error.kind(), told.to_owned()),
        None => error,
    }
}

fn hex(key: &PublicKey) -> String {
    Hex(key.key()).to_string()
}
