"""Reads the files of `schemas/` without the program's code."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMAS = REPOSITORY / "schemas"


@dataclass(frozen=True)
class Field:
    """One declared field: a column, a struct's member, or a list's element (which has no name)."""

    name: str
    type: str
    midnight: bool
    """Kombo sends this date as a timestamp at midnight UTC."""
    fields: tuple["Field", ...]
    item: "Field | None"

    @staticmethod
    def read(raw: dict[str, Any]) -> "Field":
        """Reads one field as the schema files write it."""
        return Field(
            name=raw.get("name", ""),
            type=raw["type"],
            midnight=raw.get("wire") == "timestamp",
            fields=tuple(Field.read(field) for field in raw.get("fields", ())),
            item=Field.read(raw["item"]) if "item" in raw else None,
        )


@dataclass(frozen=True)
class Endpoint:
    """One list endpoint with the fields of its rows."""

    category: str
    name: str
    deprecated: bool
    updated_after: bool
    include_deleted: bool
    fields: tuple[Field, ...]
    models: tuple[tuple[str, bool | None], ...]
    """The models that concern it, and whether `updated_after` surfaces a change of each; `None` where nobody says."""

    @property
    def table(self) -> str:
        """Returns the folder of its tables in the lake."""
        return f"{self.category}_{self.name}".replace("-", "_")

    @property
    def path(self) -> str:
        """Returns `category/endpoint`."""
        return f"{self.category}/{self.name}"


def endpoints(folder: Path = SCHEMAS) -> list[Endpoint]:
    """Reads every schema file, sorted by path."""
    return [_endpoint(json.loads(file.read_text())) for file in sorted(folder.glob("*/*.json"))]


def endpoint(path: str, folder: Path = SCHEMAS) -> Endpoint:
    """Reads the schema of one `category/endpoint`."""
    return _endpoint(json.loads((folder / f"{path}.json").read_text()))


def walk(fields: tuple[Field, ...], within: str = "") -> Iterator[tuple[str, Field]]:
    """Yields every field with its path: `candidate.tags[].name`."""
    for field in fields:
        path = f"{within}.{field.name}".lstrip(".")
        yield path, field
        while field.item is not None:
            path, field = f"{path}[]", field.item
        yield from walk(field.fields, path)


def _endpoint(raw: dict[str, Any]) -> Endpoint:
    return Endpoint(
        category=raw["category"],
        name=raw["endpoint"],
        deprecated=raw["deprecated"],
        updated_after=raw["updated_after"],
        include_deleted=raw["include_deleted"],
        fields=tuple(Field.read(field) for field in raw["fields"]),
        models=tuple((model["name"], model["surfaced"]) for model in raw["models"]),
    )
