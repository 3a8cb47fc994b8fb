//! The seals of a package, and the policy of its reader.
//!
//! Specification: `docs/spec/dacti-seal.md`.

use crate::{Error, Package};
use dacti_index::{Encoding, Located};
use dacti_names::NAMES_ID;
use dacti_seal::{Hashes, SealPolicy, Seals, Verdict, Verifier};
use daicon_core::Span;

/// The seals of an open package and the policy of its reader.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    /// `None` if the package has no seal component. A faulty component is an error: otherwise
    /// damage to the component would switch the checks off.
    seals: Option<Result<Seals, dacti_seal::Error>>,
    /// `None` if the reader set no policy. Then the seals of the package are checked, if it has
    /// any.
    required: Option<SealPolicy>,
    /// Whether regions are handed out unchecked.
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

    /// Returns the verifier of a region, before its bytes are read.
    pub(crate) fn verifier(&self, located: Located) -> Result<Verifier<'_>, Error> {
        let (seals, policy) = self.required()?;
        Ok(Verifier::new(located, seals, policy)?)
    }

    /// Returns whether regions are handed out unchecked.
    #[inline]
    pub(crate) const fn is_nothing(&self) -> bool {
        self.is_nothing
    }

    /// Returns the span to read for a region: its stored bytes, and its seal if the policy needs
    /// it.
    pub(crate) fn span(&self, located: Located) -> Result<Span, Error> {
        let (seals, policy) = self.required()?;
        let seal = dacti_seal::seal_span(&located, seals, policy)?;
        let Span { start, end } = located.span;
        Ok(Span { start, end: seal.map_or(end, |seal| seal.end) })
    }

    /// Returns the reason why the policy refuses every region, such as a missing seal component. A
    /// package without regions can have this fault, too.
    pub(crate) fn lacking(&self) -> Option<dacti_seal::Error> {
        let nowhere =
            Located { id: NAMES_ID, span: Span::default(), encoding: Encoding::NONE, at: 0 };
        match self.span(nowhere) {
            Err(Error::Seal(fault)) => Some(fault),
            _ => None,
        }
    }

    /// Judges a region by its stored bytes and its seal.
    pub(crate) fn judge(
        &self,
        package: &Package,
        located: Located,
        stored: &[u8],
        seal: &[u8],
    ) -> Result<Verdict, Error> {
        let (seals, policy) = self.required()?;
        if seals.is_none() {
            // The policy requires no seal, or one that the package lacks.
            return Ok(dacti_seal::verify(located, stored, seals, policy)?);
        }
        let dictionary = if located.encoding.needs_dictionary() {
            package.dictionary().get()?.map(|dictionary| dictionary.hash)
        } else {
            None
        };
        let hashes = Hashes { stored: package.hash_pool().hash(stored), dictionary };
        let judged = dacti_seal::verify_hash(&located, hashes, seal, seals, policy);
        Ok(judged.map_err(|error| package.explainer().explain(error, &located, &hashes, seal))?)
    }

    /// Returns the seals and the current policy.
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

    /// Returns the length of the seal after each region.
    pub(crate) fn seal_len(&self) -> u64 {
        self.seals().map_or(0, |seals| seals.kind.seal_len())
    }

    fn seals(&self) -> Option<&Seals> {
        self.seals.as_ref().and_then(|seals| seals.as_ref().ok())
    }
}
