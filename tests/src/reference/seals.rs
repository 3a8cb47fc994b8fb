//! Seals: the verdict on a region under each seal policy, and key files.
//!
//! It follows `docs/spec/dacti-seal.md`. A crate outside this project computes Ed25519.

use super::{
    Container, EntrySeen, Fault, Id, Index, SEAL, dictionary, fault, id, id_at, region, seal_after,
    stored_span, swap, text, u32_at,
};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use std::fmt::Write as _;

/// A function that returns the BLAKE3 hash of bytes.
pub type Hash<'h> = &'h dyn Fn(&[u8]) -> [u8; 32];

/// The content of a seal component.
#[derive(Clone, Debug)]
pub struct Seals {
    /// The length of a seal: 32 bytes for kinds 1 and 3, 96 bytes for kinds 2 and 4.
    pub seal_len: u64,
    /// The maximum number of seals after stored bytes.
    pub seals_max: u64,
    /// The publisher's package.
    pub package: Id,
    /// The public keys.
    pub keys: Vec<[u8; 32]>,
    /// The component's bytes. The last 32 are its digest.
    pub bytes: Vec<u8>,
}

/// Reads a container's seal component. Returns `None` if the container has none.
///
/// # Errors
/// The first fault of the component.
#[must_use]
pub fn read_component(
    file: &[u8],
    container: &Container,
    hash: Hash<'_>,
) -> Option<Result<Seals, Fault>> {
    let named = |found: &&super::Found| found.id == SEAL && (found.major, found.minor) == (0, 1);
    let found = container.components.iter().find(named)?;
    Some(region(found, file.len() as u64).and_then(|(at, len)| {
        // The offset of an empty region may lie anywhere, even outside the file.
        let bytes = if len == 0 { &[] } else { &file[at as usize..(at + len) as usize] };
        component_at(bytes, at, hash)
    }))
}

fn component_at(bytes: &[u8], at: u64, hash: Hash<'_>) -> Result<Seals, Fault> {
    if bytes.len() < 32 {
        return fault("truncated", "seal component", at);
    }
    if u32_at(bytes, 0) != 0 {
        return fault("unsupported", "seal component", at);
    }
    let count = u32_at(bytes, 24) as usize;
    if count > 64 {
        return fault("limit", "seal component", at);
    }
    let digested = 32 + 32 * count;
    if bytes.len() < digested + 32 {
        return fault("truncated", "seal component", at);
    }
    let digest = hash(&[b"dacti-seal component v0", &bytes[..digested]].concat());
    if bytes[digested..digested + 32] != digest {
        return fault("corrupt", "seal component", at);
    }
    let (seal_len, is_shared) = match u32_at(bytes, 4) {
        1 => (32, false),
        2 => (96, false),
        3 => (32, true),
        4 => (96, true),
        _ => return fault("unsupported", "seal component", at),
    };
    let seals_max = match u64::from(u32_at(bytes, 28)) {
        _ if !is_shared => 1,
        17.. => return fault("limit", "seal component", at),
        stated => stated.max(1),
    };
    let keys = bytes[32..digested].chunks(32).map(|key| key.try_into().expect("32 bytes"));
    let bytes = bytes[..digested + 32].to_vec();
    Ok(Seals { seal_len, seals_max, package: id_at(&bytes, 8), keys: keys.collect(), bytes })
}

impl Seals {
    /// Returns the seals after stored bytes that end at `at`, each with its position. The first
    /// seal must lie in the file. Further seals are left out if the file ends before their end.
    ///
    /// # Errors
    /// If the first seal exceeds the end of the file or the last possible position of a file.
    pub fn after<'f>(&self, file: &'f [u8], at: u64) -> Result<Vec<(u64, &'f [u8])>, Fault> {
        let len = file.len() as u64;
        match at.checked_add(self.seal_len) {
            None => return fault("corrupt", "seal", at),
            Some(end) if end > len => return fault("truncated", "seal", at),
            Some(_) => {}
        }
        let starts = (0..self.seals_max).map(|n| at + n * self.seal_len);
        let whole = starts.take_while(|start| start + self.seal_len <= len);
        let seal = |start: u64| (start, &file[start as usize..(start + self.seal_len) as usize]);
        Ok(whole.map(seal).collect())
    }

    /// Returns the seal with this digest, if it follows the stored bytes that end at `at`.
    ///
    /// # Errors
    /// The faults of [`after`](Self::after).
    pub fn find<'f>(
        &self,
        file: &'f [u8],
        at: u64,
        digest: &[u8; 32],
    ) -> Result<Option<(u64, &'f [u8])>, Fault> {
        Ok(self.after(file, at)?.into_iter().find(|(_, seal)| seal[..32] == *digest))
    }
}

