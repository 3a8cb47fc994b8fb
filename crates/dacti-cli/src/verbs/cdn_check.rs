//! `dacti cdn-check`: whether a host and its caches will serve packages, and in which form.

mod scratch;

use crate::outcome::{Failure, Outcome};
use crate::{Talk, interrupt, output, remote};
use core::time::Duration;
use dacti::fetch::{HttpAsker, HttpOptions, Location};
use dacti::report::host::{
    HostFinding, HostSeen, HostVerdict, PublishedForm, judge, look, recommend,
};
use scratch::Scratch;
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

/// Check whether reading and updating a package will work on a host and its caches, and which form
/// and settings to use.
///
/// The command sends a few requests: for ranges, as readers do, and for answers that show how
/// caches work. The table has a verdict for each form: one file, which `dacti put` updates in
/// place, and parts. A row with a fault names the setting to change.
///
/// Nothing is written without --write. Exit code: 0 if the package can stay as it is, 3 if a
/// setting or the form should change.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to ask for: a package, or any other file. With --write, the URL of the scratch
    /// package.
    #[arg(value_name = "URL")]
    url: String,
    /// Check this URL of the same file, too: at a cache, or at another address. May be given
    /// several times.
    #[arg(long = "edge", value_name = "URL")]
    edges: Vec<String>,
    /// Publish a scratch package at DEST, update it, read it back through all URLs, and delete it.
    /// URL must serve DEST, and nothing may exist at DEST.
    #[arg(long, value_name = "DEST")]
    write: Option<PathBuf>,
    /// The maximum number of seconds until all URLs show an update.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, requires = "write")]
    patience: u32,
    /// A header field for each request, as `Name: value`. Only the servers of URL and --edge get
    /// it.
    #[arg(long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// Print one JSON object, which docs/json.md describes.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Json {
    url: String,
    served: &'static str,
    recommended: &'static str,
    findings: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    url: String,
    kind: &'static str,
    seen: String,
    one_file: &'static str,
    in_parts: &'static str,
    set: Option<String>,
}

impl Args {
    pub(crate) fn run(self, talk: Talk) -> Result<Outcome, Failure> {
        let urls: Vec<&str> =
            [&self.url].into_iter().chain(&self.edges).map(String::as_str).collect();
        let options = self.options()?;
        let asker = HttpAsker::new(&urls, &options).map_err(|error| failed(&error))?;
        interrupt::listen();
        let scratch = self.write.as_deref().map(|dest| Scratch::publish(dest, talk)).transpose()?;
        let looked = look_at_all(&asker, &urls);
        let (served, mut findings) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                scratch.map(Scratch::remove).transpose()?;
                return Err(error);
            }
        };
        if let Some(scratch) = scratch {
            let patience = Duration::from_secs(self.patience.into());
            let updated = scratch.update(&asker, &options, &urls, patience);
            scratch.remove()?;
            findings.extend(updated?);
        }
        let recommended = recommend(served, &findings);
        if self.json {
            let json = Json {
                url: Location::from(self.url.as_str()).to_string(),
                served: form(served),
                recommended: form(recommended),
                findings: findings.iter().map(Line::from).collect(),
            };
            output::json(&mut io::stdout().lock(), &json)?;
        } else {
            print(&findings)?;
            if talk >= Talk::Normal {
                output::note(&advice(served, recommended));
            }
        }
        let stays = match served {
            PublishedForm::Neither => recommended != PublishedForm::Neither,
            served => served == recommended,
        };
        Ok(Outcome::with_loss(!stays))
    }

    fn options(&self) -> Result<HttpOptions, Failure> {
        let headers = remote::headers(&self.headers)?;
        Ok(HttpOptions { headers, header_origins: self.edges.clone(), ..HttpOptions::default() })
    }
}

/// Sends requests to all URLs, and judges the answers.
fn look_at_all(
    asker: &HttpAsker,
    urls: &[&str],
) -> Result<(PublishedForm, Vec<HostFinding>), Failure> {
    let mut first: Option<HostSeen> = None;
    let mut findings = Vec::new();
    for url in urls {
        interrupt::check()?;
        let seen = look(asker, url, nonce()?).map_err(|error| failed(&error))?;
        findings.extend(judge(&seen, first.as_ref()));
        first = first.or(Some(seen));
    }
    let served = first.as_ref().map_or(PublishedForm::Neither, HostSeen::form);
    Ok((served, findings))
}

/// Returns a random number for a query. No cache has an answer for a URL with this query.
fn nonce() -> Result<u64, Failure> {
    getrandom::u64().map_err(|error| Failure::Failed(format!("no random numbers: {error}")))
}

fn failed(error: &dacti::Error) -> Failure {
    Failure::with("".as_ref(), error)
}

fn form(form: PublishedForm) -> &'static str {
    match form {
        PublishedForm::OneFile => "one file",
        PublishedForm::InParts => "in parts",
        PublishedForm::Neither => "neither",
    }
}

fn advice(served: PublishedForm, recommended: PublishedForm) -> String {
    match (served, recommended) {
        (PublishedForm::Neither, PublishedForm::InParts | PublishedForm::OneFile) => {
            format!("this is not a package; publish your package {}", with_preposition(recommended))
        }
        (_, PublishedForm::Neither) => {
            "no form works here until you repair the faults in the rows marked bad".into()
        }
        (served, recommended) if served == recommended => {
            format!("recommended: keep the present form ({})", form(recommended))
        }
        (_, recommended) => {
            format!("recommended: {} (`dacti publish`)", form(recommended))
        }
    }
}

fn with_preposition(form: PublishedForm) -> &'static str {
    if form == PublishedForm::OneFile { "as one file" } else { "in parts: `dacti publish`" }
}

fn print(findings: &[HostFinding]) -> Result<(), Failure> {
    let mut out = output::stdout();
    let mut place = None;
    for finding in findings {
        if place.replace(&finding.place) != Some(&finding.place) {
            writeln!(out, "{}", output::printable(&finding.place.to_string()))?;
            writeln!(out, "  {:<17} {:<8} {:<8} seen", "check", "one file", "in parts")?;
        }
        let HostFinding { check, one_file, in_parts, seen, set, .. } = finding;
        let [one_file, in_parts] = [one_file, in_parts].map(|verdict| verdict.name());
        let seen = output::printable(seen);
        writeln!(out, "  {:<17} {one_file:<8} {in_parts:<8} {seen}", check.name())?;
        if let Some(set) = set {
            writeln!(out, "  {:<17} to set:  {set}", "")?;
        }
    }
    out.flush()?;
    Ok(())
}

impl From<&HostFinding> for Line {
    fn from(finding: &HostFinding) -> Self {
        let HostFinding { place, check, seen, one_file, in_parts, set } = finding;
        let verdict = |verdict: &HostVerdict| verdict.name();
        Self {
            url: place.to_string(),
            kind: check.name(),
            seen: seen.clone(),
            one_file: verdict(one_file),
            in_parts: verdict(in_parts),
            set: set.clone(),
        }
    }
}
