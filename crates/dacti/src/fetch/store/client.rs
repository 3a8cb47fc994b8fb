//! One object in a store: which, by which client, and what its errors mean.

use super::StoreOptions;
use super::budget::{Budget, Exceeded};
use crate::fetch::tls;
use crate::{Error, ErrorKind};
use core::fmt;
use core::time::Duration;
use daicon_core::Span;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    ClientConfigKey, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt,
    ObjectStoreScheme, RetryConfig,
};
use std::sync::Arc;
use url::Url;

/// A store of one kind, as the environment and the options have it. The kinds have nothing in
/// common that could be called but the names of these functions.
macro_rules! store {
    ($builder:ident, $key:ident, $hint:expr, $url:expr, $options:expr, $shown:expr) => {{
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
        let store = store.map_err(|error| misuse($shown, &format!("{error}: {}", $hint)))?;
        (Arc::new(store), $hint)
    }};
}

/// An object.
pub(super) struct Client {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// The URL as messages show it.
    shown: String,
    /// What to set where it is denied.
    hint: &'static str,
    budget: Arc<Budget>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.shown)
    }
}

impl Client {
    /// The object at `url`. Nothing is sent yet.
    pub(super) fn new(
        url: &str,
        options: &StoreOptions,
        budget: Arc<Budget>,
    ) -> Result<Self, Error> {
        let parsed = Url::parse(url).map_err(|error| misuse("the URL", &error))?;
        let shown = shown(&parsed);
        // What the crate says of a URL has all of it in it, secrets too.
        let unknown = || misuse(&shown, &ONLY);
        let (scheme, path) = ObjectStoreScheme::parse(&parsed).map_err(|_| unknown())?;
        tls::choose_provider();
        let (store, hint): (Arc<dyn ObjectStore>, _) = match scheme {
            ObjectStoreScheme::Local => (Arc::new(LocalFileSystem::new()), LOCAL_HINT),
            ObjectStoreScheme::AmazonS3 => {
                store!(AmazonS3Builder, AmazonS3ConfigKey, S3_HINT, &parsed, options, &shown)
            }
            ObjectStoreScheme::GoogleCloudStorage => store!(
                GoogleCloudStorageBuilder,
                GoogleConfigKey,
                GCS_HINT,
                &parsed,
                options,
                &shown
            ),
            ObjectStoreScheme::MicrosoftAzure => {
                store!(MicrosoftAzureBuilder, AzureConfigKey, AZURE_HINT, &parsed, options, &shown)
            }
            _ => return Err(unknown()),
        };
        Ok(Self { store, path, shown, hint, budget })
    }

    /// Fetches `span`; fewer bytes only at the object's end. Says which object it is, too.
    pub(super) async fn fetch(&self, span: Span) -> Result<(Vec<u8>, ObjectMeta), Error> {
        let held = self.budget.request(span.len());
        let held = held.map_err(|exceeded| self.spent(exceeded))?;
        let range = Some(GetRange::Bounded(span.start..span.end));
        let options = GetOptions { range, ..GetOptions::default() };
        let result = match self.store.get_opts(&self.path, options).await {
            Ok(result) => result,
            Err(error) => return Err(self.failed(&error)),
        };
        let meta = result.meta.clone();
        if result.range.start != span.start || result.range.end > span.end {
            let GetResult { range, .. } = result;
            let told = format!("asked for {span}, it gave {} to {}", range.start, range.end);
            return Err(self.error(ErrorKind::Unsupported, told));
        }
        let bytes = result.bytes().await.map_err(|error| self.failed(&error))?;
        held.brought(bytes.len());
        Ok((bytes.into(), meta))
    }

    /// The object's length, where its bytes cannot be asked for: nothing has no first byte.
    pub(super) async fn len(&self) -> Option<u64> {
        let held = self.budget.request(0).ok()?;
        let meta = self.store.head(&self.path).await.ok()?;
        held.brought(0);
        Some(meta.size)
    }

