//! Runs a query with the `duckdb` of this machine, where there is one. The demo goes on whatever `duckdb` does.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long `duckdb` may take. Its first query may have to download an extension.
const PATIENCE: Duration = Duration::from_secs(10);

/// Interval between two checks whether `duckdb` has ended.
const BEAT: Duration = Duration::from_millis(20);

/// Runs a query and returns the output of `duckdb`; `None` where there is no such program.
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

/// Returns the output of an ended process from a pipe.
fn printed(pipe: Option<impl std::io::Read>) -> String {
    /// Most bytes that are read. A row of four columns has far fewer.
    const MOST: u64 = 16 << 10;
    let mut text = Vec::new();
    if let Some(pipe) = pipe {
        // The part before an error is better than nothing.
        pipe.take(MOST).read_to_end(&mut text).unwrap_or_default();
    }
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

fn end(child: &mut Child) {
    // The process may have ended by itself meanwhile.
    drop(child.kill());
    drop(child.wait());
}
