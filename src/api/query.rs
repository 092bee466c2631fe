//! The address of a page request.

use std::num::NonZeroU32;

use url::Url;

use super::{BaseUrl, PageRequest};

impl PageRequest<'_> {
    /// Returns the address of the request. All filters are repeated with every cursor, because the cursor does not
    /// carry them.
    pub(super) fn url(&self, base_url: &BaseUrl, page_size: NonZeroU32) -> Url {
        let endpoint = self.endpoint;
        let mut parameters = Vec::new();
        if endpoint.paged {
            let largest = endpoint.page_size.map_or(u32::MAX, |size| size.max);
            let page_size = page_size.get().min(largest);
            parameters.push(("page_size", page_size.to_string()));
        }
        if endpoint.include_deleted {
            parameters.push(("include_deleted", "true".to_owned()));
        }
        if let Some(after) = self.updated_after {
            parameters.push(("updated_after", after.to_string()));
        }
        if !self.ids.is_empty() {
            parameters.push(("ids", self.ids.join(",")));
        }
        if let Some(cursor) = self.cursor {
            // Unpaged endpoints declare no cursor, but two of them answer with one.
            parameters.push(("cursor", cursor.as_str().to_owned()));
        }
        let mut url = base_url.join(endpoint.path.split('/').skip(1));
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::fetch::Lane;
    use crate::ids::{Cursor, IntegrationId};
    use crate::time::UpdatedAfter;

    fn url(endpoint: &str, page_size: u32, first: bool) -> String {
        let integration = IntegrationId::new("tool:x").expect("an id");
        let cursor = Cursor::from_next("a+b/=&c").expect("not blank");
        let request = PageRequest {
            integration: &integration,
            endpoint: Catalog::embedded().find(endpoint).expect("it is there"),
            updated_after: (!first).then(|| UpdatedAfter::from_millis(1_700_000_000_007)),
            ids: if first {
                &[]
            } else {
                &["a".to_owned(), "b&c".to_owned()]
            },
            cursor: (!first).then_some(&cursor),
            lane: Lane::Backfill,
        };
        let base_url = BaseUrl::parse("https://api.kombo.dev/v1/").expect("valid");
        let page_size = NonZeroU32::new(page_size).expect("not zero");
        request.url(&base_url, page_size).to_string()
    }

    #[test]
    fn every_filter_is_sent_with_the_cursor() {
        assert_eq!(
            url("ats/applications", 250, false),
            "https://api.kombo.dev/v1/ats/applications?page_size=250&include_deleted=true\
             &updated_after=2023-11-14T22%3A13%3A20.007Z&ids=a%2Cb%26c&cursor=a%2Bb%2F%3D%26c"
        );
    }

    #[test]
    fn only_what_an_endpoint_knows_is_sent() {
        assert_eq!(
            url("hris/skills", 250, true),
            "https://api.kombo.dev/v1/hris/skills"
        );
        assert!(url("hris/skills", 250, false).ends_with("cursor=a%2Bb%2F%3D%26c"));
        assert_eq!(
            url("assessment/packages", 250, true),
            "https://api.kombo.dev/v1/assessment/packages"
        );
    }

    #[test]
    fn a_smaller_page_can_be_asked_for() {
        assert!(url("hris/employees", 10, true).contains("page_size=10&"));
    }
}
