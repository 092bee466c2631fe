//! What can go wrong at the lake as a whole, by what the caller can do about it.

use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::fault::{FaultReason, StoreError, StoreFault};
use crate::delta::log::LogError;
use crate::ids::IntegrationId;
use crate::lake::layout::{LakeTable, LayoutError};
use crate::lake::remedy;
use crate::setting::BadSetting;
use crate::time::ObservedAt;

/// Why the lake did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LakeError {
    /// The lake's location or its store is not usable.
    #[error("the lake cannot be opened")]
    Open {
        /// Why.
        #[source]
        source: Arc<StoreError>,
    },
    /// A setting that cannot be used.
    #[error(transparent)]
    Setting(BadSetting),
    /// The lake's layout is not one this build may write to.
    #[error("the lake cannot be used")]
    Layout {
        /// Why.
        #[source]
        source: Arc<LayoutError>,
    },
    /// A Delta table failed.
    #[error(transparent)]
    Delta(#[from] DeltaError),
    /// The service's notes could not be put or read. Rows and bases are not concerned.
    #[error("the notes of the service at kombo_status.json cannot be put or read")]
    Notes {
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// A batch has other columns than its endpoint's schema.
    #[error("a batch does not have the columns of {table}")]
    Columns {
        /// The table's folder.
        table: String,
    },
    /// A batch holds rows of another integration. Nothing of it was kept.
    #[error("a batch for {table} holds rows of another integration; nothing of it was kept")]
    ForeignRows {
        /// The table's folder.
        table: String,
    },
    /// Two integration ids have the same key. Storing both would mix two customers' rows.
    #[error(
        "its key {key} belongs to the integration {holder} already; rows of both would be mixed, so this one is refused"
    )]
    KeyClash {
        /// The key.
        key: String,
        /// Whose it is.
        holder: IntegrationId,
    },
    /// A table's last observation is years ahead of this machine's clock. Nothing was fetched, and nothing was written.
    #[error(
        "the last observation of {table} is of {until}, which this machine's clock puts in the future; nothing was fetched"
    )]
    Ahead {
        /// The table.
        table: String,
        /// Its last observation.
        until: ObservedAt,
    },
    /// The notes of a repair that is under way could not be read or put. What they are about is as it was.
    #[error("the notes of a repair at {key} cannot be read or put")]
    Repair {
        /// Their key.
        key: String,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// A batch of the fetch was not taken in, so that the fetch is not whole. Nothing of it is visible.
    #[error("a part of the fetch did not reach the lake; nothing of it is visible")]
    Torn,
}

