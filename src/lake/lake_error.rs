//! What can go wrong with the lake. The variants say what the caller can do.

use std::sync::Arc;

use crate::delta::delta_error::DeltaError;
use crate::delta::fault::{FaultReason, ProbeStep, StoreError, StoreFault};
use crate::delta::log::LogError;
use crate::ids::IntegrationId;
use crate::lake::layout::{LakeTable, LayoutError};
use crate::lake::remedy;
use crate::setting::BadSetting;
use crate::sink::SinkCause;
use crate::time::ObservedAt;

/// Why an operation on the lake failed.
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
    /// This build may not write to a lake with this layout.
    #[error("the lake cannot be used")]
    Layout {
        /// Why.
        #[source]
        source: Arc<LayoutError>,
    },
    /// A Delta table failed.
    #[error(transparent)]
    Delta(#[from] DeltaError),
    /// The service's status document could not be put or read. Rows and bases are not affected.
    #[error("the notes of services in kombo_status cannot be written or read")]
    Notes {
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// A list of candidates could not be put, read or listed. No row is affected.
    #[error(
        "{key}, a list of integrations that Kombo has not confirmed, cannot be read or written"
    )]
    Candidates {
        /// The key of the object or the folder.
        key: String,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// An object is not a list of candidates. It stays as it is.
    #[error("{key} is damaged: it is not a list of integrations that Kombo has not confirmed")]
    DamagedCandidates {
        /// The key of the object.
        key: String,
    },
    /// An object of the lease could not be put, read or listed. No row is affected.
    #[error("the lease in kombo_lease cannot be read or written")]
    Lease {
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// The columns of a batch differ from the schema of its endpoint.
    #[error("the columns of a batch differ from the columns of {table}")]
    Columns {
        /// The table's folder.
        table: String,
    },
    /// A batch holds rows of another integration. No row of the batch was kept.
    #[error("a batch for {table} holds rows of another integration; no row of the batch was kept")]
    ForeignRows {
        /// The table's folder.
        table: String,
    },
    /// Two integration ids have the same key. Storing both would mix the rows of two customers.
    #[error(
        "the key {key} belongs to the integration {holder} already; this integration is refused, because the rows of both would be mixed"
    )]
    KeyClash {
        /// The key of both.
        key: String,
        /// The integration that has the key.
        holder: IntegrationId,
    },
    /// A table's last observation is years ahead of this machine's clock. Nothing was fetched or written.
    #[error(
        "the last observation of {table} is dated {until}, which is in the future by this machine's clock; nothing was fetched"
    )]
    Ahead {
        /// The table.
        table: String,
        /// The time of the last observation.
        until: ObservedAt,
    },
    /// The document of a repair under way could not be read or put. The tables of that repair are unchanged.
    #[error("the repair document {key} cannot be read or written")]
    Repair {
        /// The document's key.
        key: String,
        /// Why.
        #[source]
        source: StoreFault,
    },
    /// A repair of a table began, and is not complete.
    #[error("a repair of {table} began and is not complete")]
    UnderRepair {
        /// The table's folder.
        table: String,
    },
    /// The fetch is incomplete: a batch failed to reach the lake. No part of the fetch is visible.
    #[error("a part of the fetch did not reach the lake; no part of it is visible")]
    Torn,
}

