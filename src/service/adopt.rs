//! A reload reaches the loop: new rules, and a new client for Kombo where the key or a request option has changed.

use std::sync::Arc;

use tracing::debug;

use super::control::{Command, Parts};
use super::looks::FirstKey;
use super::run::Service;
use super::slots::Slots;
use crate::api::KomboApi;
use crate::ingest::Ingest;
use crate::sink::{Registry, Sink};

impl<A, S> Service<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Registry + Clone + 'static,
{
    /// Works by the new rules from now on. Running fetches end under the old ones.
    pub(super) fn command(&mut self, command: Command<A>) {
        let Command {
            rules,
            held,
            registered,
            parts,
            adopted,
        } = command;
        if let Some(Parts {
            api,
            limits,
            ingest,
            concurrency,
        }) = parts
        {
            // The row memory of the old `Ingest` is dropped with it. A few unchanged rows are written again.
            self.questions.swap(Arc::clone(&api));
            self.runner.ingest = Ingest::new(api, self.sink().clone(), limits, ingest);
            self.runner.slots = Slots::new(concurrency);
            self.dispatch.key_changed();
            self.first_key = FirstKey::Over;
            self.ask_for_key();
        }
        let now = self.now();
        self.dispatch.key_untried();
        // A registry that cannot be read now is read again later, as at a start.
        self.registrar.is_unread |= registered.is_none();
        let registered = registered.unwrap_or_default();
        (self.dispatch).reload(rules, &registered, |table| held.of(table), now);
        self.gauge(now);
        self.metrics.reloaded();
        debug!(
            tables = self.dispatch.tables.len(),
            "new configuration adopted"
        );
        if adopted.send(()).is_err() {
            debug!("whoever asked for the reload does not wait for it any more");
        }
    }
}
