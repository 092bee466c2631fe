//! Which options of an object store are secrets, and which name files with secrets.

/// What the value of an option of an object store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OptionKind {
    /// The value opens the store.
    Secret,
    /// The value is the path of a file with credentials.
    File,
    /// Anything else.
    Plain,
}

/// Ends of the names of options with a secret, in lower case, without the prefix of the provider.
const SECRETS: [&str; 9] = [
    "secret_access_key",
    "client_secret",
    "token",
    "sas_key",
    "access_key",
    "account_key",
    "master_key",
    "encryption_key",
    "customer_key_base64",
];

/// Options that name a file with credentials. All others of this kind end in `_file`.
const FILES: [&str; 3] = [
    "service_account",
    "service_account_path",
    "application_credentials",
];

impl OptionKind {
    /// Returns the kind of an option by its name. An address with a password in it is a secret, too.
    pub(crate) fn of(key: &str, value: &str) -> Self {
        let key = key.to_ascii_lowercase();
        let key = key.strip_prefix("google_").unwrap_or(&key);
        if key.ends_with("_file") || FILES.contains(&key) {
            return Self::File;
        }
        let has_password = || value.contains("://") && value.contains('@');
        if key == "service_account_key"
            || SECRETS.iter().any(|end| key.ends_with(end))
            || has_password()
        {
            return Self::Secret;
        }
        Self::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::OptionKind;

    #[test]
    fn secrets_files_and_plain_options_are_told_apart() {
        for key in [
            "aws_secret_access_key",
            "AWS_SECRET_ACCESS_KEY",
            "secret_access_key",
            "aws_session_token",
            "token",
            "aws_sse_customer_key_base64",
            "azure_storage_account_key",
            "azure_storage_access_key",
            "azure_storage_master_key",
            "access_key",
            "azure_client_secret",
            "azure_storage_sas_key",
            "sas_token",
            "bearer_token",
            "azure_fabric_session_token",
            "azure_storage_encryption_key",
            "google_service_account_key",
            "google_bearer_token",
        ] {
            assert_eq!(OptionKind::of(key, "x"), OptionKind::Secret, "{key}");
        }
        for key in [
            "google_service_account",
            "service_account_path",
            "google_application_credentials",
            "aws_web_identity_token_file",
            "azure_federated_token_file",
        ] {
            assert_eq!(OptionKind::of(key, "x"), OptionKind::File, "{key}");
        }
        for key in [
            "aws_access_key_id",
            "aws_region",
            "aws_endpoint",
            "account_name",
        ] {
            assert_eq!(OptionKind::of(key, "http://x"), OptionKind::Plain, "{key}");
        }
        let proxy = OptionKind::of("proxy_url", "http://me:word@proxy:3128");
        assert_eq!(proxy, OptionKind::Secret);
    }
}
