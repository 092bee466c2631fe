"""SQL for engines that cannot run here, translated by sqlglot and run by DuckDB.

This proves that sqlglot parses every statement except the registrations in the engine's dialect, and that the rows are
right. It does not prove that the engine accepts the statement.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import duckdb
import sqlglot

from engines import CREATED, duckdb_rows, statements
from readers import Row, duckdb_with_extensions


@dataclass(frozen=True)
class Translated:
    """One engine."""

    name: str
    catalog: str
    """What stands before the names of tables."""
    registration: re.Pattern[str]
    """A table's name and place."""

    def rows(self, lake: Path, text: str) -> list[Row]:
        """Registers the tables, and returns the rows of the last statement."""
        connection = duckdb_with_extensions().cursor()
        _with_schema(connection)
        query = None
        for statement in statements(text):
            if registered := self.registration.fullmatch(re.sub(r"\s+", " ", statement)):
                table, place = registered.groups()
                # Snowflake's paths are relative to its volume.
                uri = place if place.startswith("/") else f"{lake}/{place}"
                connection.execute(
                    f"CREATE OR REPLACE VIEW {self.catalog}{table} AS FROM delta_scan('{uri}')"
                )
            elif not statement.startswith(("CREATE SCHEMA", "CREATE DATABASE", "CREATE CATALOG")):
                (translated,) = sqlglot.transpile(statement, read=self.name, write="duckdb")
                # DuckDB's BY NAME fills missing columns as BigQuery's FULL OUTER does.
                translated = translated.replace("FULL OUTER UNION", "UNION")
                connection.execute(translated)
                created = CREATED.match(statement)
                query = f"SELECT * FROM {created.group(1)}" if created else translated
        assert query is not None
        return duckdb_rows(connection.execute(query))


def _with_schema(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("ATTACH IF NOT EXISTS ':memory:' AS delta")
    connection.execute("CREATE SCHEMA IF NOT EXISTS delta.kombo")
    connection.execute("CREATE SCHEMA IF NOT EXISTS kombo")


def _registration(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("NAME", r"(\w+)").replace("PLACE", "'([^']+)'"))


TRANSLATED = (
    Translated(
        "trino",
        "delta.kombo.",
        _registration(
            r"CALL delta\.system\.register_table\( schema_name => 'kombo', table_name => 'NAME',"
            r" table_location => PLACE\)"
        ),
    ),
    Translated(
        "athena",
        "kombo.",
        _registration(
            r"CREATE EXTERNAL TABLE kombo\.NAME LOCATION PLACE"
            r" TBLPROPERTIES \('table_type' = 'DELTA'\)"
        ),
    ),
    Translated(
        "snowflake",
        "kombo.",
        _registration(
            r"CREATE ICEBERG TABLE IF NOT EXISTS kombo\.NAME CATALOG = 'kombo_delta'"
            r" EXTERNAL_VOLUME = 'kombo_lake' BASE_LOCATION = PLACE AUTO_REFRESH = TRUE"
        ),
    ),
    Translated(
        "bigquery",
        "kombo.",
        _registration(
            r"CREATE EXTERNAL TABLE IF NOT EXISTS kombo\.NAME WITH CONNECTION DEFAULT"
            r" OPTIONS \(format = 'DELTA_LAKE', uris = \[PLACE\]\)"
        ),
    ),
)
