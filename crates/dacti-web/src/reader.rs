//! An open package, and how it was opened.

use crate::Tools;
use crate::blob::Blob;
use crate::cache::HostCache;
use crate::json::Object;
use crate::network::Network;
use crate::outcome::described;
use crate::slot::Slots;
use dacti::fetch::{HttpOptions, Location, Remote, open_remote};
use dacti::seal::{PublicKey, SealPolicy};
use dacti::{
    AsyncPackage, Encoding, Error, ErrorKind, HEAD_LEN, Listed, Located, RegionName, Uuid,
};
use std::sync::Arc;

/// The place from which a package is read.
#[derive(Debug, Clone)]
enum Place {
    Url(String),
    /// The length of the host's blob.
    Blob(u64),
}

/// How a package is opened.
#[derive(Debug, Clone)]
pub(crate) struct Opening {
    /// The host's number for the package and its options.
    client: u32,
    place: Place,
    head_url: Option<String>,
    bytes_max: Option<u64>,
    /// The number of seconds after its expiry for which a head is accepted; `None` if the expiry is
    /// not checked.
    late_max: Option<u64>,
    /// The current time, in seconds since 1970.
    now: u64,
    is_cached: bool,
    keys: Vec<PublicKey>,
}

/// An open package.
#[derive(Debug)]
pub(crate) struct Reader {
    opening: Opening,
    pub(crate) package: AsyncPackage,
}

impl Opening {
    /// Reads the options, with a NUL between two of them: URL, URL of the head, budget in bytes,
    /// seconds after the expiry, current time, 1 if ranges are cached, length of a blob, and then
    /// the keys.
    pub(crate) fn parse(client: u32, text: &str, tools: &Tools) -> Result<Self, Error> {
        let mut fields = text.split('\0');
        let mut next = || fields.next().unwrap_or_default();
        let (url, head_url, bytes_max, late_max) = (next(), next(), next(), next());
        let (now, is_cached, blob_len) = (next(), next(), next());
        let number = |text: &str| text.parse::<u64>().ok();
        let place = number(blob_len).map_or_else(|| Place::Url(url.to_owned()), Place::Blob);
        let key = |text: &str| {
            PublicKey::from_text_checked_by(text, tools.checks_of).map_err(|fault| {
                let why = format!("{fault}: give the text that `dacti key show` prints");
                let (place, kind) = (Location::from("keys"), ErrorKind::Misuse);
                Error::Remote { place, kind, source: why.into() }
            })
        };
        Ok(Self {
            client,
            place,
            head_url: (!head_url.is_empty()).then(|| head_url.to_owned()),
            bytes_max: number(bytes_max),
            late_max: number(late_max),
            now: number(now).unwrap_or(0),
            is_cached: is_cached == "1",
            keys: fields.map(key).collect::<Result<_, _>>()?,
        })
    }

    /// Returns the same options at a later time.
    fn at(&self, now: u64) -> Self {
        Self { now, ..self.clone() }
    }

    /// Opens the transport of the file.
    pub(crate) async fn remote(&self, slots: &Arc<Slots>) -> Result<Arc<dyn Remote>, Error> {
        let url = match &self.place {
            Place::Url(url) => url,
            Place::Blob(len) => return Ok(Arc::new(Blob::open(slots, self.client, *len).await?)),
        };
        let mut options = HttpOptions { head_url: self.head_url.clone(), ..HttpOptions::default() };
        if let Some(max) = self.bytes_max {
            options.session.bytes_max = max;
        }
        if self.is_cached {
            let cache = HostCache { slots: Arc::clone(slots), client: self.client };
            options.part_cache = Some(Arc::new(cache));
        }
        let network = Arc::new(Network { slots: Arc::clone(slots), client: self.client });
        open_remote(network, url, &options).await
    }

    /// Opens the package.
    pub(crate) async fn open(self, slots: &Arc<Slots>) -> Result<Reader, Error> {
        let remote = self.remote(slots).await?;
        let (limits, open) = (HttpOptions::default().limits, slots.tools().open_brotli);
        let package = AsyncPackage::from_remote_decoded_by(remote, limits, open).await?;
        let package = self.trusted(package)?;
        Ok(Reader { opening: self, package })
    }

    /// Returns the package with the policy that the options ask for.
    fn trusted(&self, package: AsyncPackage) -> Result<AsyncPackage, Error> {
        let late_max = self.late_max.unwrap_or(0);
        let since = self.now.saturating_sub(late_max);
        let package = match self.late_max {
            Some(_) => package.unexpired(since)?,
            None => package,
        };
        if self.keys.is_empty() {
            return Ok(package);
        }
        Ok(package.require_at(SealPolicy::Signature(self.keys.clone()), since))
    }
}

impl Reader {
    /// Opens the package again. Returns the new state if it is later than this one and not a
    /// replay. Returns `None` for a blob.
    pub(crate) async fn refreshed(
        &self,
        slots: &Arc<Slots>,
        now: u64,
    ) -> Result<Option<Self>, Error> {
        if matches!(self.opening.place, Place::Blob(..)) {
            return Ok(None);
        }
        let fresh = self.opening.at(now).open(slots).await?;
        let is_later = fresh.package.is_later_than(&self.package);
        // A replayed head is an old head that the caller receives again. If it has another file id,
        // it would count as later. But the sequence of a publisher's package never falls, so a
        // lower sequence shows the replay.
        let is_replay = !self.opening.keys.is_empty() && fresh.sequence() < self.sequence();
        Ok((is_later && !is_replay).then_some(fresh))
    }

