//! `dacti publish`: a package in parts, in a bucket or a folder.

use crate::outcome::{Failure, Outcome};
use crate::output::{bytes, counted};
use crate::place::PublishArgs;
use crate::progress::Bar;
use crate::remote::Remote;
use crate::{Talk, interrupt, keys, output};
use clap::ValueEnum;
use dacti::publish::{Place, PublishOptions, Published, Standing, publish_whole, publish_with};
use dacti::{Limits, Package};
use serde::Serialize;
use std::path::PathBuf;
use uuid::Uuid;

/// Publish a package in parts: to a bucket, or to a folder that you serve or deploy.
///
/// The head, 64 KiB, gets the name of DEST and is the only object that ever changes. All other
/// bytes lie beside it in parts that never change, so caches may keep them for ever. The parts are
/// stored first and the head last: readers see the old package or the new one.
///
/// Regions that DEST lacks are checked against their seals first: a damaged region is refused.
///
/// If DEST holds an earlier state of PKG, only the bytes that it lacks are uploaded. If an upload
/// is interrupted, start it again within an hour: it then continues where it stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The package: a file, a head in parts, or a URL.
    #[arg(value_name = "PKG")]
    package: PathBuf,
    /// The place: a path, or a URL such as `s3://BUCKET/NAME` (or `gs://`, `az://`).
    #[arg(value_name = "DEST")]
    dest: PathBuf,
    /// The form: parts, or one object that each publication uploads and replaces as a whole.
    #[arg(long, value_enum, default_value = "parts")]
    form: Form,
    /// Replace the package at DEST even if PKG is not a later state of it. Updates that only DEST
    /// has are lost. With --form parts, the replaced head is archived.
    #[arg(long)]
    replace: bool,
    /// The folder of the parts, relative to the folder of DEST. By default, it is the name of DEST
    /// followed by `.parts/`.
    #[arg(long, value_name = "FOLDER/")]
    prefix: Option<String>,
    /// Sign the head with the private key in this file.
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// The UUID of the publisher's package to sign for. By default, the key file gives it.
    #[arg(long, value_name = "UUID", requires = "sign", value_parser = keys::package_id)]
    package_id: Option<Uuid>,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
    /// Let an unsigned head replace a signed one.
    #[arg(long, conflicts_with = "sign")]
    unsigned: bool,
    #[command(flatten)]
    publish: PublishArgs,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Parts,
    Whole,
}

#[derive(Debug, Serialize)]
struct Json {
    package: String,
    standing: &'static str,
    sequence: u64,
    entries: usize,
    bytes: u64,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let place = self.publish.place(&self.dest)?;
        let key = keys::signing(self.sign.as_deref(), self.package_id)?;
        let options = PublishOptions {
            prefix: self.prefix.clone(),
            replace: self.replace,
            ..self.publish.options(key, self.unsigned)
        };
        let (package, costs) = self.remote.open(&self.package, Limits::default(), false, talk)?;
        if self.form == Form::Whole {
            return self.whole(&package, &place, &options, talk);
        }
        interrupt::listen();
        let published = {
            let mut bar = Bar::bytes("uploading", 0, talk);
            let published = publish_with(&package, &place, &options, &mut |at| {
                bar.set(at.bytes, at.bytes_total);
                interrupt::go_on()
            });
            published.map_err(|error| Failure::with(&self.dest, &error))?
        };
        costs.tell(&self.remote);
        self.tell(&place, &published, talk)
    }

    /// Publishes the package as one object, and prints the cost of that form.
    fn whole(
        &self,
        package: &Package,
        place: &Place,
        options: &PublishOptions,
        talk: Talk,
    ) -> Result<Outcome, Failure> {
        if self.sign.is_some() || self.prefix.is_some() {
            let message = "--sign and --prefix are for packages in parts: run again without them, \
                           or with --form parts";
            return Err(Failure::Usage(message.into()));
        }
        let published = publish_whole(package, place, options);
        let published = published.map_err(|error| Failure::with(&self.dest, &error))?;
        if self.json {
            return self.tell(place, &published, talk);
        }
        if talk >= Talk::Normal {
            output::note(&format!(
                "{}: {} uploaded as one object; each publication uploads all bytes again; in \
                 parts, an update uploads only its new bytes and 64 KiB",
                place.shown(),
                bytes(published.bytes)
            ));
        }
        Ok(Outcome::Done)
    }

    fn tell(&self, place: &Place, published: &Published, talk: Talk) -> Result<Outcome, Failure> {
        if self.json {
            let json = json(place.shown(), published);
            output::json(&mut std::io::stdout().lock(), &json)?;
        } else if talk >= Talk::Normal {
            output::note(&text(&place.shown(), published));
        }
        Ok(Outcome::Done)
    }
}

fn text(place: &str, published: &Published) -> String {
    let Published { standing, sequence, entries, bytes: added } = *published;
    let list = counted(u64::try_from(entries).unwrap_or(u64::MAX), "part", "parts");
    match standing {
        Standing::Same => format!("{place} has this package already (version {sequence})"),
        Standing::First => format!("{place}: published, {} in {list}", bytes(added)),
        Standing::Continued => {
            format!("{place}: version {sequence}, {} added, {list} in all", bytes(added))
        }
        Standing::Replaced => {
            format!("{place}: published in place of another package, {} in {list}", bytes(added))
        }
    }
}

fn json(package: String, published: &Published) -> Json {
    Json {
        package,
        standing: match published.standing {
            Standing::First => "first",
            Standing::Continued => "continued",
            Standing::Same => "same",
            Standing::Replaced => "replaced",
        },
        sequence: published.sequence,
        entries: published.entries,
        bytes: published.bytes,
    }
}
