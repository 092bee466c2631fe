//! A pipeline source for [Kombo](https://www.kombo.dev), the unified API over HR, recruiting and learning systems.
//!
//! The crate turns Kombo's signed `data-changed` webhooks and scheduled full fetches into streams of Arrow record batches,
//! and commits them as Parquet files in Delta tables. The binary `kombo-source` is a thin shell over this library. The
//! manual for users of the binary is the folder `docs/` of the repository.
//!
//! # Which part do I need?
//!
//! | You want | Start at |
//! | --- | --- |
//! | rows of one endpoint as Arrow batches, without files | [`stream::fetch`] and `examples/stream_to_arrow.rs` |
//! | rows in a destination of your own | the trait [`sink::Sink`] and `examples/parquet_folder_sink.rs` |
//! | the service inside your own program | [`service::KomboSourceConfig`] and `examples/embedded_service.rs` |
//! | to verify and read Kombo's webhooks | [`webhook::Verifier`], [`webhook::Notification`] |
//! | to know which requests a webhook makes necessary | [`plan::Planner`] |
//! | to decode Kombo's JSON into Arrow | [`decode`] |
//! | the Delta tables | [`lake::Lake`] |
//!
//! # A first fetch
//!
//! ```no_run
//! use std::pin::pin;
//! use std::sync::Arc;
//!
//! use futures_util::StreamExt;
//! use kombo_source::api::{ApiKey, ApiSettings, HttpApi, Region};
//! use kombo_source::catalog::Catalog;
//! use kombo_source::fetch::{Fetch, FetchMode, Lane};
//! use kombo_source::ids::{IntegrationId, TableId};
//! use kombo_source::stream::{FetchEvent, FetchOptions, fetch};
//! use kombo_source::time::SystemClock;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = ApiKey::new(&std::env::var("KOMBO_API_KEY")?)?;
//! let api = HttpApi::new(Region::Eu.base_url(), &key, &ApiSettings::default(), Arc::new(SystemClock))?;
//! let endpoint = Catalog::embedded().find("ats/applications").ok_or("no such endpoint")?;
//! let table = TableId {
//!     integration: IntegrationId::new("greenhouse:8d1hpPsbjxUkoCoa1veLZGe5")?,
//!     endpoint: endpoint.name().clone(),
//! };
//! let snapshot = Fetch::new(table, FetchMode::Snapshot);
//! let options = FetchOptions::new(Lane::Backfill);
//! let mut events = pin!(fetch(Arc::new(api), Arc::clone(endpoint), snapshot, options, None));
//! while let Some(event) = events.next().await {
//!     match event? {
//!         FetchEvent::Batch(batch) => println!("{} rows", batch.num_rows()),
//!         // Only `End` makes the fetch complete. Throw away whatever stops before `End`.
//!         FetchEvent::End(end) => println!("complete as of {:?}", end.base),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Words
//!
//! A **table** is one endpoint of one integration (one connected customer). A **fetch** is one run over the pages of one
//! table: a **snapshot** asks for all records, a **delta** asks for the records that changed since an instant. A **base** is
//! the watermark of a table: the instant, on Kombo's clock, up to which a committed fetch covers the table. A **sink** takes
//! complete fetches and makes them durable. `docs/glossary.md` lists all terms.
//!
//! # Features
//!
//! All features are on by default.
//!
//! | Feature | Adds |
//! | --- | --- |
//! | `lake` | Delta tables on local disk, S3, GCS and Azure; the service, the backfill and the configuration file |
//! | `twin` | the built-in stand-in for Kombo, for development and tests |
//! | `cli` | the program `kombo-source` |
//!
//! Without any feature the library fetches, decodes and plans.
//!
//! # What holds everywhere
//!
//! - Cancellation is safe at every `await`. Nothing is visible in a lake before its commit.
//! - A fetch that does not reach its last page commits nothing.
//! - A base moves only in the commit of the data that the base covers.
//! - Errors, logs, metrics and `Debug` hold no secret and no value of a row.
//! - The crate contains no `unsafe` code.

pub mod api;
pub mod build_info;
pub mod catalog;
pub mod chance;
pub mod cpu;
pub mod customer;
pub mod decode;
pub mod fetch;
#[cfg(any(feature = "lake", feature = "twin"))]
mod host;
pub mod ids;
pub mod ingest;
mod json;
pub mod plan;
pub mod sample;
pub mod setting;
pub mod sink;
pub mod stream;
pub mod time;
pub mod trust;
pub mod webhook;
#[cfg_attr(
    not(feature = "cli"),
    allow(dead_code, reason = "the program says most of it")
)]
mod words;

#[cfg(feature = "lake")]
pub mod backfill;
#[cfg(feature = "lake")]
pub mod chore;
#[cfg(feature = "lake")]
pub mod config;
#[cfg(feature = "lake")]
pub mod delta;
#[cfg(feature = "lake")]
pub mod lake;
#[cfg(feature = "lake")]
pub mod listener;
#[cfg(feature = "lake")]
pub mod metrics;
#[cfg(feature = "lake")]
pub mod service;
#[cfg(feature = "lake")]
pub mod status;
#[cfg(feature = "lake")]
pub mod trouble;
#[cfg(feature = "lake")]
pub mod versions;

#[cfg(feature = "twin")]
pub mod company;
#[cfg(feature = "twin")]
pub mod twin;

#[cfg(feature = "cli")]
pub mod cli;
