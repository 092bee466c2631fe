//! Asks the `duckdb` that is on this machine, where there is one. Whatever it does, the demo goes on.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Its first query may have to download an extension.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is asked whether it has ended.
const BEAT: Duration = Duration::from_millis(20);

/// Runs a query and returns what it printed; `None` where there is no such program.
pub(super) async fn ask(query: &str) -> Option<String> {
    let mut child = Command::new("duckdb")
        .args(["-c", query])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let until = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Some(printed(child.stdout.take())),
            Ok(Some(_)) => {
                let complaint = printed(child.stderr.take());
                let first = complaint.lines().next().unwrap_or("it failed").to_owned();
                return Some(format!("duckdb cannot say: {first}"));
            }
            Ok(None) if Instant::now() < until => sleep(BEAT).await,
            Ok(None) | Err(_) => {
                end(&mut child);
                let secs = PATIENCE.as_secs();
                return Some(format!("duckdb did not answer within {secs} s"));
            }
        }
    }
}

/// Returns what an ended process left in a pipe.
fn printed(pipe: Option<impl std::io::Read>) -> String {
    /// A row of four columns is far below it.
    const MOST: u64 = 16 << 10;
    let mut text = Vec::new();
    if let Some(pipe) = pipe {
        // What was read before an error is better than nothing.
        pipe.take(MOST).read_to_end(&mut text).unwrap_or_default();
    }
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

fn end(child: &mut Child) {
    // It may have ended by itself meanwhile.
    drop(child.kill());
    drop(child.wait());
}
