//! Chooses the cryptography of TLS.
//!
//! `ring` is small, and building it needs only a C compiler. The default of `rustls` is `aws-lc`,
//! which takes several times as long to compile and adds megabytes to a program. OpenSSL would have
//! to be installed on each machine that builds or runs a program.

/// Makes `rustls` use the provider `ring`, unless the program has chosen a provider for the
/// process.
///
/// Call this before building a client: without a provider, building a client panics.
pub(crate) fn choose_provider() {
    // An error means that the program, or another thread, has already chosen a provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::choose_provider;
    use rustls::crypto::CryptoProvider;

    #[test]
    fn a_provider_that_was_chosen_first_stays() {
        choose_provider();
        let first = CryptoProvider::get_default().expect("one was chosen");
        choose_provider();
        let second = CryptoProvider::get_default().expect("one was chosen");
        assert!(std::sync::Arc::ptr_eq(first, second));
    }
}
