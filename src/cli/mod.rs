//! The command line: reads arguments, does the work of a verb, returns an exit code.
//!
//! [`args`] declares verbs and flags. Each verb has a file of its name. [`Session`] builds the parts that several verbs need
//! from the configuration: the lake, the client for Kombo, the selected endpoints. [`named`] turns `--table` and
//! `--integration` into endpoints and ids. [`terminal`] and [`text_table`] know how wide the terminal is: reports are plain lines,
//! and only these two wrap, align or colour them. `progress_display` and `fold_progress` show work while it runs.
//!
//! Results go to standard output; progress, logs, warnings and errors go to standard error. A verb never ends the process:
//! it returns whether everything asked for was done, and [`main`] turns the answer into an exit code.

mod accept;
pub mod args;
mod backfill;
mod backfill_report;
mod check;
mod cli_error;
mod coverage;
mod demo;
mod drift;
mod explain;
mod failed;
mod files;
mod fold;
mod fold_progress;
mod fold_run;
mod key;
mod lake_verbs;
mod lint;
mod logs;
mod man_page;
mod missing;
mod named;
mod no_integrations;
mod output;
mod plan;
mod progress_display;
mod purge;
mod queries;
mod repair;
mod run;
mod session;
mod shell;
mod sql;
mod status;

mod terminal;
mod text_table;
mod twin;
mod upkeep;
mod validate;
mod wait_view;

use std::process::ExitCode;
use std::time::Duration;

use crate::backfill::BackfillSettings;
use crate::catalog::Catalog;
use crate::config::{Config, Overrides, generate};
use crate::metrics::{alert_file, dashboard};

use args::{Args, BackfillArgs, DemoArgs, GlobalArgs, Verb};
use cli_error::{CliError, FAILED};
use logs::LogLimit;
use session::Session;
use terminal::Terminal;

/// How long the program waits at its end for threads that still work. A second Ctrl-C must not wait for a file that is
/// still being compressed.
///
/// Not zero: threads that end in this time are joined. Otherwise they are detached, and glibc may read the memory of a thread
/// that ends at the very moment at which it is detached, after that memory is gone.
const LAST_THREADS: Duration = Duration::from_millis(250);

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::from_command_line(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => {
            let code = args::exit_code(&error);
            if error.use_stderr() {
                Terminal::stderr().print(&error.to_string());
            } else {
                // Requested help goes to standard output. A closed pipe is not a failure of the program.
                drop(error.print());
            }
            return code.into();
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
    runtime.shutdown_timeout(LAST_THREADS);
    match ended {
        Ok(code) => code.into(),
        Err(failure) => {
            Terminal::stderr().print(&format!("{failure}\n"));
            failure.exit_code.into()
        }
    }
}

async fn run(args: Args, limit: &LogLimit) -> Result<u8, CliError> {
    let Args { global, verb } = args;
    let catalog = match &global.schemas {
        Some(folder) => Catalog::from_dir(folder)?,
        None => Catalog::embedded().clone(),
    };
    let quiet = global.verbosity() < 0;
    let unwarned = |overrides: Overrides| session(&global, &overrides, &catalog);
    let session = |overrides: Overrides| unwarned(overrides).map(warned);
    let success = match verb {
        Verb::Generate => {
            output::put(generate());
            true
        }
        Verb::Dashboard => {
            output::put(dashboard());
            true
        }
        Verb::Alerts(args) => {
            print!("{}", alert_file(&args.options()));
            true
        }
        Verb::Validate(settings) => {
            validate::run(&session(settings.overrides())?)?;
            true
        }
        Verb::Check(settings) => return check::run(&session(settings.overrides())?).await,
        Verb::Backfill(args) => {
            let session = session(args.settings.overrides())?;
            interruptible(Box::pin(backfill_verb(&args, &session, quiet))).await?
        }
        Verb::Run(args) => {
            let session = || unwarned(args.settings.overrides());
            return Box::pin(run::run(args.drain_limit(), session, limit)).await;
        }
        Verb::Explain(args) => {
            let session = session(explain::overrides(&args))?;
            Terminal::stdout().print(&explain::run(&args, &session)?);
            true
        }
        // Boxed: this future would make that of every verb larger.
        Verb::Lake(verb) => Box::pin(lake_verbs::run(verb, session, quiet)).await?,
        Verb::Shell(verb) => {
            shell::run(&verb)?;
            true
        }
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
) -> Result<Session, CliError> {
    Session::new(Config::load(global.config.as_deref(), overrides)?, catalog)
}

/// Builds a session of a verb that ends, and prints who else can read its secrets or its lake. The service logs that.
fn warned(session: Session) -> Session {
    Session::warn(session.risks());
    session
}

async fn backfill_verb(
    args: &BackfillArgs,
    session: &Session,
    quiet: bool,
) -> Result<bool, CliError> {
    if args.plan {
        let (text, complete) = plan::run(session, args.confirm, args.json).await?;
        if args.json {
            print!("{text}");
        } else {
            Terminal::stdout().print(&text);
        }
        return Ok(complete);
    }
    let settings = BackfillSettings {
        want: args.mode,
        skip_newer_than: args.skip_newer_than,
        confirm: args.confirm,
        ..backfill::everything(session)
    };
    let api = session.api()?;
    let report = backfill::backfill(session, api, settings, !args.no_fold, quiet).await?;
    if args.json {
        output::line(report.json());
    } else {
        Terminal::stdout().print(&report.text());
    }
    Ok(report.is_success())
}

/// Runs the demo. Its futures are boxed, because each holds a complete session.
async fn demo_verb(args: &DemoArgs, catalog: &Catalog, quiet: bool) -> Result<bool, CliError> {
    if args.live {
        let live = interruptible(Box::pin(demo::live::prepare(args, catalog, quiet))).await?;
        return demo::watching::run(live, interrupted()).await;
    }
    let (success, text) = interruptible(Box::pin(demo::run(args, catalog, quiet))).await?;
    // The lines that are there to be copied fit into 80 columns, so that they are not wrapped.
    Terminal::stdout().print(&text);
    Ok(success)
}

/// Runs work until it is done or a signal interrupts it. Dropping the work is safe: nothing is visible before its commit.
async fn interruptible<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    tokio::select! {
        done = work => done,
        () = interrupted() => Err(CliError::new(
            INTERRUPTED,
            "interrupted; committed tables stay committed, nothing else is visible",
            "run the command again; `backfill --skip-newer-than 12h` skips the tables that are committed",
        )),
    }
}

/// The exit code that shells expect of a process that SIGINT ended: 128 + 2.
const INTERRUPTED: u8 = 130;

/// Resolves on Ctrl-C, and on SIGTERM where the system has it.
#[cfg(unix)]
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            () = ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => ctrl_c().await,
    }
}

#[cfg(not(unix))]
async fn interrupted() {
    ctrl_c().await;
}

async fn ctrl_c() {
    // Without a handler the default action of the signal ends the process as well.
    drop(tokio::signal::ctrl_c().await);
}
