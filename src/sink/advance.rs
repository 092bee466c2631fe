//! Bases that move without rows: what deltas that found nothing have covered.

use crate::ids::IntegrationId;
use crate::sink::Watermarks;
use crate::time::Bases;

/// Bases that a table has reached, as long as nobody commits to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The integration that the table belongs to.
    pub integration: IntegrationId,
    /// The bases. A base that is lower than the stored one changes nothing.
    pub bases: Bases,
    /// The state of the table on which these bases were reached. On any other state they may not be true: another
    /// writer's commit can hold older observations of rows that were left out here because they had not changed.
    pub watermarks: Watermarks,
}
