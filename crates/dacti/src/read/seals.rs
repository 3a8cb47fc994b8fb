//! What a package's seals say, and what its reader requires of them.
//!
//! Specification: `docs/spec/dacti-seal.md`.

use crate::{Error, Package};
use dacti_index::{Encoding, Located};
use dacti_names::NAMES_ID;
use dacti_seal::{SealPolicy, Seals, Verdict, Verifier};
use daicon_core::Span;

/// The seals of an open package and the policy of its reader.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    /// `None` where the package has no seal component. A component that is wrong is not none:
    /// bytes that were sealed are not handed out for its loss.
    seals: Option<Result<Seals, dacti_seal::Error>>,
    /// `None` where the reader has asked for nothing: what the package has is checked.
    required: Option<SealPolicy>,
    /// Whether nothing is required of any region.
    is_nothing: bool,
}

impl Trust {
    pub(crate) const fn new(seals: Option<Result<Seals, dacti_seal::Error>>) -> Self {
        Self { is_nothing: seals.is_none(), seals, required: None }
    }

    pub(crate) fn require(&mut self, policy: SealPolicy) {
        self.is_nothing = matches!(policy, SealPolicy::Nothing);
        self.required = Some(policy);
    }

    /// The judgement of a region, before its bytes are read.
    pub(crate) fn verifier(&self, located: Located) -> Result<Verifier<'_>, Error> {
        let (seals, policy) = self.required()?;
        Ok(Verifier::new(located, seals, policy)?)
    }

    /// Whether nothing is required of any region.
    #[inline]
    pub(crate) const fn is_nothing(&self) -> bool {
        self.is_nothing
    }

    /// What of a region is to be read: its stored bytes, and the seal behind them where it counts.
    pub(crate) fn span(&self, located: Located) -> Result<Span, Error> {
        let (seals, policy) = self.required()?;
        let seal = dacti_seal::seal_span(&located, seals, policy)?;
        let Span { start, end } = located.span;
        Ok(Span { start, end: seal.map_or(end, |seal| seal.end) })
    }

    /// What is required and not there, whatever the region: of a package without regions, too.
    pub(crate) fn lacking(&self) -> Option<dacti_seal::Error> {
        let nowhere =
            Located { id: NAMES_ID, span: Span::default(), encoding: Encoding::NONE, at: 0 };
        match self.span(nowhere) {
            Err(Error::Seal(fault)) => Some(fault),
            _ => None,
        }
    }

    /// Judges a region by its stored bytes and the seal behind them.
    pub(crate) fn judge(
        &self,
        package: &Package,
        located: Located,
        stored: &[u8],
        seal: &[u8],
    ) -> Result<Verdict, Error> {
        let (seals, policy) = self.required()?;
        if seals.is_none() {
            // Nothing is required, or what is required is not there.
            return Ok(dacti_seal::verify(located, stored, seals, policy)?);
        }
        let hash = package.hash_pool().hash(stored);
        let judged = dacti_seal::verify_hash(&located, &hash, seal, seals, policy);
        Ok(judged.map_err(|error| package.explainer().explain(error, &located, &hash, seal))?)
    }

    /// The policy in force, and the seals to hold against it.
    fn required(&self) -> Result<(Option<&Seals>, &SealPolicy), Error> {
        let by_default =
            if self.seals.is_some() { &SealPolicy::Digest } else { &SealPolicy::Nothing };
        let policy = self.required.as_ref().unwrap_or(by_default);
        let seals = match (&self.seals, policy) {
            (None, _) | (_, SealPolicy::Nothing) => None,
            (Some(seals), _) => Some(seals.as_ref().map_err(|fault| *fault)?),
        };
        Ok((seals, policy))
    }

    /// Bytes behind each region that belong to it.
    pub(crate) fn seal_len(&self) -> u64 {
        self.seals().map_or(0, |seals| seals.kind.seal_len())
    }

    fn seals(&self) -> Option<&Seals> {
        self.seals.as_ref().and_then(|seals| seals.as_ref().ok())
    }
}
