//! Private and public keys, and their one-line texts.
//!
//! A key is for one package of a publisher, so a signature cannot be moved to another package. The
//! caller stores keys and provides the randomness: a private key is made from a seed.
//! Specification: `docs/spec/dacti-seal.md`, "The signature", "Key files".

use crate::digest::concat;
use crate::{DIGEST_LEN, KeyFault, Misuse};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use daicon_core::Hex;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use uuid::Uuid;

/// Length of a signature.
pub const SIGNATURE_LEN: usize = 64;
/// The first bytes of the message that a region's signature signs. Messages that keys sign for
/// other purposes never begin with them.
pub const SIGNATURE_DOMAIN: &[u8; 23] = b"dacti-seal signature v0";
/// The first bytes of the message that a signature of a head signs.
pub const HEAD_SIGNATURE_DOMAIN: &[u8; 23] = b"dacti-head signature v0";
/// Length of a signed message.
pub const MESSAGE_LEN: usize = 71;
/// The maximum length in bytes of the text of a key, comments included.
pub const KEY_TEXT_LEN_MAX: usize = 4096;

const PUBLIC: &str = "dacti-ed25519-public";
const PRIVATE: &str = "dacti-ed25519-private";

/// Returns the message that a region's signature signs: domain, UUID of the publisher's package as
/// stored, digest of the region.
#[must_use]
pub fn signed_message(package: Uuid, digest: &[u8; DIGEST_LEN]) -> [u8; MESSAGE_LEN] {
    concat(&[SIGNATURE_DOMAIN, &package.to_bytes_le(), digest])
}

/// Returns the message that a head's signature signs: domain, UUID of the publisher's package as
/// stored, digest of the head.
fn head_message(package: Uuid, digest: &[u8; DIGEST_LEN]) -> [u8; MESSAGE_LEN] {
    concat(&[HEAD_SIGNATURE_DOMAIN, &package.to_bytes_le(), digest])
}

/// The signature checks of one Ed25519 key.
///
/// The default checks are those of `ed25519-dalek`. A program that loads its cryptography on demand
/// passes its own checks to [`PublicKey::checked_by`].
pub trait SignatureCheck: fmt::Debug + Send + Sync {
    /// Returns whether `signature` is a signature of this key over `message`. The check is strict:
    /// nobody can change a valid signature into another valid one.
    fn is_signed(&self, message: &[u8; MESSAGE_LEN], signature: &[u8; SIGNATURE_LEN]) -> bool;

    /// Returns a checker of the same kind for the public key `key`. Returns `None` if the bytes are
    /// not a key, or are a weak key, for which anybody can forge signatures.
    fn of_key(&self, key: &[u8; 32]) -> Option<Arc<dyn SignatureCheck>>;
}

impl SignatureCheck for VerifyingKey {
    fn is_signed(&self, message: &[u8; MESSAGE_LEN], signature: &[u8; SIGNATURE_LEN]) -> bool {
        self.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }

    fn of_key(&self, key: &[u8; 32]) -> Option<Arc<dyn SignatureCheck>> {
        check_of_key(key)
    }
}

/// Returns the checks of a key by `ed25519-dalek`. Returns `None` if the bytes are not a key, or
/// are a weak key, for which anybody can forge signatures.
#[must_use]
pub fn check_of_key(key: &[u8; 32]) -> Option<Arc<dyn SignatureCheck>> {
    checks_of(key).map(|checks| Arc::new(checks) as Arc<dyn SignatureCheck>)
}

fn checks_of(key: &[u8; 32]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(key).ok().filter(|key| !key.is_weak())
}

/// A key that checks signatures, and the package that it is for.
#[derive(Clone)]
pub struct PublicKey {
    key: [u8; 32],
    package: Uuid,
    checks: Arc<dyn SignatureCheck>,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (self.key, self.package) == (other.key, other.package)
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", Hex(&self.key), self.package)
    }
}

impl PublicKey {
    /// Creates the key with these bytes, for `package`.
    ///
    /// # Errors
    /// `KeyText` if the bytes are not a key, or are a weak key, for which anybody can forge
    /// signatures.
    pub fn new(key: &[u8; 32], package: Uuid) -> Result<Self, Misuse> {
        let checks = checks_of(key).ok_or(Misuse::KeyText(KeyFault::Point))?;
        Ok(Self::checked_by(key, package, Arc::new(checks)))
    }

    /// Creates the key with these bytes. `checks` checks its signatures.
    #[must_use]
    pub fn checked_by(key: &[u8; 32], package: Uuid, checks: Arc<dyn SignatureCheck>) -> Self {
        Self { key: *key, package, checks }
    }

