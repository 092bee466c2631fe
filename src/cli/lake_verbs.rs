//! The verbs that need only a lake.

use super::args::{FilesArgs, FilesPart, GlobalArgs, LakeVerb};
use super::failure::Failure;
use super::{
    accept, drift, files, fold, interruptible, lint, purge, repair, session, sql, status, upkeep,
};
use crate::catalog::Catalog;
use crate::config::Overrides;
use crate::lake::Part;

/// Does one. `false` when some of it could not be done.
pub(super) async fn run(
    verb: LakeVerb,
    global: &GlobalArgs,
    catalog: &Catalog,
) -> Result<bool, Failure> {
    let session = |overrides: Overrides| session(global, &overrides, catalog);
    match verb {
        LakeVerb::Files(args) => files_verb(&args, global, catalog).await,
        LakeVerb::Sql(args) => {
            let session = session(args.lake.overrides())?;
            print!("{}", sql::run(&args, &session, catalog)?);
            Ok(true)
        }
        LakeVerb::Status(args) => status::run(&args, &session(args.lake.overrides())?).await,
        LakeVerb::Fold(args) => {
            let session = session(args.lake.overrides())?;
            interruptible(fold::run(&args, &session, catalog)).await
        }
        LakeVerb::Drift(args) => drift::run(&args, &session(args.lake.overrides())?, catalog).await,
        LakeVerb::Accept(args) => {
            accept::run(&args, &session(args.lake.overrides())?, catalog).await
        }
        LakeVerb::Upkeep(args) => {
            let session = session(args.overrides())?;
            interruptible(upkeep::run(&args, &session, catalog)).await
        }
        LakeVerb::Lint(args) => lint::run(&args, &session(args.lake.overrides())?, catalog).await,
        LakeVerb::Purge(args) => {
            let session = session(args.overrides())?;
            interruptible(purge::run(&args, &session, catalog)).await
        }
        LakeVerb::Repair(args) => {
            let session = session(args.lake.overrides())?;
            interruptible(repair::run(&args, &session, catalog)).await
        }
    }
}

async fn files_verb(
    args: &FilesArgs,
    global: &GlobalArgs,
    catalog: &Catalog,
) -> Result<bool, Failure> {
    let session = session(global, &args.lake.overrides(), catalog)?;
    let parts: &[_] = match args.part {
        Some(FilesPart::Snapshots) => &[(Part::Snapshots, "snapshots")],
        Some(FilesPart::Deltas) => &[(Part::Deltas, "deltas")],
        Some(FilesPart::Current) => &[(Part::Current, "current")],
        None => &[(Part::Snapshots, "snapshots"), (Part::Deltas, "deltas")],
    };
    files::run(&session, catalog, args, parts).await
}
