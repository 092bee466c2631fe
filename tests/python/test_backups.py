"""The pages about backups and their restoration: every command is run as it is printed, while the service writes."""

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from clock import Clock
from current import read_current
from living import living_twin
from machine import EXAMPLE_DAY, TAGS, Machine
from newest import assert_newest_equal_truth
from runbooks import Runbook, living, machine, runbook  # noqa: F401, the fixtures


def test_backup_and_restore(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    machine.change(machine.ids[0])
    machine.until_right()
    with runbook("backup", machine) as page:
        page.follow("With the service stopped")
        (machine.root / "backup").rename(machine.root / "backup-of-a-stop")
        machine.change(machine.ids[1])
        machine.until_right()
        # Between the logs and the data files the service commits and folds: the copy is that of the logs.
        folder, loop, data = page.lines("While the service runs")
        machine.run(f"{folder}\n{loop}")
        machine.change(machine.ids[0])
        machine.until_right()
        machine.run(data)
        page.follow("See that it worked")
        (copy,) = (machine.root / "backup").iterdir()
        assert not list(copy.glob("kombo_status*")), "notes of a service that runs elsewhere"
        page.lines("A lake in a bucket")  # test_runbooks has a bucket
    machine.change(machine.ids[1])
    with runbook("restore", machine) as page:
        page.follow("Restore the whole lake")
        # What changed since the backup comes back from Kombo, without a full fetch.
        machine.until_right()
        page.follow("See that it worked", 0)
        page.follow("See that it worked", 1)
        machine.until_right()
        page.follow("Undo it")
        machine.until_right()
        assert (machine.root / "var/lib/kombo/lake-restored").is_dir()
        page.follow("Restore one endpoint")
        machine.until_right()
    # The copy that was made without the service is as good.
    shutil.rmtree(machine.root / "backup")
    (machine.root / "backup-of-a-stop").rename(machine.root / "backup")
    machine.change(machine.ids[1])
    page.follow("Restore the whole lake")
    machine.until_right()


def test_a_backup_in_the_wrong_order_is_noticed(machine: Machine) -> None:
    machine.run("systemctl start kombo-source")
    folder, loop, data = Runbook("backup", machine).lines("While the service runs")
    machine.run(f"{folder}\n{data}")
    machine.change(machine.ids[0])
    machine.until_right()
    machine.run(loop)
    for verb, code in (("lint", 1), ("status", 1), ("check", 1), ("repair", 0)):
        command = f"kombo-source {verb} --lake-url /backup/lake-$(date +%F)"
        printed = machine.run(f"{command} || test $? = {code}")
        assert "cannot be read: there is no such file or object" in printed, verb
        assert "no findings" not in printed
        assert f"{TAGS.table}/deltas" in printed and f"{TAGS.table}/current" in printed, verb


def test_the_logs_of_a_backup_need_not_be_of_one_moment(machine: Machine) -> None:
    """Fetches and folds go on while the logs are copied: in the order of the page the copy is right all the same."""
    folder, loop, data = Runbook("backup", machine).lines("While the service runs")
    machine.run(folder)
    for logs in _parts(loop):
        _move_on(machine)
        machine.run(_only(loop, logs))
    machine.run(data)
    _move_on(machine)
    _restore(machine)
    machine.until_right()
    machine.run("kombo-source fold --rebuild")
    machine.until_right()


def test_a_full_fetch_mends_a_backup_whose_logs_came_in_the_wrong_order(machine: Machine) -> None:
    folder, loop, data = Runbook("backup", machine).lines("While the service runs")
    machine.run(folder)
    for logs in reversed(_parts(loop)):
        _move_on(machine)
        machine.run(_only(loop, logs))
    machine.run(data)
    # No check finds it, and a delta does not mend it.
    assert "no findings" in machine.run("kombo-source lint --lake-url /backup/lake-2026-11-30")
    machine.run("rm -r /var/lib/kombo/lake && cp -a /backup/lake-2026-11-30 /var/lib/kombo/lake")
    machine.run("kombo-source backfill --mode delta")
    truth = machine.living.truth(machine.root / "truth")
    with pytest.raises(AssertionError, match=TAGS.path):
        assert_newest_equal_truth(machine.lake, truth, only=[TAGS])
    Runbook("restore", machine).follow("See that it worked", 1)
    machine.until_right()


def test_a_backup_may_be_older_than_kombo_keeps_deleted_rows() -> None:
    with TemporaryDirectory() as name, living_twin(integrations=6, rows=20) as living:
        living.pause()
        machine = Machine(Path(name), living)
        clock = Clock(Path(name) / "clock", living.now_ms())
        machine.environment.update(clock.environment())
        try:
            machine.fill()
            page = Runbook("backup", machine)
            machine.run("systemctl start kombo-source")
            machine.run("\n".join(page.lines("With the service stopped")))
            machine.names[EXAMPLE_DAY] = next((machine.root / "backup").iterdir()).name[5:]
            lost = living.change("delete", machine.ids[0], TAGS.path)["changes"][0]["record"]
            living.advance(20 * 86_400)
            clock.show(living.now_ms())
            (truth,) = [row for row in living.truth(machine.root / "t").rows(TAGS) if row["id"] == lost]
            assert truth["name"] is None, "Kombo has set its values to null"
            _restore(machine)
            # What Kombo has set to null comes with no delta.
            machine.run("kombo-source backfill --mode delta")
            assert lost in {row["id"] for row in read_current(machine.lake, TAGS)}
            Runbook("restore", machine).follow("See that it worked", 1)
            machine.until_right()
            assert lost not in {row["id"] for row in read_current(machine.lake, TAGS)}
        finally:
            machine.end()


def _parts(loop: str) -> list[str]:
    """Returns what the loop of the page goes over."""
    (parts,) = re.findall(r"for logs in (.*?);", loop)
    return str(parts).split()


def _only(loop: str, logs: str) -> str:
    return re.sub(r"for logs in .*?;", lambda _: f"for logs in {logs};", loop, count=1)


def _move_on(machine: Machine) -> None:
    """Lets everything move: a change that only a full fetch brings, one that a delta brings, and a fold after each."""
    integration = machine.ids[0]
    machine.living.change("edit", integration, TAGS.path)
    machine.run(f"kombo-source backfill --integration {integration}")
    machine.living.change("edit", integration, TAGS.path)
    machine.run(f"kombo-source backfill --integration {integration} --mode delta")


def _restore(machine: Machine) -> None:
    Runbook("restore", machine).follow("Restore the whole lake")
