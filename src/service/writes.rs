//! What the loop has written: the registry, the candidates, the hints and the notes. Each write runs beside the loop, and
//! the loop takes in its result.

use std::io;

use super::run::{Service, TICK, TaskReport};
use crate::api::KomboApi;
use crate::cpu::CpuWork;
use crate::sink::{Registry, Sink};
use crate::status::Notes;
use crate::time::Moment;
use crate::trouble::Trouble;

impl<A, S> Service<A, S>
where
    A: KomboApi + 'static,
    S: Sink + Registry + Clone + 'static,
{
    /// Writes the changed integrations to the registry, all in one log entry. Reads the registry first if that failed
    /// at the start.
    pub(super) fn save(&mut self) {
        if !self.registrar.is_free() {
            return;
        }
        if self.registrar.is_unread {
            let endpoints = self.dispatch.rules.endpoints.clone();
            let read = self.registrar.read(self.sink().clone(), endpoints);
            self.runner.beside(read, TaskReport::Registered);
            return;
        }
        let unsaved = self.dispatch.unsaved();
        if unsaved.is_empty() {
            return;
        }
        let save = self.registrar.save(self.sink().clone(), unsaved);
        self.runner.beside(save, TaskReport::Saved);
    }

    /// Writes the issues that wait, and the list of candidates if it has changed.
    pub(super) fn keep(&mut self, now: Moment) {
        self.keep_issues();
        if !self.candidate_writes.is_free() {
            return;
        }
        let sink = self.sink().clone();
        if let Some(read) = self.candidate_writes.read(sink.clone()) {
            self.runner.beside(read, TaskReport::Recalled);
        } else if let Some(list) = self.dispatch.unkept(now) {
            let write = self.candidate_writes.write(sink, list);
            self.runner.beside(write, TaskReport::Kept);
        }
    }

    /// Writes the hint file if the announced tables have changed.
    pub(super) fn write_hints(&mut self) {
        let hinted = self.dispatch.announced();
        if hinted == self.hinted || self.hinting {
            return;
        }
        self.hinting = true;
        let (hints, tables) = (self.hints.clone(), hinted.clone());
        self.hinted = hinted;
        let write = async move {
            let written = CpuWork::begin(move || hints.write(&tables)).await;
            written.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
        };
        self.runner.beside(write, TaskReport::Hinted);
    }

    /// Writes the notes at once when a wait of all requests begins. Otherwise `status` would not show it for a minute.
    pub(super) fn note_wait(&mut self, now: Moment) {
        let long = self.api().waits().filter(|wait| wait.left > TICK);
        let reason = long.map(|wait| wait.reason);
        if reason.is_some() && reason != self.noted_wait {
            self.put_notes(now);
        }
        self.noted_wait = reason;
    }

    /// Returns the notes: what the dispatcher knows, the troubles, and whose notes they are.
    pub(super) fn notes(&self, now: Moment) -> Notes {
        let lasting = self.vitals.troubles().lasting();
        Notes {
            // By the clock of this machine, on which `status` usually runs as well.
            written_ms: self.clock.now().as_millis(),
            instance: self.vitals.instance().to_string(),
            started_ms: self.vitals.began().as_millis(),
            troubles: lasting.iter().map(Trouble::note).collect(),
            ..self.dispatch.notes(now, self.api().waits())
        }
    }

    /// Writes the notes for `status` to the sink, unless a write of them is still running.
    pub(super) fn put_notes(&mut self, now: Moment) {
        if std::mem::replace(&mut self.noting, true) {
            return;
        }
        let notes = self.notes(now).to_bytes();
        let (sink, instance) = (self.sink().clone(), self.vitals.instance().clone());
        let put = async move { sink.put_notes(&instance, notes).await };
        self.runner.beside(put, TaskReport::Noted);
    }
}