    /// Returns the key with the bytes `key`, for `package`. Its checks are of the same kind as the
    /// checks of this key. Returns `None` if the bytes are not a key.
    pub(crate) fn other(&self, key: &[u8; 32], package: Uuid) -> Option<Self> {
        self.checks.of_key(key).map(|checks| Self::checked_by(key, package, checks))
    }

    /// Returns the bytes of the key.
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Returns the package that the key is for.
    #[must_use]
    pub const fn package(&self) -> Uuid {
        self.package
    }

    /// Returns the same key for another package of the publisher.
    #[must_use]
    pub fn for_package(self, package: Uuid) -> Self {
        Self { package, ..self }
    }

    /// Returns whether this key has made `signature` over `digest`, for `package`.
    #[must_use]
    pub(crate) fn signed(
        &self,
        package: Uuid,
        digest: &[u8; DIGEST_LEN],
        signature: &[u8; SIGNATURE_LEN],
    ) -> bool {
        self.checks.is_signed(&signed_message(package, digest), signature)
    }

    /// Returns whether this key has made `signature` over the digest of a package's head, for the
    /// key's package.
    ///
    /// Specification: `docs/spec/dacti-parts.md`, R-PART-17.
    #[must_use]
    pub fn signed_head(&self, digest: &[u8; DIGEST_LEN], signature: &[u8; SIGNATURE_LEN]) -> bool {
        self.checks.is_signed(&head_message(self.package, digest), signature)
    }

    /// Reads the text of a public key. Skips empty lines and lines that start with `#`.
    ///
    /// # Errors
    /// `KeyText`.
    pub fn from_text(text: &str) -> Result<Self, Misuse> {
        let (key, package) = parse(text, PUBLIC, KeyFault::NotPublic).map_err(Misuse::KeyText)?;
        Self::new(&key, package)
    }

    /// Does the same as [`from_text`](Self::from_text), with checks that the caller provides:
    /// `checks_of` returns the checks of a key, as [`SignatureCheck::of_key`] does.
    ///
    /// # Errors
    /// `KeyText`.
    pub fn from_text_checked_by(
        text: &str,
        checks_of: impl FnOnce(&[u8; 32]) -> Option<Arc<dyn SignatureCheck>>,
    ) -> Result<Self, Misuse> {
        let (key, package) = parse(text, PUBLIC, KeyFault::NotPublic).map_err(Misuse::KeyText)?;
        let checks = checks_of(&key).ok_or(Misuse::KeyText(KeyFault::Point))?;
        Ok(Self::checked_by(&key, package, checks))
    }

    /// Returns the text of the key: a comment, and the line with the key.
    #[must_use]
    pub fn to_text(&self) -> String {
        let comment =
            "# Public key of a publisher of dacti packages, and the package that it is for.";
        format!("{comment}\n{PUBLIC} 1 {} {}\n", Hex(&self.key), self.package)
    }
}

/// A key that signs, and the package that it is for. Dropping the key wipes it from memory, and
/// `Debug` hides it.
#[derive(Clone)]
pub struct SecretKey {
    key: SigningKey,
    package: Uuid,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// Creates the key of `seed`, for `package`. The seed must be 32 random bytes from a
    /// cryptographic source. Anybody who has the seed can sign.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32], package: Uuid) -> Self {
        Self { key: SigningKey::from_bytes(seed), package }
    }

    /// Returns the public key, which checks the signatures of this key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let checks = self.key.verifying_key();
        PublicKey::checked_by(&checks.to_bytes(), self.package, Arc::new(checks))
    }

    /// Returns the package that the key is for.
    #[must_use]
    pub const fn package(&self) -> Uuid {
        self.package
    }

    /// Returns the same key for another package of the publisher.
    #[must_use]
    pub fn for_package(self, package: Uuid) -> Self {
        Self { package, ..self }
    }

    /// Signs the digest of a package's head, for the key's package.
    #[must_use]
    pub fn sign_head(&self, digest: &[u8; DIGEST_LEN]) -> [u8; SIGNATURE_LEN] {
        self.key.sign(&head_message(self.package, digest)).to_bytes()
    }

    /// Signs the digest of a region. The same key and digest give the same signature.
    #[must_use]
    pub fn sign(&self, digest: &[u8; DIGEST_LEN]) -> [u8; SIGNATURE_LEN] {
        self.key.sign(&signed_message(self.package, digest)).to_bytes()
    }

    /// Reads the text of a private key. Skips empty lines and lines that start with `#`.
    ///
    /// # Errors
    /// `KeyText`.
    pub fn from_text(text: &str) -> Result<Self, Misuse> {
        let (seed, package) =
            parse(text, PRIVATE, KeyFault::NotPrivate).map_err(Misuse::KeyText)?;
        Ok(Self::from_seed(&seed, package))
    }

    /// Returns the text of the key: a warning, and the line with the key. Write it to a file that
    /// only its owner can read.
    #[must_use]
    pub fn to_text(&self) -> String {
        let comment =
            "# PRIVATE: anybody who has the line below can sign as its owner. Keep it secret.";
        format!("{comment}\n{PRIVATE} 1 {} {}\n", Hex(self.key.as_bytes()), self.package)
    }
}

