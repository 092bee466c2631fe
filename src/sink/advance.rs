//! Bases that move without rows: what a delta covers that brought no changed row.

use crate::ids::IntegrationId;
use crate::sink::Watermarks;
use crate::time::Bases;

/// Bases that a table has reached. They are true only as long as no writer commits to the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The integration that the table belongs to.
    pub integration: IntegrationId,
    /// The reached bases. A base that is lower than the stored base changes nothing.
    pub bases: Bases,
    /// The watermarks of the table when these bases were reached. With any other watermarks the bases may not be true:
    /// the commit of another writer may hold older observations of rows that this delta dropped as unchanged.
    pub watermarks: Watermarks,
}
