//! Streams one table from Kombo as Arrow record batches. No lake, no files.
//!
//! ```console
//! $ export KOMBO_API_KEY=...
//! $ cargo run --example stream_to_arrow -- personio:CBNMt7dSNCzBdnRTx87dev4E hris/employees
//! ```
//!
//! `KOMBO_API_URL` replaces the address of the European region, for example by the address that `kombo-source twin` prints.
//! Row counts go to standard output; replace the `println!` by your own code.

use std::env;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;
use kombo_source::api::{ApiKey, ApiSettings, BaseUrl, HttpApi, Region};
use kombo_source::catalog::Catalog;
use kombo_source::fetch::{Fetch, FetchMode, Lane};
use kombo_source::ids::{IntegrationId, TableId};
use kombo_source::stream::{FetchEvent, FetchOptions, fetch};
use kombo_source::time::SystemClock;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let integration = IntegrationId::new(&args.next().ok_or("the integration id is missing")?)?;
    let name = args.next().ok_or("the endpoint is missing")?;
    let endpoint = Catalog::embedded().find(&name).ok_or("no such endpoint")?;

    let url = match env::var("KOMBO_API_URL") {
        Ok(url) => BaseUrl::parse(&url)?,
        Err(_) => Region::Eu.base_url(),
    };
    // The key comes from the environment: arguments are visible to every user of a machine.
    let key = ApiKey::new(&env::var("KOMBO_API_KEY")?)?;
    let api = HttpApi::new(url, &key, &ApiSettings::default(), Arc::new(SystemClock))?;

    let table = TableId {
        integration,
        endpoint: endpoint.name().clone(),
    };
    // A delta asks for changes only: `FetchMode::Delta { updated_after }`.
    let snapshot = Fetch::new(table, FetchMode::Snapshot);
    let options = FetchOptions::new(Lane::Backfill);
    let mut events = pin!(fetch(
        Arc::new(api),
        Arc::clone(endpoint),
        snapshot,
        options,
        None,
    ));
    let mut rows = 0;
    while let Some(event) = events.next().await {
        match event? {
            // Columns are Kombo's, typed and nested, after the system columns of this crate.
            FetchEvent::Batch(batch) => {
                rows += batch.num_rows();
                println!("{} rows, {} columns", batch.num_rows(), batch.num_columns());
            }
            // Only `End` makes the fetch complete. A stream that stops before `End` has to be thrown away.
            FetchEvent::End(end) => {
                println!("complete: {rows} rows, base {:?}", end.base);
            }
            _ => {}
        }
    }
    Ok(())
}
