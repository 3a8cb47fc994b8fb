//! The client of one object in a store. This module also translates the errors of the crate
//! `object_store`.

use super::StoreOptions;
use super::hint::{ALLOW_HTTP, AZURE, GOOGLE, Hints, LOCAL, S3};
use super::spending::Spending;
use crate::fetch::pause::{OnPause, PAUSE, telling};
use crate::fetch::tls;
use crate::fetch::{Location, chain};
use crate::{Error, ErrorKind};
use core::fmt;
use core::time::Duration;
use daicon_core::Span;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::{Path, PathPart};
use object_store::{
    ClientConfigKey, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt,
    ObjectStoreScheme, RetryConfig,
};
use std::sync::Arc;
use tokio::time::{sleep, timeout};
use url::Url;

/// Builds a store of one kind from the environment and the options. This is a macro, because the
/// builders have functions with equal names, but no common trait.
macro_rules! store {
    ($builder:ident, $key:ident, $hints:expr, $url:expr, $options:expr, $shown:expr) => {{
        let mut builder = $builder::from_env().with_url(place($url));
        builder = builder.with_retry(retries($options));
        for (key, value) in patience($options) {
            builder = builder.with_config($key::Client(key), value);
        }
        for (name, value) in &$options.settings {
            let key = name.to_ascii_lowercase().parse::<$key>();
            let key = key.map_err(|error| misuse($shown, &error))?;
            builder = builder.with_config(key, value);
        }
        let store = builder.build();
        let store =
            store.map_err(|error| misuse($shown, &format!("{error}: {}", $hints.credentials)))?;
        (Arc::new(store), $hints)
    }};
}

/// An object in a store.
#[derive(Clone)]
pub(crate) struct Client {
    store: Arc<dyn ObjectStore>,
    path: Path,
    shown: Location,
    hints: &'static Hints,
    spending: Arc<Spending>,
    first_byte_timeout: Duration,
    on_pause: OnPause,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.shown)
    }
}

/// The functions that a publisher uses.
#[cfg(feature = "write")]
impl Client {
    /// Returns the object at `url`, without a budget.
    pub(crate) fn alone(url: &str, options: &StoreOptions) -> Result<Self, Error> {
        Self::new(url, options, Arc::new(Spending::new(u64::MAX, u64::MAX)))
    }

    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store)
    }

    pub(crate) const fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the URL as messages show it.
    pub(crate) const fn shown(&self) -> &Location {
        &self.shown
    }

    /// Returns whether the store is a folder of this computer.
    pub(crate) fn is_local(&self) -> bool {
        self.shown.secret_url().is_some_and(|url| url.starts_with("file:"))
    }
}

impl Client {
    /// Returns the object at `url`. No request is sent.
    pub(super) fn new(
        url: &str,
        options: &StoreOptions,
        spending: Arc<Spending>,
    ) -> Result<Self, Error> {
        let shown = Location::from(url);
        let parsed = Url::parse(url).map_err(|error| misuse(&shown, &error))?;
        // The message of the crate `object_store` would repeat the URL with its secrets.
        let unknown = || misuse(&shown, &ONLY);
        let (scheme, path) = ObjectStoreScheme::parse(&parsed).map_err(|_| unknown())?;
        tls::choose_provider();
        let (store, hints): (Arc<dyn ObjectStore>, _) = match scheme {
            ObjectStoreScheme::Local => (Arc::new(LocalFileSystem::new()), &LOCAL),
            ObjectStoreScheme::AmazonS3 => {
                store!(AmazonS3Builder, AmazonS3ConfigKey, &S3, &parsed, options, &shown)
            }
            ObjectStoreScheme::GoogleCloudStorage => store!(
                GoogleCloudStorageBuilder,
                GoogleConfigKey,
                &GOOGLE,
                &parsed,
                options,
                &shown
            ),
            ObjectStoreScheme::MicrosoftAzure => {
                store!(MicrosoftAzureBuilder, AzureConfigKey, &AZURE, &parsed, options, &shown)
            }
            _ => return Err(unknown()),
        };
        let first_byte_timeout = options.first_byte_timeout;
        let on_pause = options.on_pause.clone();
        Ok(Self { store, path, shown, hints, spending, first_byte_timeout, on_pause })
    }

    /// Returns an object beside this one. Its key is this object's key with the last segment
    /// replaced by `name`.
    pub(crate) fn object(&self, name: &str) -> Self {
        // spec: R-PART-09
        let mut segments: Vec<_> = self.path.parts().collect();
        segments.pop();
        let parts = name.split('/').filter(|part| !part.is_empty());
        let path = segments.into_iter().chain(parts.map(PathPart::from)).collect();
        Self { path, shown: self.shown.sibling(name), ..self.clone() }
    }