impl LakeError {
    /// Returns whether the same operation may succeed later without anyone's help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Delta(error) => error.is_retryable(),
            Self::Torn => true,
            _ => self.fault().is_some_and(StoreFault::is_retryable),
        }
    }

    /// Returns where the cause is, for a caller that knows no lake.
    #[must_use]
    pub(crate) fn sink_cause(&self) -> SinkCause {
        if self.is_damage() {
            SinkCause::Damage
        } else if self.fault().is_some() {
            SinkCause::Store
        } else {
            SinkCause::Other
        }
    }

    /// Returns whether the configuration has to change first: exit code 78.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Layout { source } => !matches!(**source, LayoutError::Store { .. }),
            Self::Open { source } => !matches!(**source, StoreError::Probe { .. }),
            _ => false,
        }
    }

    /// Returns what the operator should do.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Open { source } => self.advice_of_open(source),
            Self::Setting(_) => "correct the setting that the error names",
            Self::Layout { source } => match **source {
                LayoutError::Other { .. } => {
                    "set `url` of the sink (or --lake-url) to a new folder and run `kombo-source backfill` with an --integration for each customer, because a new lake knows none; the old lake stays unchanged, and the build that wrote it can still read it"
                }
                LayoutError::NoPutIfAbsent => {
                    "use a store that honours put-if-absent: S3, GCS, Azure, a recent MinIO, or a local disk"
                }
                LayoutError::Lost { .. } => {
                    "put kombo_layout.json back from a backup; without a backup, write {\"layout_version\":3} into it"
                }
                LayoutError::Garbled => "set `url` of the sink to a lake or to an empty folder",
                _ => self.fault_advice(),
            },
            Self::Delta(DeltaError::Log { source, .. }) => match **source {
                LogError::Schema { .. } | LogError::Partitioning { .. } => {
                    "another program wrote this table, or a build with other schemas: set `url` of the sink to another folder"
                }
                LogError::Protocol { .. } => {
                    "do not let other programs write to the lake's tables, or set `url` of the sink to another folder"
                }
                LogError::Damaged { .. } => remedy::OF_DAMAGE,
                // The lake's layout was read, so its bucket is there.
                _ if source.is_of_missing_file() => remedy::OF_DAMAGE,
                _ => self.fault_advice(),
            },
            Self::Delta(DeltaError::Download { source, .. })
                if source.reason() == FaultReason::NotFound =>
            {
                remedy::OF_DAMAGE
            }
            Self::Delta(DeltaError::DamagedFile { .. }) => remedy::OF_CONTENT,
            Self::Delta(error) if error.is_decoding() => remedy::OF_CONTENT,
            Self::UnderRepair { .. } => remedy::OF_REPAIR,
            Self::Torn | Self::Delta(DeltaError::Closed | DeltaError::Contended { .. }) => {
                "run again; running again is safe, because the lake is read first"
            }
            Self::Delta(DeltaError::Parquet { .. })
            | Self::Columns { .. }
            | Self::ForeignRows { .. } => "this is a bug in kombo-source: please report it",
            Self::Ahead { .. } => {
                "check this machine's clock; if it is right, run `kombo-source repair`, which lists what it would change, and then again with --yes"
            }
            Self::KeyClash { .. } => "use a separate lake for one of the two integrations",
            Self::DamagedCandidates { .. } => {
                "delete this file; a new customer whom it named is found by Kombo's next webhook, or with `kombo-source backfill --integration ID`"
            }
            Self::Delta(_)
            | Self::Repair { .. }
            | Self::Notes { .. }
            | Self::Candidates { .. }
            | Self::Lease { .. } => self.fault_advice(),
        }
    }

    /// Returns whether a log entry or a data file is missing or is not what was written. Such damage does not pass by
    /// itself, and other files may be intact.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Delta(error) => error.is_damage(),
            Self::UnderRepair { .. } => true,
            _ => false,
        }
    }

    /// Returns whether the damage ([`LakeError::is_damage`]) is in this table.
    pub(crate) fn is_damage_of(&self, table: &LakeTable) -> bool {
        let Self::Delta(error) = self else {
            return false;
        };
        error.is_damage() && error.table() == Some(table.to_string().as_str())
    }

    /// Returns whether the work stopped because the process is shutting down.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Delta(DeltaError::Closed))
    }

    /// Returns whether the rows themselves could not be written. Where fetches share a file, the fault is then with
    /// the rows of one of them.
    pub(crate) fn is_of_rows(&self) -> bool {
        matches!(
            self,
            Self::Delta(DeltaError::Parquet { .. })
                | Self::Columns { .. }
                | Self::ForeignRows { .. }
        )
    }

    /// Returns whether the store does not have a file that it accepted.
    pub(crate) fn is_lost_file(&self) -> bool {
        let fault = self.fault().map(StoreFault::reason);
        matches!(self, Self::Delta(DeltaError::Upload { .. })) && fault == Some(FaultReason::Lost)
    }

    pub(crate) fn open(source: StoreError) -> Self {
        // A store that overwrites has one sentence and one cure, whoever noticed it.
        if let StoreError::Probe {
            step: ProbeStep::CreateAgain,
            source: None,
        } = source
        {
            return Self::layout(LayoutError::NoPutIfAbsent);
        }
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
            Self::Repair { source, .. }
            | Self::Candidates { source, .. }
            | Self::Notes { source }
            | Self::Lease { source } => Some(source),
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

    fn advice_of_open(&self, source: &StoreError) -> &'static str {
        match *source {
            StoreError::Location => "correct `url` of the sink",
            StoreError::UnknownOption { .. } | StoreError::Options { .. } => {
                "correct `options` of the sink"
            }
            StoreError::Trust { fault } => fault.advice(),
            StoreError::Probe { step, ref source } => {
                let fault = source.as_ref().map(StoreFault::reason);
                if fault.is_none_or(FaultReason::is_general) {
                    step.advice()
                } else {
                    self.fault_advice()
                }
            }
            _ => self.fault_advice(),
        }
    }

    fn fault_advice(&self) -> &'static str {
        match self.fault().map(StoreFault::reason) {
            Some(FaultReason::StorageFull) => "free space on the lake's disk, then run again",
            Some(FaultReason::ReadOnly) => {
                "mount the lake's disk for writing (mount -o remount,rw), or set `url` of the sink to another folder"
            }
            Some(FaultReason::ClockSkew) => {
                "set this machine's clock right: the store accepts a request within 15 minutes of its own time"
            }
            Some(FaultReason::NoBucket) => {
                "create the bucket or container, or correct `url` of the sink"
            }
            Some(FaultReason::OtherRegion) => {
                "set the region of the bucket: `aws_region` in the sink's options, or AWS_REGION"
            }
            Some(FaultReason::Throttled) => {
                "a running service tries again by itself; run a command again later"
            }
            Some(FaultReason::Lost) => {
                "run again: what is missing is fetched again; if it comes again, the store loses what it accepts, or another program deletes files of the lake"
            }
            Some(FaultReason::Trust(fault)) => fault.advice(),
            Some(FaultReason::PermissionDenied) => {
                "allow these credentials to get, put, list and delete below the lake's address"
            }
            Some(FaultReason::FolderDenied) => {
                "give the lake's folder to the user that runs this program (chown -R USER FOLDER), or run the program as the owner of the folder"
            }
            Some(FaultReason::NotFollowed) => {
                "move the real folder or file back in place of the link; only the lake's own folder may be a link, and another disk can be mounted there"
            }
            Some(FaultReason::Unauthenticated | FaultReason::Expired) => {
                "give the store's credentials in the environment (AWS_*, GOOGLE_*, AZURE_*) or in the sink's options"
            }
            Some(FaultReason::Unsupported) => "use a store that supports put-if-absent",
            Some(FaultReason::NotFound) => "check that nothing else deletes files of the lake",
            Some(FaultReason::Unreachable) => "check the network and the store, then run again",
            _ => "run again; if it fails again, run `kombo-source check`",
        }
    }
}
