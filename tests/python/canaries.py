"""Searches every byte below a folder for marks: names of files, plain bytes, and values of Parquet files decoded."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet


def found(folder: Path, marks: Iterable[str]) -> dict[str, list[str]]:
    """Returns, for each mark, the files that hold it: in the path, in their bytes or in their decoded content."""
    wanted = list(marks)
    where: dict[str, list[str]] = {mark: [] for mark in wanted}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        texts = [name]
        if path.is_file():
            data = path.read_bytes()
            texts += [data.decode("latin-1"), data.decode("utf-8", "replace")]
            if data.startswith(b"PAR1"):
                texts += decoded(data)
        texts = [text.lower() for text in texts]
        for mark in wanted:
            if any(mark.lower() in text for text in texts):
                where[mark].append(name)
    return {mark: names for mark, names in where.items() if names}


def decoded(data: bytes) -> Iterator[str]:
    """Yields what a Parquet file holds: the values of each column, the metadata and the statistics of each column."""
    file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
    yield str(file.schema_arrow) + str(file.metadata.metadata)
    for group in range(file.metadata.num_row_groups):
        for column in range(file.metadata.num_columns):
            yield str(file.metadata.row_group(group).column(column).statistics)
    for column in file.read().columns:
        yield str(column.to_pylist())
