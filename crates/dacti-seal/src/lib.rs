//! Digests and signatures for the regions of a dacti package: one region is proven without the
//! rest.
//!
//! In a sealed package each region's stored bytes are followed by a BLAKE3 digest that binds them
//! to the region's id, and perhaps by an Ed25519 signature that binds the digest to a publisher's
//! package. One read brings all of it, and an update leaves it where it is. The normative text is
//! `docs/spec/dacti-seal.md`, which also says what a signature does not promise: that nothing newer
//! exists, and that nothing is missing.
//!
//! This crate refuses to know where bytes come from, where keys are kept, and where randomness
//! does.
//!
//! # Who needs this crate
//!
//! Readers and writers of dacti packages that bring their own IO, and programs that handle their
//! keys.
//!
//! # Example
//!
//! ```
//! use dacti_index::{Encoding, Located};
//! use dacti_seal::{Error, Kind, SealPolicy, Seal, Seals, SecretKey, Verdict, digest, verify};
//! use daicon_core::Span;
//! use uuid::Uuid;
//!
//! // A publisher's key, for one package. A real seed comes from the system's randomness.
//! let package = Uuid::from_u128(0x0123);
//! let key = SecretKey::from_seed(&[7; 32], package);
//!
//! // A region of five bytes at 1,000, and its seal behind it.
//! let (id, encoding) = (Uuid::from_u128(1), Encoding::NONE);
//! let mut bytes = b"hello".to_vec();
//! bytes.resize(5 + 96, 0);
//! Seal::new(digest(id, encoding, b"hello"), Some(&key)).emit(Kind::Signature, &mut bytes[5..])?;
//! let seals = Seals { kind: Kind::Signature, package, keys: vec![*key.public().key()] };
//!
//! // A reader who trusts the publisher.
//! let located = Located { id, span: Span { start: 1000, end: 1005 }, encoding, at: 0 };
//! let policy = SealPolicy::Signature(vec![key.public()]);
//! let verdict = verify(located, &bytes, Some(&seals), &policy)?;
//! assert_eq!(verdict, Verdict::Signature(*key.public().key()));
//! bytes[0] = b'j';
//! let refused = verify(located, &bytes, Some(&seals), &policy);
//! assert!(matches!(refused, Err(Error::Altered { at: 1000, .. })));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Cost
//!
//! 32 or 96 bytes for each region, and 64 for the component with 32 more for each key. Hashing runs
//! on one thread; [`digest_of_hash`] and [`Verifier::finish_with`] let a caller hash large regions
//! over several. A signature costs some tens of microseconds to make and to check, for each key
//! that is tried.
//!
//! # Promise
//!
//! Untrusted input cannot panic, loop or allocate here beyond [`KEYS_MAX`] keys.
//!
//! `uuid`, `dacti-index` and `daicon-core` are public dependencies.

#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::std_instead_of_alloc,
        reason = "tests compute small numbers of their own"
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod component;
mod digest;
mod error;
mod key;
mod limits;
mod seal;
#[cfg(test)]
mod test_data;
mod verify;

pub use component::{COMPONENT_DOMAIN, COMPONENT_LEN_MIN, Kind, Seals};
pub use digest::{DIGEST_DOMAIN, DIGEST_LEN, Digester, digest, digest_of_hash};
pub use error::{Error, ErrorKind, KeyFault, Misuse, Structure};
pub use key::{
    KEY_TEXT_LEN_MAX, MESSAGE_LEN, PublicKey, SIGNATURE_DOMAIN, SIGNATURE_LEN, SecretKey,
    signed_message,
};
pub use limits::KEYS_MAX;
pub use seal::Seal;
pub use verify::{
    SealPolicy, Verdict, Verifier, explain, explain_with, seal_span, verify, verify_hash,
};

use daicon_core::Version;
use uuid::Uuid;

/// The UUID of the seal component.
pub const SEAL_ID: Uuid = Uuid::from_u128(0xf7624209_bdc4_4eb7_b9d7_9f1e3970a09b);
/// The component version that this crate writes and reads.
pub const SEAL_VERSION: Version = Version::new(0, 1);

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
