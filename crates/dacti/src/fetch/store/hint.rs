//! Advice on settings if a store does not serve an object.

/// The advice for one kind of store.
#[derive(Debug)]
pub(super) struct Hints {
    /// The advice if credentials are missing or refused.
    pub(super) credentials: &'static str,
    /// The advice if the endpoint is an http URL.
    pub(super) plain_http: &'static str,
    /// The advice if the store does not answer.
    pub(super) silence: &'static str,
    /// Texts that occur in a message if the client failed to find credentials.
    signs: &'static [&'static str],
}

impl Hints {
    /// Returns whether an error occurred while the client searched for credentials.
    pub(super) fn is_about_credentials(&self, text: &str) -> bool {
        self.signs.iter().any(|sign| text.contains(sign))
    }
}

/// Texts that occur in a message if the client refuses an http URL.
pub(super) const ALLOW_HTTP: [&str; 2] = ["scheme is not allowed", "URL scheme"];

pub(super) const LOCAL: Hints = Hints {
    credentials: "check the permissions of the file",
    plain_http: "write file:///PATH",
    silence: "check the path: write the URL as file:///PATH",
    signs: &[],
};

pub(super) const S3: Hints = Hints {
    credentials: "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or \
        AWS_SKIP_SIGNATURE=true for a public bucket; profiles of ~/.aws are not read: \
        `aws configure export-credentials --format env` prints a profile as these variables",
    plain_http: "set AWS_ALLOW_HTTP=true for an endpoint without TLS",
    silence: "check the network, and AWS_ENDPOINT for a store that is not Amazon's",
    signs: &["169.254.", "latest/api/token", "security-credentials", "fd00:ec2"],
};

pub(super) const GOOGLE: Hints = Hints {
    credentials: "set GOOGLE_SERVICE_ACCOUNT to the file of a service account, or \
        GOOGLE_SKIP_SIGNATURE=true for a public bucket",
    plain_http: "set GOOGLE_ALLOW_HTTP=true for an endpoint without TLS",
    silence: "check the network, and GOOGLE_BASE_URL for an endpoint that is not Google's",
    signs: &["169.254.", "metadata.google", "metadata/computeMetadata", "computeMetadata"],
};

pub(super) const AZURE: Hints = Hints {
    credentials: "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or \
        AZURE_SKIP_SIGNATURE=true for a public container",
    plain_http: "set AZURE_ALLOW_HTTP=true for an endpoint without TLS",
    silence: "check the network, and AZURE_STORAGE_ENDPOINT for an endpoint that is not Azure's",
    signs: &["169.254.", "metadata/identity"],
};
