//! The command line: words in, work done, an exit code out.
//!
//! [`args`] declares the words. Each verb has a file; [`Session`] puts the parts together that several
//! need. What people read while it runs is in `progress`, what is left to say at the end in `report`. Results go to
//! standard output, everything else to standard error.

mod accept;
pub mod args;
mod aside;
mod backfill;
mod check;
mod demo;
mod drift;
mod explain;
mod failure;
mod files;
mod fold;
mod folding;
mod lake_verbs;
mod lint;
mod logs;
mod missing;
mod named;
mod plan;
mod progress;
mod purge;
mod queries;
mod repair;
mod report;
mod run;
mod session;
mod sql;
mod status;
mod twin;
mod upkeep;
mod validate;

use std::process::ExitCode;

use crate::backfill::BackfillSettings;
use crate::catalog::Catalog;
use crate::config::{Config, Overrides, generate};
use crate::metrics::dashboard;

use args::{Args, BackfillArgs, DemoArgs, GlobalArgs, Verb};
use failure::{FAILED, Failure};
use logs::RateLimit;
use progress::{Progress, wait_view};
use session::Session;

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::from_command_line(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => {
            // Help asked for goes to standard output; a closed pipe is not our failure.
            drop(error.print());
            return args::exit_code(&error).into();
        }
    };
    let limit = logs::start(args.global.log_format, args.global.verbosity(), &args.verb);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime does not start: {error}");
            return FAILED.into();
        }
    };
    let ended = runtime.block_on(run(args, &limit));
    // Whoever asked a second time does not wait for a file that is being compressed.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code.into(),
        Err(failure) => {
            eprintln!("{failure}");
            failure.exit_code.into()
        }
    }
}

async fn run(args: Args, limit: &RateLimit) -> Result<u8, Failure> {
    let Args { global, verb } = args;
    let catalog = match &global.schemas {
        Some(folder) => Catalog::from_dir(folder)?,
        None => Catalog::embedded().clone(),
    };
    let quiet = global.verbosity() < 0;
    let success = match verb {
        Verb::Generate => {
            print!("{}", generate());
            true
        }
        Verb::Dashboard => {
            print!("{}", dashboard());
            true
        }
        Verb::Validate(settings) => {
            validate::run(
                &session(&global, &settings.overrides(), &catalog)?,
                &catalog,
            )?;
            true
        }
        Verb::Check(settings) => {
            return check::run(&session(&global, &settings.overrides(), &catalog)?).await;
        }
        Verb::Backfill(args) => {
            let session = session(&global, &args.settings.overrides(), &catalog)?;
            interruptible(backfill_verb(&args, &session, quiet)).await?
        }
        Verb::Run(args) => return run::run(&args, &global, &catalog, limit).await,
        Verb::Explain(args) => {
            let session = session(&global, &explain::overrides(&args), &catalog)?;
            print!("{}", explain::run(&args, &session, &catalog)?);
            true
        }
        // Boxed: it would make the future of every verb larger.
        Verb::Lake(verb) => Box::pin(lake_verbs::run(verb, &global, &catalog)).await?,
        Verb::Twin(args) => {
            twin::run(&args, &catalog, interrupted()).await?;
            true
        }
        Verb::Demo(args) => demo_verb(&args, &catalog, quiet).await?,
    };
    Ok(if success { 0 } else { FAILED })
}

fn session(
    global: &GlobalArgs,
    overrides: &Overrides,
    catalog: &Catalog,
) -> Result<Session, Failure> {
    Session::new(Config::load(global.config.as_deref(), overrides)?, catalog)
}

async fn backfill_verb(
    args: &BackfillArgs,
    session: &Session,
    quiet: bool,
) -> Result<bool, Failure> {
    if args.plan {
        let (text, complete) = plan::run(session).await?;
        print!("{text}");
        return Ok(complete);
    }
    let settings = BackfillSettings {
        want: args.mode,
        skip_newer_than: args.skip_newer_than,
        confirm: args.confirm,
        concurrency: session.concurrency(),
        limits: session.limits(),
        ingest: session.config.source.ingest,
    };
    let api = session.api()?;
    let report = backfill::backfill(session, api, settings, !args.no_fold, |tables, api| {
        Progress::new(tables, quiet, wait_view(api))
    })
    .await?;
    if args.json {
        println!("{}", report.json());
    } else {
        println!("{}", report.text());
    }
    Ok(report.is_success())
}

/// Boxed inside: a whole session is in these futures.
async fn demo_verb(args: &DemoArgs, catalog: &Catalog, quiet: bool) -> Result<bool, Failure> {
    if args.live {
        let live = interruptible(Box::pin(demo::live::prepare(args, catalog, quiet))).await?;
        return live.run(interrupted()).await;
    }
    let (report, next) = interruptible(Box::pin(demo::run(args, catalog, quiet))).await?;
    println!("{}{next}", report.text());
    Ok(report.is_success())
}

/// Runs work until it is done or the person at the terminal has had enough. Dropping it is safe: what is not committed
/// is not visible.
async fn interruptible<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        () = interrupted() => Err(Failure::new(
            INTERRUPTED,
            "interrupted; tables committed before stay committed, nothing else is visible",
            "run it again with --skip-newer-than to go on where it stopped",
        )),
    }
}

/// What a shell expects of a process that SIGINT ended: 128 + 2.
const INTERRUPTED: u8 = 130;

/// Resolves with Ctrl-C, or SIGTERM where there is such a thing.
async fn interrupted() {
    let interrupt = async {
        // Without a handler the default action of the signal does the same, less politely.
        drop(tokio::signal::ctrl_c().await);
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    interrupt.await;
}
