#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::std_instead_of_alloc,
        reason = "the numbers in tests are small"
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod component;
mod digest;
mod digest_list;
mod error;
mod key;
mod limits;
mod seal;
mod search;
#[cfg(test)]
mod test_data;
mod verify;

pub use component::{COMPONENT_DOMAIN, COMPONENT_LEN_MIN, Kind, Seals};
pub use digest::{DIGEST_DOMAIN, DIGEST_LEN, Digester, Hashes, digest, digest_of_hash};
pub use digest_list::{
    DIGEST_LIST_DOMAIN, DIGEST_LIST_HEADER_LEN, DIGEST_LIST_ID, DIGEST_LIST_VERSION, DigestList,
    DigestListFault, LISTED_LEN,
};
pub use error::{Error, ErrorKind, KeyFault, Misuse, Structure};
pub use key::{
    HEAD_SIGNATURE_DOMAIN, KEY_TEXT_LEN_MAX, MESSAGE_LEN, PublicKey, SIGNATURE_DOMAIN,
    SIGNATURE_LEN, SecretKey, SignatureCheck, check_of_key, signed_message,
};
pub use limits::{KEYS_MAX, SEALS_MAX};
pub use seal::Seal;
pub use search::KeySearch;
pub use verify::{
    SealPolicy, Verdict, Verifier, explain, explain_with, seals_span, verify, verify_hash,
};

use daicon_core::Version;
use uuid::Uuid;

/// The UUID of the seal component.
pub const SEAL_ID: Uuid = Uuid::from_u128(0xf7624209_bdc4_4eb7_b9d7_9f1e3970a09b);
/// The component version that this crate writes and reads.
pub const SEAL_VERSION: Version = Version::new(0, 1);
