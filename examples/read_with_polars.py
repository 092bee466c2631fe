"""Reads a lake with Polars: who works there, and which jobs are open.

    pip install polars deltalake
    python examples/read_with_polars.py demo-lake

The folder may be any lake; `kombo-source demo` makes demo-lake. More queries: docs/sql.md.
"""

import sys
from datetime import UTC, date, datetime

import polars as pl


def main(lake: str) -> None:
    """Prints the answers to three questions."""
    # scan_delta is lazy: a query reads only the columns and files that it needs.
    integrations = pl.scan_delta(f"{lake}/kombo_integrations")
    employees = pl.scan_delta(f"{lake}/hris_employees/current")
    jobs = pl.scan_delta(f"{lake}/ats_jobs/current")
    applications = pl.scan_delta(f"{lake}/ats_applications/current")

    # One row per connected tool of a customer. Every other table joins on integration_key.
    print("Customers")
    print(integrations.select("tool", "category", "state").sort("category", "tool").collect())

    # current holds one row per record; a person without a status counts by the dates.
    today = datetime.now(UTC).date()
    employed = employees.filter(
        ~pl.col("employment_status").fill_null("ACTIVE").is_in(["PENDING", "INACTIVE"]),
        pl.col("start_date").fill_null(date.min) <= today,
        pl.col("termination_date").fill_null(date.max) >= today,
    )
    headcount = (
        employed.join(integrations, on="integration_key").group_by("tool").len("headcount")
    )
    print("Headcount by customer")
    print(headcount.sort("tool").collect())

    # Ids repeat between tables and are unique only within an integration: a join takes both columns.
    open_jobs = jobs.filter(status="OPEN").join(
        applications.group_by("integration_key", "job_id").len("applications"),
        left_on=["integration_key", "id"],
        right_on=["integration_key", "job_id"],
        how="left",
    )
    most = open_jobs.select(job="name", applications=pl.col("applications").fill_null(0))
    print("Open jobs with the most applications")
    print(most.sort("applications", "job", descending=[True, False]).head(5).collect())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/read_with_polars.py LAKE")
    main(sys.argv[1])
