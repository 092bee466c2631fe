//! Runs the verbs that need only a lake.

use super::args::LakeVerb;
use super::cli_error::CliError;
use super::output;
use super::session::Session;
use super::{
    accept, coverage, drift, files, fold, interruptible, lint, purge, repair, sql, status, upkeep,
};
use crate::config::Overrides;

/// Runs a verb. Returns `false` when some of the work could not be done.
pub(super) async fn run(
    verb: LakeVerb,
    open: impl Fn(Overrides) -> Result<Session, CliError>,
    quiet: bool,
) -> Result<bool, CliError> {
    let session = open(verb.overrides())?;
    match verb {
        LakeVerb::Files(args) => files::run(&args, &session).await,
        LakeVerb::Sql(args) => {
            output::put(sql::run(&args, &session)?);
            Ok(true)
        }
        LakeVerb::Status(args) => status::run(&args, &session).await,
        LakeVerb::Fold(args) => interruptible(fold::run(&args, &session, quiet)).await,
        LakeVerb::Drift(args) => drift::run(&args, &session).await,
        LakeVerb::Coverage(args) => coverage::run(&args, &session).await,
        LakeVerb::Accept(args) => accept::run(&args, &session).await,
        LakeVerb::Upkeep(args) => interruptible(upkeep::run(&args, &session)).await,
        LakeVerb::Lint(args) => lint::run(&args, &session).await,
        LakeVerb::Purge(args) => interruptible(purge::run(&args, &session)).await,
        LakeVerb::Repair(args) => interruptible(repair::run(&args, &session)).await,
    }
}
