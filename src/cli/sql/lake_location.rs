//! The location of a lake, as it stands in views.

use url::Url;

use crate::cli::files::shown;

/// The location of a lake.
pub(super) struct LakeLocation {
    /// An absolute path or a URL, without a slash at its end.
    pub(super) text: String,
    /// The store of the lake.
    pub(super) store: Store,
}

/// The store of a lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// A folder of this machine.
    Disk,
    S3,
    Gcs,
    Azure,
}

impl LakeLocation {
    /// Reads a location as the configuration has it: a URL, or a path, which may be relative.
    pub(super) fn of(location: &str) -> Self {
        // One letter is a Windows drive.
        let url = Url::parse(location).ok();
        let url = url.filter(|url| url.scheme().len() > 1);
        let store = match url.as_ref().map(Url::scheme) {
            Some("s3" | "s3a") => Store::S3,
            Some("gs") => Store::Gcs,
            Some("az" | "azure" | "abfs" | "abfss") => Store::Azure,
            _ => Store::Disk,
        };
        let text = match url {
            Some(url) => shown(url.as_str()),
            // Without a working folder the given path is the only name of the lake.
            None => std::path::absolute(location)
                .map_or_else(|_| location.to_owned(), |path| path.display().to_string()),
        };
        Self {
            text: text.trim_end_matches('/').to_owned(),
            store,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_absolute_and_ends_without_a_slash() {
        for (location, text, store) in [
            ("/data/a lake/", "/data/a lake", Store::Disk),
            ("file:///data/a%20lake", "/data/a lake", Store::Disk),
            ("s3://bucket/lake/", "s3://bucket/lake", Store::S3),
            ("gs://bucket", "gs://bucket", Store::Gcs),
            ("az://container/lake", "az://container/lake", Store::Azure),
        ] {
            let place = LakeLocation::of(location);
            assert_eq!(
                (place.text.as_str(), place.store),
                (text, store),
                "{location}"
            );
        }
        let relative = LakeLocation::of("./lake").text;
        assert!(
            relative.starts_with('/') && relative.ends_with("/lake"),
            "{relative}"
        );
    }
}
