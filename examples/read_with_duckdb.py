"""Reads a lake with DuckDB: who works there, and which jobs are open.

    pip install duckdb==1.5.5 duckdb-extension-delta==1.5.5 pytz
    python examples/read_with_duckdb.py demo-lake

The folder may be any lake; `kombo-source demo` makes demo-lake. More queries: docs/sql.md.
"""

import sys
from pathlib import Path

import duckdb


def connect() -> duckdb.DuckDBPyConnection:
    """Opens a DuckDB that reads Delta tables."""
    connection = duckdb.connect()
    try:
        # The package brings the extension as a file, signed by DuckDB, so that no download is needed.
        import duckdb_extension_delta
    except ImportError:
        # Without the package DuckDB downloads the extension once.
        connection.execute("INSTALL delta; LOAD delta;")
    else:
        folder = Path(duckdb_extension_delta.__path__[0])
        (extension,) = folder.rglob("*.duckdb_extension")
        connection.execute(f"LOAD '{extension}'")
    # Kombo's timestamps are UTC. DuckDB shows them in the session's time zone, and takes today's date from it.
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def main(lake: str) -> None:
    """Prints the answers to three questions."""
    connection = connect()

    def table(name: str) -> str:
        return "delta_scan('" + f"{lake}/{name}".replace("'", "''") + "')"

    # One row per connected tool of a customer. Every other table joins on integration_key.
    print("Customers")
    connection.sql(f"""
        SELECT tool, category, state FROM {table("kombo_integrations")} ORDER BY category, tool
    """).show()

    # current holds one row per record; a person without a status counts by the dates.
    print("Headcount by customer")
    connection.sql(f"""
        SELECT i.tool, count(*) AS headcount
        FROM {table("hris_employees/current")} AS e
        JOIN {table("kombo_integrations")} AS i USING (integration_key)
        WHERE coalesce(employment_status, 'ACTIVE') NOT IN ('PENDING', 'INACTIVE')
          AND (start_date IS NULL OR start_date <= current_date)
          AND (termination_date IS NULL OR termination_date >= current_date)
        GROUP BY ALL ORDER BY ALL
    """).show()

    # Ids repeat between tables and are unique only within an integration: a join takes both columns.
    print("Open jobs with the most applications")
    connection.sql(f"""
        SELECT j.name AS job, count(a.id) AS applications
        FROM {table("ats_jobs/current")} AS j
        LEFT JOIN {table("ats_applications/current")} AS a
            ON a.integration_key = j.integration_key AND a.job_id = j.id
        WHERE j.status = 'OPEN'
        GROUP BY j.integration_key, j.id, j.name
        ORDER BY applications DESC, job
        LIMIT 5
    """).show()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/read_with_duckdb.py LAKE")
    main(sys.argv[1])