    /// Fetches `span`, and the object's properties. There are fewer bytes only if the object ends
    /// first.
    pub(super) async fn fetch(&self, span: Span) -> Result<(Vec<u8>, ObjectMeta), Error> {
        let held = self.spending.request(span.len());
        let held = held.map_err(|error| self.spent(error))?;
        let range = Some(GetRange::Bounded(span.start..span.end));
        let options = GetOptions { range, ..GetOptions::default() };
        let time = self.first_byte_timeout;
        let sent = timeout(time, self.store.get_opts(&self.path, options));
        let why = "the store has not answered yet";
        let result = match telling(&self.on_pause, &self.shown, why, time, sleep(PAUSE), sent).await
        {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => return Err(self.failed(&error)),
            Err(_) => {
                let told = format!("no answer within {} s: {}", time.as_secs(), self.hints.silence);
                return Err(self.error(ErrorKind::Unavailable, told));
            }
        };
        let meta = result.meta.clone();
        if result.range.start != span.start || result.range.end > span.end {
            let GetResult { range, .. } = result;
            let told =
                format!("the store sent bytes {}..{} instead of {span}", range.start, range.end);
            return Err(self.error(ErrorKind::Unsupported, told));
        }
        let bytes = result.bytes().await.map_err(|error| self.failed(&error))?;
        held.brought(bytes.len());
        Ok((bytes.into(), meta))
    }

    /// Returns the object's length. Call this for an object that may be empty:
    /// [`fetch`](Self::fetch) returns an error for an empty object.
    pub(super) async fn len(&self) -> Option<u64> {
        let held = self.spending.request(0).ok()?;
        let asked = timeout(self.first_byte_timeout, self.store.head(&self.path));
        let meta = asked.await.ok()?.ok()?;
        held.brought(0);
        Some(meta.size)
    }

    fn spent(&self, error: dacti_http::Error) -> Error {
        let place = self.shown.clone();
        Error::Remote { place, kind: ErrorKind::Limit, source: Box::new(error) }
    }

    /// Translates an error of the store, and adds advice.
    pub(crate) fn failed(&self, error: &object_store::Error) -> Error {
        use object_store::Error as E;
        let text = without_queries(&chain(error));
        let (kind, next) = match error {
            E::NotFound { .. } => {
                (ErrorKind::NotFound, "check the names of the bucket and of the object")
            }
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
                (ErrorKind::Denied, self.hints.credentials)
            }
            E::InvalidPath { .. } | E::NotSupported { .. } | E::UnknownConfigurationKey { .. } => {
                (ErrorKind::Misuse, "check the URL and the settings")
            }
            _ if self.hints.is_about_credentials(&text) => {
                (ErrorKind::Denied, self.hints.credentials)
            }
            _ if ALLOW_HTTP.iter().any(|sign| text.contains(sign)) => {
                (ErrorKind::Misuse, self.hints.plain_http)
            }
            _ => (ErrorKind::Unavailable, self.hints.silence),
        };
        self.error(kind, format!("{text}: {next}"))
    }

    pub(super) fn error(&self, kind: ErrorKind, told: String) -> Error {
        Error::Remote { place: self.shown.clone(), kind, source: told.into() }
    }
}

const ONLY: &str = "this is not the URL of an object: use s3://BUCKET/NAME, gs://BUCKET/NAME, \
                    az://CONTAINER/NAME or file:///PATH";

/// Returns the URL without its query. The crate `object_store` finds the bucket, and sometimes the
/// account, in this URL.
fn place(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// Returns the time limits of one request, as settings of the client.
fn patience(options: &StoreOptions) -> [(ClientConfigKey, String); 2] {
    let millis = |time: Duration| format!("{} ms", time.as_millis().max(1));
    [
        (ClientConfigKey::Timeout, millis(options.timeout)),
        (ClientConfigKey::ConnectTimeout, millis(options.connect_timeout)),
    ]
}

fn retries(options: &StoreOptions) -> RetryConfig {
    RetryConfig {
        max_retries: options.retries_max,
        // This also limits the requests with which the client gets credentials.
        retry_timeout: options.first_byte_timeout.checked_div(4).unwrap_or_default(),
        ..RetryConfig::default()
    }
}

/// Returns `text` without the queries of its URLs, because a query may hold a signature.
fn without_queries(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '>' | ',');
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, query)) = rest.split_once('?') {
        kept.push_str(before);
        rest = query.find(is_end).and_then(|end| query.get(end..)).unwrap_or_default();
    }
    kept + rest
}

fn misuse(place: &Location, why: &dyn fmt::Display) -> Error {
    let source = without_queries(&why.to_string()).into();
    Error::Remote { place: place.clone(), kind: ErrorKind::Misuse, source }
}

#[cfg(test)]
mod tests {
    use super::{Client, without_queries};
    use crate::ErrorKind;
    use crate::fetch::store::StoreOptions;
    use crate::fetch::store::spending::Spending;
    use std::sync::Arc;

    #[track_caller]
    fn refused(url: &str, says: &str) {
        let spending = Arc::new(Spending::new(1, 1));
        let error = Client::new(url, &StoreOptions::default(), spending).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        refused("", "relative URL");
        refused("bucket/key", "bucket/key: relative URL");
        refused(
            "ftp://user:secret@host/key?secret",
            "ftp://host/key?...: this is not the URL of an object",
        );
        refused("memory:///key", "this is not the URL of an object");
        refused("https://user:secret@host/key?secret", "this is not the URL of an object");
        refused("s3:///key", "this is not the URL of an object");
    }

    #[test]
    fn secrets_are_not_told() {
        let text = "GET https://a/b?sig=x y (https://c?sig=z) and \"d?e=f\"";
        assert_eq!(without_queries(text), "GET https://a/b y (https://c) and \"d\"");
        assert_eq!(without_queries("nothing"), "nothing");
    }
}