    fn sequence(&self) -> Option<u64> {
        self.package.view().parts().map(|parts| parts.region.sequence)
    }

    /// Returns the trusted key of the package. For a package in parts, it is the key that signed
    /// the head. For any other package, it is one of the keys that sign the regions.
    fn signer(&self) -> Option<String> {
        let view = self.package.view();
        let signs = |key: &&PublicKey| match view.parts() {
            Some(parts) => key.signed_head(&parts.region.digest.0, &parts.region.signature),
            None => view.seals().is_some_and(|seals| {
                seals.package == key.package() && seals.keys.contains(key.key())
            }),
        };
        self.opening.keys.iter().find(signs).map(|key| hex(key.key()))
    }

    /// Describes the package.
    pub(crate) fn described(&self, number: u32) -> String {
        let view = self.package.view();
        let id = view.layout().map(|layout| hex(&layout.file_id));
        let object = Object::new()
            .raw("package", number)
            .optional("id", id.as_deref())
            .number("sequence", self.sequence().unwrap_or(0))
            .number("length", view.len())
            .text("form", if view.parts().is_some() { "parts" } else { "whole" })
            .optional("signer", self.signer().as_deref());
        object.end()
    }

    /// Finds a region. If decoding the region needs tools, makes the host load them while the bytes
    /// are fetched.
    pub(crate) async fn located_region(
        &self,
        slots: &Arc<Slots>,
        name: &str,
    ) -> Result<Located, Error> {
        let located = self.package.locate(region_name(name)).await?;
        if located.encoding != Encoding::NONE {
            slots.want_tools();
            // If the bytes have to be fetched, the fetch waits for the tools. But the bytes of the
            // head are in memory, so for them this function waits.
            if located.span.end <= HEAD_LEN {
                slots.tools_if_wanted().await;
            }
        }
        Ok(located)
    }

    /// Reads a region, or a range of its content.
    pub(crate) async fn get(
        &self,
        slots: &Arc<Slots>,
        name: &str,
        range: Option<(u64, u64)>,
    ) -> Result<Vec<u8>, Error> {
        let located = self.located_region(slots, name).await?;
        let Some((start, end)) = range else { return self.package.get_at(located).await };
        let limit = start.saturating_add(self.package.limits().region_len_max);
        self.package.range_at(located, start..end.min(limit)).await
    }

    /// Reads many regions: see [`Verb::GetMany`](crate::Verb::GetMany).
    pub(crate) async fn get_many(&self, slots: &Arc<Slots>, text: &str) -> Result<Vec<u8>, Error> {
        let names: Vec<&str> = text.split('\0').collect();
        // Nearly every package has encoded regions. Regions in the head need no fetch that could
        // wait for the tools, so this function waits for the tools.
        slots.want_tools();
        slots.tools_if_wanted().await;
        let regions = self.package.get_many(names.iter().map(|name| region_name(name))).await;
        let mut out = Vec::new();
        for (name, region) in names.into_iter().zip(regions) {
            let (mark, bytes) = match region {
                Ok(bytes) => (0_u32, bytes),
                Err(error) => (1, described(&error, Some(name)).into_bytes()),
            };
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&mark.to_le_bytes());
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(&bytes);
        }
        Ok(out)
    }

    /// Finds a region, and describes its place.
    pub(crate) async fn located(&self, name: &str) -> Result<String, Error> {
        let found = self.package.find(region_name(name)).await?;
        Ok(found.map_or_else(|| "null".into(), |located| place(&located, name)))
    }

    /// Lists the regions whose paths begin with `prefix`. Regions without a path are listed only if
    /// the prefix is empty.
    pub(crate) async fn list(&self, slots: &Arc<Slots>, prefix: &str) -> Result<String, Error> {
        // The names list is usually encoded, so the tools are needed. They are awaited here,
        // because no fetch awaits them if the list lies in the head.
        slots.want_tools();
        slots.tools_if_wanted().await;
        let listed = self.package.list().await?;
        let mut text = String::from("[");
        for Listed { path, located, decoded_len, .. } in &listed {
            if !path.as_deref().unwrap_or_default().starts_with(prefix) {
                continue;
            }
            if text.len() > 1 {
                text.push(',');
            }
            let mut entry =
                Object::new().optional("path", path.as_deref()).text("id", &located.id.to_string());
            entry = match decoded_len {
                Some(len) => entry.number("size", *len),
                None => entry.raw("size", "null"),
            };
            let entry = entry
                .number("stored", located.span.len())
                .text("encoding", &located.encoding.to_string())
                .number("offset", located.span.start);
            text.push_str(&entry.end());
        }
        text.push(']');
        Ok(text)
    }
}

/// Returns the region name of a text: a UUID with hyphens is an id, all else is a path.
pub(crate) fn region_name(text: &str) -> RegionName<'_> {
    let id = (text.len() == 36).then(|| Uuid::parse_str(text).ok()).flatten();
    id.map_or(RegionName::Path(text), RegionName::Id)
}

fn place(located: &Located, path: &str) -> String {
    Object::new()
        .text("path", path)
        .text("id", &located.id.to_string())
        .number("offset", located.span.start)
        .number("length", located.span.len())
        .text("encoding", &located.encoding.to_string())
        .end()
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