fn parse(text: &str, word: &str, not_this: KeyFault) -> Result<([u8; 32], Uuid), KeyFault> {
    if text.len() > KEY_TEXT_LEN_MAX {
        return Err(KeyFault::TooLong);
    }
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let line = lines.next().ok_or(KeyFault::Missing)?;
    let mut words = line.split_ascii_whitespace();
    if words.next() != Some(word) {
        return Err(not_this);
    }
    if lines.next().is_some() {
        return Err(KeyFault::Several);
    }
    if words.next().ok_or(KeyFault::Words)? != "1" {
        return Err(KeyFault::Version);
    }
    let digits = words.next().ok_or(KeyFault::Words)?;
    let package = words.next().ok_or(KeyFault::Words)?;
    if words.next().is_some() {
        return Err(KeyFault::Words);
    }
    let key = from_hex(digits).ok_or(KeyFault::Hex)?;
    // `Uuid` also accepts forms without hyphens, in braces, and as a URN. These have other lengths.
    let package = Some(package).filter(|text| text.len() == 36);
    let package = package.and_then(|text| Uuid::try_parse(text).ok());
    // A nil UUID is not a package.
    let package = package.filter(|package| !package.is_nil()).ok_or(KeyFault::Package)?;
    Ok((key, package))
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let digits = Some(digits.as_bytes()).filter(|digits| digits.len() == 64)?;
    let mut out = [0; 32];
    for (pair, byte) in digits.chunks_exact(2).zip(&mut out) {
        let &[high, low] = pair else { return None };
        let digit = |c: u8| u8::try_from(char::from(c).to_digit(16)?).ok();
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{PublicKey, SecretKey, signed_message};
    use crate::test_data::{HELLO_SEALED, PACKAGE, PUBLIC, key};
    use crate::{KeyFault, Misuse};
    use std::format;
    use std::string::{String, ToString};
    use uuid::Uuid;

    const HEX: &str = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8";
    const SEED: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const UUID: &str = "00112233-4455-6677-8899-aabbccddeeff";

    #[test]
    fn signatures_are_those_of_an_independent_implementation() {
        // spec: R-SEAL-06, R-SEAL-07
        assert_eq!(*key().public().key(), PUBLIC);
        let digest = HELLO_SEALED[6..38].try_into().unwrap();
        assert_eq!(key().sign(digest), HELLO_SEALED[38..]);
        let message = signed_message(PACKAGE, digest);
        assert_eq!(message[..23], *b"dacti-seal signature v0");
        assert_eq!(message[23..39], PACKAGE.to_bytes_le());
        assert_eq!(message[39..], *digest);
    }

    #[test]
    fn a_signature_is_for_one_package_and_one_digest() {
        // spec: R-SEAL-06
        let digest = HELLO_SEALED[6..38].try_into().unwrap();
        let signature = HELLO_SEALED[38..].try_into().unwrap();
        let public = key().public();
        assert!(public.signed(PACKAGE, digest, signature));
        assert!(!public.signed(Uuid::nil(), digest, signature));
        assert!(!public.signed(PACKAGE, &[0; 32], signature));
        // The same key can sign for another package, but its signatures then differ.
        let other = key().for_package(Uuid::from_u128(9));
        assert_eq!(other.public(), public.clone().for_package(Uuid::from_u128(9)));
        assert_eq!(other.public().key(), public.key());
        assert!(other.public().signed(other.package(), digest, &other.sign(digest)));
        assert_ne!(other.sign(digest), *signature);
    }

    #[test]
    fn keys_are_written_as_a_line_that_people_can_read() {
        // spec: R-SEAL-18
        let public = format!("dacti-ed25519-public 1 {HEX} {UUID}");
        let private = format!("dacti-ed25519-private 1 {SEED} {UUID}");
        let last = |text: &str| text.lines().last().unwrap().to_string();
        assert_eq!(last(&key().public().to_text()), public);
        assert_eq!(last(&key().to_text()), private);
        assert!(key().to_text().starts_with("# PRIVATE"));
        for text in
            [key().public().to_text(), public.clone(), format!("# by hand\r\n\r\n {public} \r\n")]
        {
            assert_eq!(PublicKey::from_text(&text), Ok(key().public()));
        }
        let upper = format!("dacti-ed25519-private 1 {} {UUID}", SEED.to_uppercase());
        for text in [key().to_text(), private, upper] {
            assert_eq!(SecretKey::from_text(&text).unwrap().public(), key().public());
        }
    }

    /// A `SignatureCheck` that accepts only one key: 32 bytes with the value 1. The key's only
    /// valid signature is 64 bytes with the value 1.
    #[derive(Debug)]
    struct Ones;

    impl super::SignatureCheck for Ones {
        fn is_signed(&self, _: &[u8; 71], signature: &[u8; 64]) -> bool {
            *signature == [1; 64]
        }

        fn of_key(&self, key: &[u8; 32]) -> Option<alloc::sync::Arc<dyn super::SignatureCheck>> {
            (*key == [1; 32]).then(|| alloc::sync::Arc::new(Self) as _)
        }
    }

    #[test]
    fn a_program_can_bring_checks_of_its_own() {
        let text = |hex: &str| format!("dacti-ed25519-public 1 {hex} {UUID}");
        let ones = |key: &[u8; 32]| super::SignatureCheck::of_key(&Ones, key);
        let key = PublicKey::from_text_checked_by(&text(&"01".repeat(32)), ones).unwrap();
        assert!(key.signed(PACKAGE, &[7; 32], &[1; 64]) && key.signed_head(&[7; 32], &[1; 64]));
        assert!(!key.signed(PACKAGE, &[7; 32], &[2; 64]));
        assert_eq!(key.other(&[1; 32], PACKAGE).map(|other| other.package()), Some(PACKAGE));
        assert_eq!(key.other(&[2; 32], PACKAGE), None);
        let refused = PublicKey::from_text_checked_by(&text(HEX), ones);
        assert_eq!(refused, Err(Misuse::KeyText(KeyFault::Point)));
    }

    #[test]
    fn a_private_key_is_not_shown_by_accident() {
        let shown = format!("{:?}", key());
        assert!(shown.contains(HEX) && !shown.contains(&SEED[..16]), "{shown}");
    }

    #[track_caller]
    fn check(text: &str, fault: KeyFault) {
        assert_eq!(PublicKey::from_text(text), Err(Misuse::KeyText(fault)));
    }

    #[test]
    fn what_is_no_key_is_told_why() {
        // spec: R-SEAL-08, R-SEAL-18
        let line = |words: [&str; 4]| words.join(" ");
        check("", KeyFault::Missing);
        check("# only this\n", KeyFault::Missing);
        check(&"#".repeat(4097), KeyFault::TooLong);
        check(&key().to_text(), KeyFault::NotPublic);
        let public = line(["dacti-ed25519-public", "1", HEX, UUID]);
        let private = SecretKey::from_text(&public).unwrap_err();
        assert_eq!(private, Misuse::KeyText(KeyFault::NotPrivate));
        check(&format!("{public}\n{public}"), KeyFault::Several);
        check(&line(["dacti-ed25519-public", "2", HEX, UUID]), KeyFault::Version);
        check("dacti-ed25519-public 1", KeyFault::Words);
        check(&format!("{public} more"), KeyFault::Words);
        check(&line(["dacti-ed25519-public", "1", &HEX[1..], UUID]), KeyFault::Hex);
        check(&line(["dacti-ed25519-public", "1", &HEX.replace('a', "g"), UUID]), KeyFault::Hex);
        check(&line(["dacti-ed25519-public", "1", &"\u{fc}".repeat(32), UUID]), KeyFault::Hex);
        check(&line(["dacti-ed25519-public", "1", HEX, &UUID[1..]]), KeyFault::Package);
        check(&line(["dacti-ed25519-public", "1", HEX, &UUID.replace('-', "")]), KeyFault::Package);
        let nil = Uuid::nil().to_string();
        check(&line(["dacti-ed25519-public", "1", HEX, &nil]), KeyFault::Package);
        // One key is the neutral element of the curve, for which anybody can forge signatures. The
        // bytes of the other key are not a point of the curve.
        let one: String = format!("01{}", "00".repeat(31));
        let none: String = format!("02{}", "00".repeat(31));
        for bytes in [one, none] {
            check(&line(["dacti-ed25519-public", "1", &bytes, UUID]), KeyFault::Point);
        }
    }
}
