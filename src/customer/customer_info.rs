//! What Kombo says of one integration, for the tables of the lake.

use super::{EndUser, ModelAccess};
use crate::ids::IntegrationId;

/// Kombo's answer about an integration, as far as it describes the customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerInfo {
    /// The integration.
    pub integration: IntegrationId,
    /// Who the customer is.
    pub end_user: EndUser,
    /// Which models can be read.
    pub models: Vec<ModelAccess>,
}