/// Changes a seal component's region, so that it allows shared stored bytes with at most
/// `seals_max` seals.
#[must_use]
pub fn shared_component(mut region: Vec<u8>, seals_max: u32, hash: Hash<'_>) -> Vec<u8> {
    let digested = region.len() - 32;
    region[4] += 2;
    region[28..32].copy_from_slice(&seals_max.to_le_bytes());
    let digest = hash(&[b"dacti-seal component v0", &region[..digested]].concat());
    region[digested..].copy_from_slice(&digest);
    region
}

/// A signer in the fixtures.
#[derive(Clone, Copy, Debug)]
pub struct Publisher {
    /// The seed of the private key, in the sense of RFC 8032.
    pub seed: [u8; 32],
    /// The publisher's package.
    pub package: Id,
}

/// The publisher of the specification's example. The seed has the bytes 0 to 31.
pub const EXAMPLE: Publisher =
    Publisher { seed: counted(0), package: id("00112233-4455-6677-8899-aabbccddeeff") };
/// A publisher with another key for the same publisher's package.
pub const STRANGER: Publisher = Publisher { seed: counted(32), ..EXAMPLE };
/// A publisher with the example's key for another publisher's package.
pub const ELSEWHERE: Publisher =
    Publisher { package: id("ffeeddcc-bbaa-9988-7766-554433221100"), ..EXAMPLE };

const fn counted(first: u8) -> [u8; 32] {
    let mut out = [0; 32];
    let mut i = 0;
    while i < 32 {
        out[i] = first + i as u8;
        i += 1;
    }
    out
}

impl Publisher {
    /// Returns the public key.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        SigningKey::from_bytes(&self.seed).verifying_key().to_bytes()
    }

    /// Signs the digest of a region for the publisher's package.
    #[must_use]
    pub fn sign(&self, digest: &[u8; 32]) -> [u8; 64] {
        SigningKey::from_bytes(&self.seed).sign(&message(self.package, digest)).to_bytes()
    }

    /// Returns the signature of the head that has this digest.
    #[must_use]
    pub fn sign_head(&self, digest: &[u8; 32]) -> [u8; 64] {
        SigningKey::from_bytes(&self.seed).sign(&self.head_message(digest)).to_bytes()
    }

    /// Returns whether `signature` is this publisher's signature of the head that has this digest.
    #[must_use]
    pub fn signed_head(&self, digest: &[u8; 32], signature: &[u8]) -> bool {
        let key = SigningKey::from_bytes(&self.seed).verifying_key();
        let signature = signature.try_into().map(|bytes: [u8; 64]| Signature::from_bytes(&bytes));
        signature.is_ok_and(|found| key.verify_strict(&self.head_message(digest), &found).is_ok())
    }

    fn head_message(&self, digest: &[u8; 32]) -> Vec<u8> {
        [&b"dacti-head signature v0"[..], &swap(self.package), digest].concat()
    }
}

fn message(package: Id, digest: &[u8; 32]) -> Vec<u8> {
    [&b"dacti-seal signature v0"[..], &swap(package), digest].concat()
}

fn signed(key: &[u8; 32], package: Id, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    VerifyingKey::from_bytes(key).is_ok_and(|key| {
        !key.is_weak() && key.verify_strict(&message(package, digest), &signature).is_ok()
    })
}

/// Returns the region of a seal component of kind 2.
#[must_use]
pub fn signed_component(package: Id, keys: &[[u8; 32]], hash: Hash<'_>) -> Vec<u8> {
    let mut out = vec![0, 0, 0, 0, 2, 0, 0, 0];
    out.extend(swap(package));
    out.extend((keys.len() as u32).to_le_bytes());
    out.extend([0; 4]);
    out.extend(keys.concat());
    let digest = hash(&[b"dacti-seal component v0", &out[..]].concat());
    out.extend(digest);
    out
}

/// A seal policy: the requirement of a reader.
#[derive(Clone, Copy, Debug)]
pub enum Policy<'t> {
    /// The reader requires nothing.
    Nothing,
    /// The reader requires a digest.
    Digest,
    /// The reader requires a signature by one of these publishers.
    Signature(&'t [Publisher]),
}

/// The reason why a region is refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The fault.
    pub fault: Fault,
    /// The name of the case. One fault can have several cases.
    pub case: &'static str,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.case {
            "" => self.fault.fmt(f),
            case => write!(f, "{} ({case})", self.fault),
        }
    }
}

fn refused<T>(
    kind: &'static str,
    what: &'static str,
    at: u64,
    case: &'static str,
) -> Result<T, Refused> {
    Err(Refused { fault: Fault { kind, what, at }, case })
}

fn plain(fault: Fault) -> Refused {
    Refused { fault, case: "" }
}

