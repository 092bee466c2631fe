"""The procedures of docs/operations.md, run as they are printed: the commands come from the page itself. Those with a page
of their own are in test_backups and test_runbooks.

The webhook by hand of docs/service.md is run here as well, because it needs the same machine.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pages
from living import living_twin
from machine import EMPLOYEES, SECRET, SERVICE_PAGE, TAGS, Machine
from runbooks import living, machine  # noqa: F401, the fixtures


def test_a_webhook_by_hand_is_accepted_and_explained(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    machine.environment["KOMBO_WEBHOOK_SECRET"] = SECRET
    by_hand = machine.follow("Set up the webhook", page=SERVICE_PAGE)
    assert by_hand.split() == ["ok", "200"], by_hand
    body, *_ = pages.commands(pages.blocks(pages.section(SERVICE_PAGE, "Set up the webhook"), "console")[0])
    (explain, _) = pages.commands(
        pages.blocks(pages.section(SERVICE_PAGE, "What happens when a webhook arrives?"), "console")[0]
    )
    assert "data-changed" in machine.run(f"{body}\n{explain}")


def test_a_damaged_table_is_repaired(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    machine.change(machine.ids[0])
    machine.until_right()
    for part in ("current", "deltas"):
        log = sorted((machine.lake / TAGS.table / part / "_delta_log").glob("*.json"))[-1]
        log.write_bytes(log.read_bytes()[:20])
        printed = machine.follow("Cure a damaged table")
        assert f"damaged {TAGS.table}/{part}" in printed and log.name in printed
        assert f"mended  {TAGS.table}/{part}" in printed
        machine.run("kombo-source status && kombo-source lint")
        machine.until_right()


def test_a_lost_file_of_deltas_costs_the_rows_of_this_file_alone(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    machine.change(machine.ids[0])
    machine.until_right()
    machine.change(machine.ids[1])
    machine.until_right()
    machine.run("systemctl stop kombo-source")
    deltas = machine.lake / TAGS.table / "deltas"
    first, *others = sorted(deltas.rglob("*.parquet"), key=lambda file: file.stat().st_mtime)
    assert others, "there are several files"
    first.unlink()
    machine.run("kombo-source lint || test $? = 1")
    machine.run("systemctl start kombo-source")
    assert first.name in machine.follow("Cure a damaged table")
    listed = machine.run("kombo-source files --table ats_tags --part deltas")
    assert all(str(file) in listed for file in others)
    machine.until_right()


def test_the_other_commands_run_beside_the_service(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    machine.change(machine.ids[0])
    machine.until_right()
    assert "2 integrations" in machine.follow("Watch it")
    assert "nothing is held" in machine.run("kombo-source accept")
    for heading in (
        "Old files and retention",
        "Is the lake fast to read?",
        "Bring rows back from the future",
        "What if the process is killed?",
        "Use the rate limit",
        "Fetch in full every day",
    ):
        machine.follow(heading)
    machine.until_right()


def test_what_is_held_back_is_shown_and_accepted() -> None:
    with TemporaryDirectory() as name, living_twin("--now", integrations=2, rows=1_100) as living:
        living.pause()
        machine = Machine(Path(name), living, "hris")
        machine.fill()
        for index in range(900, 1_050):
            living.change("delete", machine.ids[0], EMPLOYEES.path, index)
        machine.run("kombo-source backfill --mode delta")
        assert "mass_delete" in machine.run("kombo-source status --json || test $? = 1")
        printed = machine.follow("Decide what is held back")
        assert "would be accepted" in printed and "accepted  hris_employees" in printed
        assert "nothing is held" in machine.run("kombo-source accept")
        machine.until_right()

