"""Folds a lake: from here on every table has its `current`, and `kombo_holds` and `kombo_drift` are there.

A stand-in for `kombo-source fold`, by the rules that the README states.
"""

from pathlib import Path

import deltalake
import pyarrow

INSTANT = pyarrow.timestamp("us", "UTC")
HOLDS = pyarrow.schema(
    [
        pyarrow.field("integration_key", pyarrow.string(), nullable=False),
        pyarrow.field("_integration_id", pyarrow.string(), nullable=False),
        pyarrow.field("endpoint", pyarrow.string(), nullable=False),
        pyarrow.field("state", pyarrow.string(), nullable=False),
        ("since", INSTANT),
        ("until", INSTANT),
        *((name, pyarrow.int64()) for name in ("held_rows", "removed", "nulled", "unconfirmed")),
        ("table_rows", pyarrow.int64()),
        ("columns", pyarrow.list_(pyarrow.field("element", pyarrow.string()))),
        ("cause", pyarrow.string()),
        ("detail", pyarrow.string()),
        ("decided_at", INSTANT),
        ("updated_at", INSTANT),
    ]
)
DRIFT = pyarrow.schema(
    [
        pyarrow.field("commit_date", pyarrow.date32(), nullable=False),
        *(
            pyarrow.field(name, pyarrow.string(), nullable=False)
            for name in ("integration_key", "_integration_id", "endpoint", "id", "kind", "cause")
        ),
        ("columns", pyarrow.list_(pyarrow.field("element", pyarrow.string()))),
        ("_fetched_at", INSTANT),
        ("known_fetched_at", INSTANT),
        ("changed_at", INSTANT),
        ("wrong_since", INSTANT),
        ("wrong_secs", pyarrow.int64()),
        ("_fetch_id", pyarrow.string()),
    ]
)


def fold(lake: Path) -> None:
    """Folds every table of a lake."""
    for folder in sorted(lake.glob("*/snapshots")):
        _fold_table(folder.parent)
    if not (lake / "kombo_holds").exists():
        deltalake.write_deltalake(lake / "kombo_holds", HOLDS.empty_table())
        deltalake.write_deltalake(
            lake / "kombo_drift", DRIFT.empty_table(), partition_by=["commit_date"]
        )


def _fold_table(table: Path) -> None:
    snapshots = deltalake.DeltaTable(table / "snapshots").to_pyarrow_table()
    deltas = deltalake.DeltaTable(table / "deltas").to_pyarrow_table()
    rows = pyarrow.concat_tables([snapshots, deltas.select(snapshots.column_names)])
    observed = rows.select(["integration_key", "id", "_fetched_at", "_op"]).to_pylist()
    newest: dict[tuple[str, str], int] = {}
    for at, row in enumerate(observed):
        key = (row["integration_key"], row["id"])
        if key not in newest or observed[newest[key]]["_fetched_at"] < row["_fetched_at"]:
            newest[key] = at
    kept = [at for _, at in sorted(newest.items()) if observed[at]["_op"] == "upsert"]
    deltalake.write_deltalake(
        table / "current",
        rows.take(pyarrow.array(kept, pyarrow.int64())),
        mode="overwrite",
        partition_by=["integration_key"],
    )