/// Judges the region that an entry names.
///
/// # Errors
/// The first check that fails, in the order of the specification.
pub fn judge(
    file: &[u8],
    container: &Container,
    index: &Index,
    entry: &EntrySeen,
    policy: Policy<'_>,
    hash: Hash<'_>,
) -> Result<(), Refused> {
    let len = file.len() as u64;
    let (component, trusted) = match policy {
        Policy::Nothing => {
            return stored_span(entry, len).map(|_| ()).map_err(plain);
        }
        Policy::Digest => (read_component(file, container, hash), None),
        Policy::Signature(trusted) => (read_component(file, container, hash), Some(trusted)),
    };
    // Some refusals precede the check of the region's place. They state its start without checking
    // it.
    let start = entry.base.wrapping_add(u64::from(entry.offset));
    let Some(component) = component else {
        let case = if trusted.is_some() { "unsigned" } else { "unsealed" };
        return refused("denied", "stored region", start, case);
    };
    let seals = component.map_err(plain)?;
    if trusted.is_some() && seals.seal_len == 32 {
        return refused("denied", "stored region", start, "unsigned");
    }
    let (start, size) = stored_span(entry, len).map_err(plain)?;
    let seal_at = start + size;
    let after = seals.after(file, seal_at).map_err(plain)?;
    let stored = &file[start as usize..seal_at as usize];
    let dictionary = match dictionary::read(file, container) {
        _ if entry.encoding != dictionary::BROD => None,
        None => return refused("unsupported", "stored region", start, ""),
        Some(read) => Some(read.map_err(plain)?),
    };
    let seal = |id| seal_after(id, entry.encoding, stored, dictionary.as_deref(), hash);
    let digest = seal(entry.id);
    let Some((seal_at, bytes)) = after.iter().find(|(_, bytes)| bytes[..32] == digest) else {
        let fits = |id: &Id| after.iter().any(|(_, bytes)| bytes[..32] == seal(*id));
        let swapped = index.regions().keys().any(fits);
        let case = if swapped { "swapped" } else { "" };
        return refused("corrupt", "stored region", start, case);
    };
    let Some(trusted) = trusted else { return Ok(()) };
    let signature: [u8; 64] = bytes[32..].try_into().expect("64 bytes");
    if signature == [0; 64] {
        return refused("denied", "stored region", start, "unsigned");
    }
    let (own, other): (Vec<&Publisher>, Vec<&Publisher>) =
        trusted.iter().partition(|publisher| publisher.package == seals.package);
    let by = |key: &[u8; 32]| signed(key, seals.package, &digest, &signature);
    if own.iter().any(|publisher| by(&publisher.key())) {
        return Ok(());
    }
    let is_trusted = |key: &[u8; 32]| trusted.iter().any(|publisher| publisher.key() == *key);
    let strangers = || seals.keys.iter().filter(|key| !is_trusted(key));
    let case = if other.iter().any(|publisher| by(&publisher.key())) {
        "wrong package"
    } else if strangers().any(by) {
        "wrong key"
    } else if own.is_empty() {
        "wrong package"
    } else if !own.iter().any(|publisher| seals.keys.contains(&publisher.key())) {
        "wrong key"
    } else {
        return refused("corrupt", "signature", seal_at + 32, "");
    };
    refused("denied", "stored region", start, case)
}

/// Reads a key file. The text states whether the key is private, its 32 bytes, and the publisher's
/// package.
///
/// # Errors
/// The reason why the file is not a key file.
pub fn read_key(bytes: &[u8]) -> Result<String, Fault> {
    let none = || Fault { kind: "misuse", what: "key file", at: 0 };
    if bytes.len() > 4096 {
        return Err(none());
    }
    let content = std::str::from_utf8(bytes).map_err(|_| none())?;
    let mut lines = content.lines().map(str::trim_ascii);
    let mut lines = lines.by_ref().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (Some(line), None) = (lines.next(), lines.next()) else { return Err(none()) };
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let [kind, "1", digits, package] = words[..] else { return Err(none()) };
    let bytes = unhex(digits).filter(|bytes| bytes.len() == 32).ok_or_else(none)?;
    let hyphens: Vec<_> = package.match_indices('-').map(|(at, _)| at).collect();
    let package = unhex(&package.replace('-', ""))
        .filter(|bytes| bytes.len() == 16 && package.len() == 36 && hyphens == [8, 13, 18, 23]);
    let package: Id = package.ok_or_else(none)?.try_into().expect("16 bytes");
    if package == [0; 16] {
        return Err(none());
    }
    let seed = bytes.try_into().expect("32 bytes");
    let (kind, public) = match kind {
        "dacti-ed25519-private" => ("private", Publisher { seed, package }.key()),
        "dacti-ed25519-public" => {
            let is_sound = VerifyingKey::from_bytes(&seed).is_ok_and(|key| !key.is_weak());
            ("public", if is_sound { seed } else { return Err(none()) })
        }
        _ => return Err(none()),
    };
    let mut out = format!("key {kind} ");
    for byte in public {
        write!(out, "{byte:02x}").expect("a string takes everything");
    }
    Ok(format!("{out} package {}\n", text(&package)))
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(pair).collect()
}
