//! What a command shows about waits for Kombo: in its bars, or in lines of their own where standard error is no terminal.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::terminal::Terminal;
use crate::api::{HttpApi, KomboApi, LongWaits};
use crate::time::Clock;

/// How often waits are looked for.
const EVERY: Duration = Duration::from_secs(1);

/// Returns what requests wait for, and until when; `None` while they do not wait.
pub(super) type WaitView = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// Returns the waits of a client, with their ends by `clock`.
pub(super) fn wait_view(api: &Arc<HttpApi>, clock: &Arc<dyn Clock>) -> WaitView {
    let (api, clock) = (Arc::clone(api), Arc::clone(clock));
    Arc::new(move || {
        let wait = api.waits().filter(|wait| wait.left.as_secs() > 0)?;
        Some(wait.shown(clock.now()))
    })
}

/// Does work, and meanwhile writes a line when a long wait for Kombo begins.
pub(super) async fn with_wait_lines<T>(
    api: &HttpApi,
    clock: &dyn Clock,
    work: impl Future<Output = T>,
) -> T {
    let lines = async {
        let mut long = LongWaits::default();
        loop {
            if let Some(wait) = api.waits().filter(|wait| long.begins(*wait)) {
                let shown = wait.shown(clock.now());
                Terminal::stderr().print(&format!("{shown}: no request leaves before\n"));
            }
            sleep(EVERY).await;
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        () = lines => unreachable!("the loop has no end"),
    }
}