    fn spent(&self, exceeded: Exceeded) -> Error {
        let place = self.shown.clone();
        Error::Remote { place, kind: ErrorKind::Limit, source: Box::new(exceeded) }
    }

    /// What an error of the store's means for whoever reads.
    fn failed(&self, error: &object_store::Error) -> Error {
        use object_store::Error as E;
        let (kind, next) = match error {
            E::NotFound { .. } => (ErrorKind::NotFound, "look for the bucket and the key"),
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
                (ErrorKind::Denied, self.hint)
            }
            E::InvalidPath { .. } | E::NotSupported { .. } | E::UnknownConfigurationKey { .. } => {
                (ErrorKind::Misuse, "see how such a URL is written")
            }
            _ => (ErrorKind::Unavailable, self.hint),
        };
        self.error(kind, format!("{}: {next}", without_queries(&chain(error))))
    }

    pub(super) fn error(&self, kind: ErrorKind, told: String) -> Error {
        Error::Remote { place: self.shown.clone(), kind, source: told.into() }
    }
}

const ONLY: &str = "this is no object: s3://BUCKET/KEY, gs://BUCKET/KEY, az://CONTAINER/KEY and \
    file:///PATH are";
const LOCAL_HINT: &str = "such a URL is file:///path";
const S3_HINT: &str = "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, \
    AWS_SKIP_SIGNATURE=true for a public bucket, AWS_ENDPOINT for a store that is not Amazon's";
const GCS_HINT: &str = "set GOOGLE_SERVICE_ACCOUNT to the file of a service account, or \
    GOOGLE_SKIP_SIGNATURE=true for a public bucket";
const AZURE_HINT: &str = "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or \
    AZURE_SKIP_SIGNATURE=true for a public container";

/// The URL as the clients want it: they take the bucket from it, and with some the account.
fn place(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// How long a request may take.
fn patience(options: &StoreOptions) -> [(ClientConfigKey, String); 2] {
    let millis = |time: Duration| format!("{} ms", time.as_millis().max(1));
    [
        (ClientConfigKey::Timeout, millis(options.timeout)),
        (ClientConfigKey::ConnectTimeout, millis(options.connect_timeout)),
    ]
}

fn retries(options: &StoreOptions) -> RetryConfig {
    let attempts = u32::try_from(options.retries_max).unwrap_or(u32::MAX).saturating_add(1);
    RetryConfig {
        max_retries: options.retries_max,
        retry_timeout: options.timeout.saturating_mul(attempts),
        ..RetryConfig::default()
    }
}

/// A URL without what may be a secret.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// An error with what led to it, as far as that says more.
fn chain(error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = error.source();
    }
    text
}

/// A text without the queries of the URLs in it, which may be signatures.
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

fn misuse(place: &str, why: &dyn fmt::Display) -> Error {
    let source = without_queries(&why.to_string()).into();
    Error::Remote { place: place.into(), kind: ErrorKind::Misuse, source }
}

#[cfg(test)]
mod tests {
    use super::{Client, without_queries};
    use crate::ErrorKind;
    use crate::fetch::store::StoreOptions;
    use crate::fetch::store::budget::Budget;
    use std::sync::Arc;

    #[track_caller]
    fn refused(url: &str, says: &str) {
        let budget = Arc::new(Budget::new(1, 1));
        let error = Client::new(url, &StoreOptions::default(), budget).expect_err(url);
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        refused("", "the URL");
        refused("bucket/key", "the URL");
        refused("ftp://user:secret@host/key?secret", "ftp://host/key: this is no object");
        refused("memory:///key", "this is no object");
        refused("https://user:secret@host/key?secret", "this is no object");
        refused("s3:///key", "this is no object");
    }

    #[test]
    fn secrets_are_not_told() {
        let text = "GET https://a/b?sig=x y (https://c?sig=z) and \"d?e=f\"";
        assert_eq!(without_queries(text), "GET https://a/b y (https://c) and \"d\"");
        assert_eq!(without_queries("nothing"), "nothing");
    }
}
