# setup: once in each session
from datetime import date, datetime

import polars as pl

# current: one row per record, as last folded
{table} = pl.scan_delta("{current}")

# live: current, and what was observed since
current = pl.scan_delta("{current}")
deltas = pl.scan_delta("{deltas}")
holds = pl.scan_delta("{holds}")
folded = current.group_by("integration_key").agg(folded_to=pl.col("_fetched_at").max())
held = (
    holds.filter(endpoint="{endpoint}", state="held")
    .group_by("integration_key")
    .agg(held_since=pl.col("since").min())
)
newer = (
    deltas.join(folded, on="integration_key", how="left")
    .join(held, on="integration_key", how="left")
    .filter(pl.col("folded_to").is_null() | (pl.col("_fetched_at") > pl.col("folded_to")))
    .filter(
        (pl.col("_op") == "upsert")
        | pl.col("held_since").is_null()
        | (pl.col("_fetched_at") < pl.col("held_since"))
    )
    .drop("commit_date", "folded_to", "held_since")
)
{table}_live = (
    pl.concat([current, newer], how="diagonal_relaxed")
    .sort("_fetched_at")
    .unique(["integration_key", "id"], keep="last", maintain_order=True)
    .filter(pl.col("_op") == "upsert")
)

# as-of: the rows at a time, exact back to the last full fetch of each integration
snapshots = pl.scan_delta("{snapshots}")
deltas = pl.scan_delta("{deltas}")
{table}_as_of = (
    pl.concat([snapshots, deltas.drop("commit_date")], how="diagonal_relaxed")
    .filter(pl.col("_fetched_at") <= datetime.fromisoformat("{at}"))
    .sort("_fetched_at")
    .unique(["integration_key", "id"], keep="last", maintain_order=True)
    .filter(pl.col("_op") == "upsert")
)

# changes: upserts and removals since a time, the newest of each record
current = pl.scan_delta("{current}")
deltas = pl.scan_delta("{deltas}")
drift = pl.scan_delta("{drift}")
since = datetime.fromisoformat("{since}")
is_later = (pl.col("commit_date") >= since.date()) & (pl.col("_fetched_at") > since)
drifted = drift.filter((pl.col("endpoint") == "{endpoint}") & is_later)
refetched = current.join(drifted, on=["integration_key", "id"], how="semi")
{table}_changes = (
    pl.concat([refetched, deltas.filter(is_later).drop("commit_date")], how="diagonal_relaxed")
    .sort("_fetched_at")
    .unique(["integration_key", "id"], keep="last", maintain_order=True)
)

# leavers: records that are gone, and when that was seen
current = pl.scan_delta("{current}")
deltas = pl.scan_delta("{deltas}")
holds = pl.scan_delta("{holds}")
held = (
    holds.filter(endpoint="{endpoint}", state="held")
    .group_by("integration_key")
    .agg(held_since=pl.col("since").min())
)
accepted = (
    deltas.join(held, on="integration_key", how="left")
    .filter(
        (pl.col("_op") == "upsert")
        | pl.col("held_since").is_null()
        | (pl.col("_fetched_at") < pl.col("held_since"))
    )
    .drop("commit_date", "held_since")
)
{table}_leavers = (
    pl.concat([current, accepted], how="diagonal_relaxed")
    .sort("_fetched_at")
    .unique(["integration_key", "id"], keep="last", maintain_order=True)
    .filter(
        (pl.col("_op") != "upsert")
{if termination_date}        | (pl.col("termination_date") < date.today())
    )
)
