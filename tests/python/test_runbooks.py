"""The other runbooks of the manual: every command of each page is run as it is printed, and the lake is right afterwards."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import lake as lakes
import pages
import webhooks
from clock import Clock
from current import read_current
from living import Living, living_twin
from machine import EXAMPLE, NEW_SECRET, SECONDS, SECRET, TAGS, Machine
from product import BINARY
from readers import Row
from runbooks import Runbook, living, machine, runbook  # noqa: F401, the fixtures
from s3_server import BUCKET, running_s3
from store_servers import StoreServer

RCLONE = Path(sys.executable).with_name("rclone")


def test_a_page_that_shows_what_is_not_printed_is_noticed() -> None:
    printed = "table  files\nats_tags      12\n12 tables, no findings\n"
    assert pages.missing(["table files", "…", "7 tables, no …"], printed) is None
    for shown in ("7 tables, 2 failed", "tables", "no findings"):
        assert pages.missing([shown], printed) == shown
    assert pages.missing(["7 tables, no findings", "table files"], printed) == "table files"
    assert pages.outputs("$ a \\\n  b\nprinted\n\n$ c") == ["printed"]


def test_upgrade_and_go_back(machine: Machine) -> None:
    (machine.root / "kombo-source-new").symlink_to(Path(BINARY).resolve())
    machine.run("systemctl start kombo-source")
    with runbook("upgrade", machine) as page:
        for block in range(3):
            page.follow("Upgrade", block)
        page.follow("See that it worked")
        machine.change(machine.ids[0])
        machine.until_right()
        page.follow("Go back")
        machine.change(machine.ids[0])
        machine.until_right()
        machine.run("systemctl stop kombo-source")
        old = machine.lake
        (old / "kombo_layout.json").write_text('{"layout_version":4}')
        before = _files(old)
        page.follow("The lake has another layout version", 0)
        page.follow("The lake has another layout version", 1)
    assert machine.lake != old
    machine.change(machine.ids[0])
    machine.until_right()
    assert _files(old) == before, "the old lake was touched"


def test_move_into_a_bucket_and_back_and_to_another_disk(machine: Machine) -> None:
    with running_s3() as options, runbook("move", machine) as page:
        server = StoreServer("moto", f"s3://{BUCKET}/one", options)
        _with_a_bucket(machine, server)
        first, moved = machine.lake, machine.root / "srv/kombo/lake"
        machine.run("systemctl start kombo-source")
        machine.change(machine.ids[0])
        page.follow("Into a bucket", 0)
        page.follow("Into a bucket", 1)
        machine.terminal.update(server.environment())
        page.follow("Into a bucket", 2)
        machine.store = server.options
        assert machine.uri == server.uri
        machine.change(machine.ids[0])
        machine.until_right()
        page.follow("See that it worked")
        _back_up_the_bucket(machine)

        page.follow("From a bucket to a disk")
        machine.store = None
        assert machine.lake == moved
        machine.change(machine.ids[0])
        machine.until_right()
        assert all(file.stat().st_mode & 0o077 == 0 for file in _files(moved))

        # The lake is where the page has it.
        machine.run("systemctl stop kombo-source")
        shutil.rmtree(first)
        moved.rename(first)
        machine.run("sed -i 's|/srv/kombo/lake|/var/lib/kombo/lake|' /etc/kombo/kombo.yaml")
        machine.run("systemctl start kombo-source")
        page.follow("To another folder or disk", 0)
        page.follow("To another folder or disk", 1)
        assert machine.lake == moved
        machine.change(machine.ids[0])
        machine.until_right()


def _back_up_the_bucket(machine: Machine) -> None:
    """Copies the lake in the bucket as the page of backups says, while the service commits between the two steps."""
    loop, *others = Runbook("backup", machine).lines("A lake in a bucket")
    machine.run(loop)
    machine.change(machine.ids[1])
    machine.until_right()
    machine.run("\n".join(others))
    assert "no findings" in machine.run("kombo-source lint --lake-url /backup/bucket-$(date +%F)")


def test_rotate_key_and_secret(machine: Machine) -> None:
    unit, body = machine.unit, webhooks.data_changed(machine.ids[0], ["ats_tags"])
    key, other = machine.root / "etc/kombo/api-key", machine.root / "etc/kombo/webhook-secret"
    machine.run("systemctl start kombo-source")
    with runbook("rotate", machine) as page:
        page.follow("The API key", 0, typed=machine.living.twin.key)
        page.follow("The API key", 3)
        key.write_text("a-key-that-was-deleted")
        machine.run("systemctl reload kombo-source")
        unit.until(lambda: "refuses the API key" in unit.printed(), "it is refused", SECONDS)
        machine.change(machine.ids[0])
        page.follow("The API key", 0, typed=machine.living.twin.key)
        assert key.stat().st_mode & 0o077 == 0, "others can read the key"
        machine.until_right()
        page.follow("The API key", 1)
        page.follow("The API key", 2)

        assert unit.post_signed(SECRET, body) == 200
        assert unit.post_signed(NEW_SECRET, body) == 401
        for undone in (True, False):
            page.follow("The webhook secret", 0, typed=NEW_SECRET)
            unit.until(lambda: unit.post_signed(NEW_SECRET, body) == 200, "it takes both", SECONDS)
            machine.terminal["NEW_SECRET"] = NEW_SECRET
            page.follow("The webhook secret", 1)
            assert unit.post_signed(SECRET, body) == 200
            page.follow("The webhook secret", 3 if undone else 2)
            gone, stays = (NEW_SECRET, SECRET) if undone else (SECRET, NEW_SECRET)
            unit.until(lambda: unit.post_signed(gone, body) == 401, "it refuses it", SECONDS)
            assert unit.post_signed(stays, body) == 200
        # What was refused meanwhile comes with a restart, and an empty file changes nothing.
        machine.living.change("edit", machine.ids[0], TAGS.path)
        assert unit.post_signed(SECRET, body) == 401
        page.follow("Webhooks that were refused")
        machine.until_right()
        other.write_text("")
        machine.run("systemctl reload kombo-source")
        unit.until(lambda: "configuration was not reloaded" in unit.printed(), "it says so", SECONDS)
        assert unit.post_signed(NEW_SECRET, body) == 200


def test_a_second_environment_and_a_key_that_meets_the_wrong_lake(machine: Machine) -> None:
    key, config = machine.root / "etc/kombo/api-key", machine.unit.config
    mine, text = key.read_text(), config.read_text()
    with living_twin("--now", integrations=2, rows=10, seed=7) as other:
        other.pause()
        with runbook("environments", machine) as page:
            theirs = other.twin.of("ats")[0]
            machine.configure("Set it up", page.text, other)
            machine.names[EXAMPLE] = theirs.id
            machine.run("systemctl start kombo-source")
            page.follow("Set it up", 0, typed=f"{other.twin.key}\n{SECRET}")
            page.follow("Set it up", 1)
            page.follow("See that it worked")
            unit = (machine.root / "etc/systemd/system/kombo-source-dev.service").read_text()
            assert "\nStateDirectory=kombo-dev\n" in unit and "%S/kombo-dev\n" in unit
            second = machine.units["kombo-source-dev"]
            assert second.telemetry_port != machine.unit.telemetry_port
            assert second.post_signed(SECRET, webhooks.data_changed(theirs.id, ["ats_tags"])) == 200
            rows = lakes.read_reference(lakes.snapshots(second.lake, TAGS))
            assert {row["integration_key"] for row in rows} == {theirs.key}
            machine.run("systemctl stop kombo-source-dev")

            before = _rows(machine, theirs.key)
            key.write_text(other.twin.key)
            config.write_text(text.replace(machine.living.twin.url, other.twin.url))
            machine.run("systemctl reload kombo-source")
            machine.unit.until(
                lambda: "configuration reloaded" in machine.unit.printed(), "reloaded", SECONDS
            )
            machine.unit.post_signed(SECRET, webhooks.data_changed(machine.ids[0], ["ats_tags"]))
            page.follow("A key of another environment", 0)
            machine.unit.until(
                lambda: "deleting" in machine.run("kombo-source status"), "it is missing", SECONDS
            )
            assert "nothing to purge" in machine.run("kombo-source purge")
            assert _rows(machine, theirs.key) == before
            # A signed webhook of the other environment is taken: nothing says that it is the wrong lake.
            theirs_changed = webhooks.data_changed(theirs.id, ["ats_tags"])
            assert machine.unit.post_signed(SECRET, theirs_changed) == 200
            uri = lakes.snapshots(machine.lake, TAGS)
            machine.unit.until(
                lambda: any(row["integration_key"] == theirs.key for row in lakes.read_reference(uri)),
                "the other customer is in the lake",
                SECONDS,
            )
            key.write_text(mine)
            config.write_text(text)
            page.follow("A key of another environment", 1)
            status = f"kombo-source status --integration {machine.ids[0]}"
            machine.unit.until(
                lambda: f"{machine.ids[0]}  active" in machine.run(status), "it is back", SECONDS
            )
            machine.change(machine.ids[0])
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
            if state == "deleting":
                early = machine.run(
                    f"kombo-source purge --integration {gone} --after 0d --yes || test $? = 64"
                )
                assert "is deleting, not deleted" in early
            living.advance(25 * 3600)
            clock.show(living.now_ms())
        keys = {one.id: one.key for one in living.twin.truth.integrations}
        with runbook("deleted-customer", machine) as page:
            page.follow("Purge by hand", 0)
            page.follow("Purge by hand", 1)
            page.follow("Delete the files at once")
            page.follow("See that it worked")
            for table in (lakes.snapshots(machine.lake, TAGS), f"{machine.lake}/{TAGS.table}/current"):
                rows = lakes.read_reference(table, columns=["integration_key"])
                assert {row["integration_key"] for row in rows} == {keys[stays]}
            assert not _named(machine.lake, keys[gone]), "a data file of the customer is left"
            with _the_same_kombo_before(living) as before:
                config = machine.unit.config
                config.write_text(config.read_text().replace(living.twin.url, before.twin.url))
                machine.living = before
                machine.run("systemctl start kombo-source")
                try:
                    page.follow("Undo it")
                    machine.until_right()
                finally:
                    machine.end()


@contextmanager
def _the_same_kombo_before(living: Living) -> Iterator[Living]:
    """Starts a Kombo with the same customers, at the same time, that has deleted none of them."""
    with living_twin(integrations=6, rows=20) as before:
        before.pause()
        before.advance((living.now_ms() - before.now_ms()) // 1000)
        yield before


def _with_a_bucket(machine: Machine, server: StoreServer) -> None:
    """Gives the machine a bucket: the address of the page, a remote of rclone, and the key of the service in a file."""
    bucket = server.uri.removeprefix("s3://")
    machine.names |= {"s3://bucket/lake": server.uri, "store:bucket/lake": f"store:{bucket}"}
    variables = server.environment()
    text = "".join(f"{name}={value}\n" for name, value in variables.items())
    (machine.root / "etc/kombo/store.env").write_text(text)
    (machine.root / "usr/local/bin/rclone").symlink_to(RCLONE)
    remote = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": variables["AWS_ENDPOINT"],
        "ACCESS_KEY_ID": variables["AWS_ACCESS_KEY_ID"],
        "SECRET_ACCESS_KEY": variables["AWS_SECRET_ACCESS_KEY"],
    }
    machine.terminal.update({f"RCLONE_CONFIG_STORE_{name}": text for name, text in remote.items()})
    machine.terminal["RCLONE_CONFIG"] = f"{machine.root}/rclone.conf"


def _rows(machine: Machine, without: str) -> list[Row]:
    return [row for row in read_current(machine.lake, TAGS) if row["integration_key"] != without]


def _files(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _named(lake: Path, key: str) -> list[Path]:
    return [file for file in lake.rglob("*.parquet") if key in str(file)]
