//! The seals of a package, and the policy of its reader.
//!
//! Specification: `docs/spec/dacti-seal.md`.

use crate::{Error, Package, View};
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

    /// Returns the span to read for a region: its stored bytes, and also the seals after them if
    /// the policy needs a seal.
    pub(crate) fn span(&self, located: Located, view: &View) -> Result<Span, Error> {
        let Span { start, end } = located.span;
        // spec: R-SEAL-22
        let seals = self.seals_span(located, view.object_end(start))?;
        Ok(Span { start, end: seals.map_or(end, |seals| seals.end) })
    }

    /// Returns the span of the seals after a region; `None` if the policy does not need them. The
    /// span does not extend past `end`.
    fn seals_span(&self, located: Located, end: u64) -> Result<Option<Span>, Error> {
        let (seals, policy) = self.required()?;
        Ok(dacti_seal::seals_span(&located, seals, policy, end)?)
    }

    /// Returns the reason why the policy refuses every region, such as a missing seal component. A
    /// package without regions can have this fault, too.
    pub(crate) fn lacking(&self) -> Option<dacti_seal::Error> {
        let nowhere =
            Located { id: NAMES_ID, span: Span::default(), encoding: Encoding::NONE, at: 0 };
        match self.seals_span(nowhere, 0) {
            Err(Error::Seal(fault)) => Some(fault),
            _ => None,
        }
    }

    /// Judges a region by its stored bytes and the seals after them.
    pub(crate) fn judge(
        &self,
        package: &Package,
        located: Located,
        stored: &[u8],
        seal: &[u8],
    ) -> Result<Verdict, Error> {
        let (seals, policy) = self.required()?;
        let Some(seals) = seals else {
            // The policy requires no seal, or requires a seal that the package lacks.
            return Ok(dacti_seal::verify(located, stored, None, policy)?);
        };
        let dictionary = package.dictionary().needed_by(located.encoding)?.map(|read| read.hash);
        let hashes = Hashes { stored: package.hash_pool().hash(stored), dictionary };
        let judged = dacti_seal::verify_hash(&located, hashes, seal, Some(seals), policy);
        let explainer = package.explainer();
        Ok(judged.map_err(|error| explainer.explain(error, &located, &hashes, (seals, seal)))?)
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

    /// Returns the length of each seal after a region.
    pub(crate) fn seal_len(&self) -> u64 {
        self.seals().map_or(0, |seals| seals.kind.seal_len())
    }

    /// Returns the maximum number of seals after stored bytes.
    pub(crate) fn seals_max(&self) -> u64 {
        self.seals().map_or(1, |seals| seals.seals_max.into())
    }

    /// Returns the span that has the first `len` bytes of the seal after a region's stored bytes.
    /// If several seals may follow these bytes, the span has the first `len` bytes of each of them,
    /// up to `max` seals. Seals that would lie past the end of the region's object (the head, a
    /// part, or the file) are left out.
    pub(crate) fn seal_starts(&self, located: &Located, len: u64, max: u64, view: &View) -> Span {
        let Span { start: stored_at, end: start } = located.span;
        let more = self.seal_len().saturating_mul(self.seals_max().min(max).saturating_sub(1));
        let first_end = start.saturating_add(len);
        let end = first_end.saturating_add(more).min(view.object_end(stored_at)).max(first_end);
        Span { start, end }
    }

    /// Returns whether several seals may follow the stored bytes of a region.
    pub(crate) fn has_shared(&self) -> bool {
        self.seals().is_some_and(Seals::is_shared)
    }

    /// Returns the content of the seal component, if it is not faulty.
    pub(crate) fn seals(&self) -> Option<&Seals> {
        self.seals.as_ref().and_then(|seals| seals.as_ref().ok())
    }
}
