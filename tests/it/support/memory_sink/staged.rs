//! A complete fetch that is compared with what the sink knows and then committed.

use super::*;

impl Staged for MemoryStaged {
    async fn missing(&mut self, limit: usize, random: Rng) -> Result<MissingRows, SinkError> {
        if self.fetch.mode != FetchMode::Snapshot {
            return Ok(MissingRows::default());
        }
        let kept = self.sink.kept(&self.fetch.table);
        let (missing, shown) = self.lacks(&kept);
        self.shown = shown;
        sleep(self.sink.compare_wait).await;
        Ok(MissingRows {
            shown: self.shown.len() as u64,
            as_of: kept.coverage.watermarks.deltas,
            ..MissingRows::of(missing, limit, random)
        })
    }

    async fn lacked_twice(&mut self, ids: mpsc::Sender<Vec<String>>) -> Result<(), SinkError> {
        let (missing, _) = self.lacks(&self.sink.kept(&self.fetch.table));
        for id in missing.into_iter().filter(|id| id.lacked_twice) {
            if ids.send(vec![id.id]).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn tombstones(&mut self, rows: mpsc::Sender<RecordBatch>) -> Result<(), SinkError> {
        for batch in &self.batches {
            let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>();
            let (ids, ops) = (text("id"), text("_op"));
            let wanted: BooleanArray = (0..batch.num_rows())
                .map(|row| Some(ops.value(row) != "upsert" && self.shown.contains(ids.value(row))))
                .collect();
            let found = filter_record_batch(batch, &wanted).unwrap();
            if found.num_rows() > 0 && rows.send(found).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn take_over(&mut self) -> Result<(), SinkError> {
        let mut tables = self.sink.tables();
        let kept = tables.entry(self.fetch.table.clone()).or_default();
        let replaced = kept.snapshot.clone();
        kept.taken_over.get_or_insert_default().extend(replaced);
        Ok(())
    }

    fn note(&mut self, provenance: Provenance) {
        self.provenance = provenance;
    }

    async fn commit(self) -> Result<Receipt, SinkError> {
        self.sink.up_to(60).await;
        sleep(match self.fetch.mode {
            FetchMode::Snapshot => self.sink.snapshot_wait,
            FetchMode::Delta { .. } => self.sink.delta_wait,
        })
        .await;
        if self.sink.start(&self.fetch) != self.start || !self.is_later() {
            return Ok(Receipt::Superseded);
        }
        let rows = ids(&self.batches).len() as u64;
        let (mode, end) = (self.fetch.mode, self.end);
        let mut tables = self.sink.tables();
        let kept = tables.entry(self.fetch.table).or_default();
        let moved = kept.coverage.commit(mode, &end);
        match mode {
            FetchMode::Snapshot => {
                let since = observations(&self.batches).min().unwrap_or(end.seen);
                let is_known = self.sink.folds || kept.taken_over.is_some();
                kept.looks = Some(Looks::following(since, kept.looks.filter(|_| is_known)));
                let before = std::mem::replace(&mut kept.snapshot, self.batches);
                kept.replaced.extend(before);
                kept.provenance = self.provenance;
            }
            FetchMode::Delta { .. } => {
                kept.deltas.extend(self.batches);
                for (tier, base) in mode.moves().zip(end.base.into_iter().cycle()) {
                    kept.delta_bases.raise(tier, base);
                }
            }
        }
        Ok(Receipt::Committed {
            version: 0,
            rows,
            files: 0,
            bytes: 0,
            seen: moved,
        })
    }
}

impl MemoryStaged {
    /// Returns the rows that the sink knows as present and that this snapshot lacks, and the known rows that the
    /// snapshot shows as deleted.
    fn lacks(&self, kept: &Kept) -> (Vec<MissingRow>, BTreeSet<String>) {
        let since = observations(&self.batches).min().unwrap_or(self.end.seen);
        let sees_all = self.sink.folds || kept.taken_over.is_some();
        let replaced = kept.replaced.iter().filter(|_| self.sink.folds);
        let replaced = replaced
            .chain(kept.taken_over.iter().flatten())
            .chain(&kept.snapshot);
        let live = kept.looks.filter(|_| !sees_all).map(|looks| looks.since);
        let known = newest(replaced, &kept.deltas, live);
        lacks(known, &self.batches, since, kept.looks)
    }

    /// Returns whether all rows of a delta are later than all earlier rows.
    fn is_later(&self) -> bool {
        let (seen, _) = self.start;
        let first = observations(&self.batches).min();
        self.fetch.mode == FetchMode::Snapshot || first.is_none_or(|first| Some(first) > seen)
    }
}
