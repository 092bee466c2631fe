"""The procedures of docs/operations.md, run as they are printed: the commands come from the page itself.

The webhook by hand of docs/service.md is run here as well, because it needs the same machine.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import lake as lakes
import pages
import pytest
import webhooks
from clock import Clock
from living import Living, living_twin
from machine import EMPLOYEES, NEW_SECRET, PAGE, SECONDS, SECRET, SERVICE_PAGE, TAGS, Machine, Unit
from product import BINARY


@pytest.fixture(scope="module")
def living() -> Iterator[Living]:
    """A Kombo at the present time, whose changes are made by the tests."""
    with living_twin("--now", integrations=6, rows=20) as living:
        living.pause()
        yield living


@pytest.fixture
def machine(living: Living) -> Iterator[Machine]:
    """A machine with a filled lake; the service does not run yet."""
    with TemporaryDirectory() as name:
        machine = Machine(Path(name), living)
        try:
            machine.fill()
            yield machine
        finally:
            machine.unit.end()


def test_a_copy_of_the_lake_is_a_backup_with_and_without_the_service(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    machine.change(machine.ids[0])
    machine.until_right()
    machine.follow("Make a backup", 0)
    machine.change(machine.ids[1])
    machine.until_right()
    # Between the logs and the data files the service commits and folds: the copy is that of the logs.
    (machine.root / "backup").rename(machine.root / "backup-of-a-stop")
    folder, logs, data = pages.commands(pages.blocks(pages.section(PAGE, "Make a backup"), "console")[1])
    machine.run(f"{folder}\n{logs}")
    machine.change(machine.ids[0])
    machine.until_right()
    machine.run(data)
    checked = pages.blocks(pages.section(PAGE, "Make a backup"), "console")[3]
    for copy in ("backup", "backup-of-a-stop"):
        commands = "\n".join(pages.commands(checked)).replace("/backup", f"/{copy}")
        assert "no findings" in machine.run(commands)

    machine.change(machine.ids[0])
    machine.until_right()
    restore = "\n".join(pages.commands(pages.blocks(pages.section(PAGE, "Restore a backup"), "console")[0]))
    machine.run(restore.replace("/backup", "/backup-of-a-stop"))
    # What changed since the backup comes back from Kombo, without a full fetch.
    machine.until_right()
    assert (machine.root / "var/lib/kombo/lake-broken").is_dir()
    broken = "--lake-url /var/lib/kombo/lake-broken"
    lost = Path(machine.run(f"kombo-source files --table ats_tags --part current {broken}").split()[0])
    lost.unlink()
    assert lost.name in machine.run(f"kombo-source lint {broken} || test $? = 1")
    machine.run("rm -r /var/lib/kombo/lake-broken")
    machine.run(restore)
    machine.until_right()
    machine.follow("Restore a backup", 1)
    machine.until_right()


def test_a_lake_moves_by_copying_it(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    before = machine.lake
    machine.follow("Move the lake to another place")
    assert machine.lake == machine.root / "srv/kombo/lake" != before
    machine.change(machine.ids[0])
    machine.until_right()


def test_a_refused_key_is_replaced_without_a_restart(machine: Machine) -> None:
    key = machine.root / "etc/kombo/api-key"
    key.write_text("a-key-that-was-deleted")
    machine.run("systemctl start kombo-source")
    machine.unit.until(lambda: "refuses the API key" in machine.unit.printed(), "it is refused", SECONDS)
    machine.change(machine.ids[0])
    machine.follow("Rotate the API key", typed=machine.living.twin.key)
    assert key.stat().st_mode & 0o077 == 0, "others can read the key"
    machine.until_right()


def test_for_a_while_both_webhook_secrets_are_accepted_and_then_only_the_new_one(machine: Machine) -> None:
    unit, body = machine.unit, webhooks.data_changed(machine.ids[0], ["ats_tags"])
    machine.run("systemctl start kombo-source")
    assert unit.post_signed(SECRET, body) == 200
    assert unit.post_signed(NEW_SECRET, body) == 401
    machine.follow("Rotate the webhook secret", 0, typed=NEW_SECRET)
    unit.until(lambda: unit.post_signed(NEW_SECRET, body) == 200, "it accepts the new secret", SECONDS)
    machine.environment["NEW_SECRET"] = NEW_SECRET
    assert machine.follow("Rotate the webhook secret", 1).split() == ["ok", "200"]
    assert unit.post_signed(SECRET, body) == 200
    machine.follow("Rotate the webhook secret", 2)
    unit.until(lambda: unit.post_signed(SECRET, body) == 401, "it refuses the old secret", SECONDS)
    assert unit.post_signed(NEW_SECRET, body) == 200


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


def test_a_second_environment_runs_beside_the_first_one(machine: Machine) -> None:
    config = machine.configure("Run a second environment")
    for name in ("api-key", "webhook-secret"):
        (config.parent / name).write_text((machine.root / "etc/kombo" / name).read_text())
        (config.parent / name).chmod(0o600)
    machine.follow("Run a second environment")
    second = Unit(config.parent, {}, {})
    second.write()
    try:
        machine.run("systemctl start kombo-source")
        second.start_and_wait()
        assert second.stop() == 0
    finally:
        second.end()
    assert lakes.has_table(Path(second.lake), TAGS) and Path(second.lake) != machine.lake


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
    (machine.root / "kombo-source-new").symlink_to(Path(BINARY).resolve())
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
        "Upgrade, and go back",
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
        assert "mass_delete" in machine.run("kombo-source status --json")
        printed = machine.follow("Decide what is held back")
        assert "would be accepted" in printed and "accepted  hris_employees" in printed
        assert "nothing is held" in machine.run("kombo-source accept")
        machine.until_right()


def test_a_deleted_customer_is_purged_at_once_and_nobody_else() -> None:
    # Its time is in the past: a purge goes by the earlier of two clocks, this one and that of the files.
    with TemporaryDirectory() as name, living_twin(integrations=6, rows=20) as living:
        living.pause()
        machine = Machine(Path(name), living)
        clock = Clock(Path(name) / "clock", living.now_ms())
        machine.environment.update(clock.environment())
        machine.fill()
        gone, stays = machine.ids
        assert "nothing to purge" in machine.run("kombo-source purge")
        living.change("integration_deleted", gone)
        for state in ("deleting", "deleted"):
            machine.run("kombo-source backfill --mode delta || test $? = 1")
            assert f"{gone}  {state}" in machine.run(f"kombo-source status --integration {gone}")
            living.advance(25 * 3600)
            clock.show(living.now_ms())
        printed = machine.follow("Remove a deleted customer")
        assert f"waits    {gone}" in printed and f"purged   {gone}" in printed
        keys = {one.id: one.key for one in living.twin.truth.integrations}
        for table in (lakes.snapshots(machine.lake, TAGS), f"{machine.lake}/{TAGS.table}/current"):
            rows = lakes.read_reference(table, columns=["integration_key"])
            assert {row["integration_key"] for row in rows} == {keys[stays]}