impl LakeError {
    /// Returns whether the same work may succeed later without anyone doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Delta(error) => error.is_retryable(),
            Self::Torn => true,
            _ => self.fault().is_some_and(StoreFault::is_retryable),
        }
    }

    /// Returns whether configuration has to change before anything works: exit code 78.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Layout { source } => !matches!(**source, LayoutError::Store { .. }),
            Self::Open { source } => !matches!(**source, StoreError::Probe { .. }),
            _ => false,
        }
    }

    /// Returns what to do, for people.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Open { source } => match **source {
                StoreError::Location => "correct the sink's url",
                StoreError::UnknownOption { .. } | StoreError::Options { .. } => {
                    "correct the sink's options"
                }
                _ => self.fault_advice(),
            },
            Self::Setting(_) => "correct the setting",
            Self::Layout { source } => match **source {
                LayoutError::Other { .. } => {
                    "set the sink's url (or --lake-url) to a new folder and run `kombo-source backfill`, which fetches everything into it; this lake is left as it is for the build that wrote it"
                }
                LayoutError::NoPutIfAbsent => {
                    "use a store that honours put-if-absent: S3, GCS, Azure, a recent MinIO, or a local disk"
                }
                LayoutError::Garbled => "point the sink's url at a lake, or at an empty place",
                _ => self.fault_advice(),
            },
            Self::Delta(DeltaError::Log { source, .. }) => match **source {
                LogError::Schema { .. } | LogError::Partitioning { .. } => {
                    "the table was not written by this program, or by one whose schemas do not go with these: use another url"
                }
                LogError::Protocol { .. } => {
                    "let no other program write the lake's tables, or use another url"
                }
                LogError::Damaged { ref table, .. } => remedy::of_table(table),
                _ => self.fault_advice(),
            },
            Self::Delta(DeltaError::Download { table, source, .. })
                if source.reason() == FaultReason::NotFound =>
            {
                remedy::of_table(table)
            }
            Self::Delta(DeltaError::DamagedFile { table, .. }) => remedy::of_table(table),
            Self::Torn | Self::Delta(DeltaError::Closed | DeltaError::Contended { .. }) => {
                "run again: the lake is read first"
            }
            Self::Delta(DeltaError::Parquet { .. })
            | Self::Columns { .. }
            | Self::ForeignRows { .. } => "this is a fault of kombo-source: please report it",
            Self::Ahead { .. } => {
                "check this machine's clock; if it is right, `kombo-source repair` says what it would mend, and with --yes mends it"
            }
            Self::KeyClash { .. } => "use a lake of its own for one of the two integrations",
            Self::Delta(_) | Self::Repair { .. } | Self::Notes { .. } => self.fault_advice(),
        }
    }

    /// Returns whether a log entry or a data file is missing or is not what was written: that does not pass by itself, and
    /// says nothing of other files.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Delta(error) if error.is_damage())
    }

    /// Returns whether it is this table that is damaged ([`LakeError::is_damage`]).
    pub(crate) fn is_damage_of(&self, table: &LakeTable) -> bool {
        let Self::Delta(error) = self else {
            return false;
        };
        error.is_damage() && error.table() == Some(table.to_string().as_str())
    }

    /// Returns whether the work was given up because the process goes down.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Delta(DeltaError::Closed))
    }

    /// Returns whether it is the rows themselves that could not be written: those of one of many that share a file.
    pub(crate) fn is_of_rows(&self) -> bool {
        matches!(
            self,
            Self::Delta(DeltaError::Parquet { .. })
                | Self::Columns { .. }
                | Self::ForeignRows { .. }
        )
    }

    pub(crate) fn open(source: StoreError) -> Self {
        Self::Open {
            source: Arc::new(source),
        }
    }

    pub(crate) fn layout(source: LayoutError) -> Self {
        Self::Layout {
            source: Arc::new(source),
        }
    }

    fn fault(&self) -> Option<&StoreFault> {
        match self {
            Self::Delta(error) => error.fault(),
            Self::Repair { source, .. } | Self::Notes { source } => Some(source),
            Self::Open { source } => match &**source {
                StoreError::Folder { source } => Some(source),
                StoreError::Probe { source, .. } => source.as_ref(),
                _ => None,
            },
            Self::Layout { source } => match &**source {
                LayoutError::Store { source } => Some(source),
                _ => None,
            },
            _ => None,
        }
    }

    fn fault_advice(&self) -> &'static str {
        match self.fault().map(StoreFault::reason) {
            Some(FaultReason::StorageFull) => "free space on the lake's disk, then run again",
            Some(FaultReason::PermissionDenied) => {
                "allow this user or these credentials to read and write the lake"
            }
            Some(FaultReason::Unauthenticated) => {
                "give the store's credentials in the environment (AWS_*, GOOGLE_*, AZURE_*) or in the sink's options"
            }
            Some(FaultReason::Unsupported) => "use a store that supports put-if-absent",
            Some(FaultReason::NotFound) => {
                "check that the bucket exists and that nothing else deletes files of the lake"
            }
            Some(FaultReason::Unreachable) => "check the network and the store, then run again",
            _ => "run again; if it fails again, run `kombo-source check`",
        }
    }
}
