"""Checks that Parquet outputs hold the values of the records. Runs in the venv of the peers, which has pyarrow.

    values.py RECORDS.ndjson SCHEMA.json CACHE OUTPUT...        an OUTPUT is KIND=PATH

KIND is `all` (every record), or `live` (a table without deleted records). The reference is written by the standard json module
and pyarrow, once, into CACHE. Prints one line an OUTPUT: `ok`, or what differs.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

PLAIN = {
    "string": pa.string(),
    "enum": pa.string(),
    "json": pa.string(),
    "timestamp": pa.timestamp("us", "UTC"),
    "date": pa.timestamp("us", "UTC"),
    "float": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
}
# The peers leave these out: one is always null here, the other always empty.
LEFT_OUT = {"integration_fields", "remote_data"}


def arrow_type(field: dict[str, Any], text: bool) -> pa.DataType:
    """Returns the type of a field; with `text`, timestamps are read as text first."""
    kind = field["type"]
    if kind == "list":
        return pa.list_(arrow_type(field["item"], text))
    if kind == "struct":
        return pa.struct([(one["name"], arrow_type(one, text)) for one in field["fields"]])
    return pa.string() if text and kind in ("timestamp", "date") else PLAIN[kind]


def fix(value: Any, field: dict[str, Any]) -> Any:
    """Returns a value with free JSON as text and instants as numbers."""
    kind = field["type"]
    if value is None:
        return None
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if kind in ("timestamp", "date"):
        from datetime import datetime

        return datetime.fromisoformat(value)
    if kind == "list":
        return [fix(one, field["item"]) for one in value]
    if kind == "struct":
        return {one["name"]: fix(value.get(one["name"]), one) for one in field["fields"]}
    return value


def reference(records: Path, schema: Path, cache: Path) -> Path:
    """Writes the reference if it is not there yet."""
    path = cache / f"{records.stem}-reference.parquet"
    if not path.exists():
        fields = [one for one in json.loads(schema.read_text())["fields"] if one["name"] not in LEFT_OUT]
        arrow = pa.schema([(one["name"], arrow_type(one, False)) for one in fields])
        unfinished = path.with_suffix(".unfinished")
        with pq.ParquetWriter(unfinished, arrow, compression="zstd") as writer, records.open() as file:
            rows: list[dict[str, Any]] = []
            for line in file:
                record = json.loads(line)
                rows.append({one["name"]: fix(record.get(one["name"]), one) for one in fields})
                if len(rows) == 10_000:
                    writer.write_table(pa.Table.from_pylist(rows, schema=arrow))
                    rows = []
            writer.write_table(pa.Table.from_pylist(rows, schema=arrow))
        unfinished.rename(path)
    return path


def sorted_by_id(table: pa.Table) -> pa.Table:
    """Returns the rows in the order of their ids."""
    return table.take(pc.sort_indices(table, sort_keys=[("id", "ascending")]))


def load(path: Path) -> pa.Table:
    """Returns the rows of a file, or of all Parquet files below a folder that are not a log."""
    if path.is_file():
        return sorted_by_id(pq.read_table(path))
    files = [str(one) for one in path.rglob("*.parquet") if not {".state", "_delta_log"} & set(one.parts)]
    files = [one for one in files if "_dlt_" not in one]
    tables = [pq.ParquetFile(one).read() for one in files]
    return sorted_by_id(pa.concat_tables(tables, promote_options="default"))


def differences(expected: pa.Table, got: pa.Table) -> list[str]:
    """Returns what is not equal, without a value."""
    if expected.num_rows != got.num_rows:
        return [f"{got.num_rows:,} rows where {expected.num_rows:,} are"]
    found = []
    for name in expected.column_names:
        if name not in got.column_names:
            found.append(f"{name} is missing")
            continue
        left, right = expected[name].combine_chunks(), got[name].combine_chunks()
        if not pa.types.is_nested(left.type) and not left.type.equals(right.type):
            right = right.cast(left.type)
        if left != right and left.to_pylist() != right.to_pylist():
            found.append(f"{name} differs")
    return found


def main() -> None:
    records, schema, cache, *outputs = sys.argv[1:]
    whole = sorted_by_id(pq.read_table(reference(Path(records), Path(schema), Path(cache))))
    live = whole.filter(pc.is_null(whole["remote_deleted_at"]))
    for one in outputs:
        kind, _, path = one.partition("=")
        try:
            found = differences(live if kind == "live" else whole, load(Path(path)))
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            found = [f"cannot be compared ({type(error).__name__})"]
        print("; ".join(found) or "ok", flush=True)


if __name__ == "__main__":
    main()
