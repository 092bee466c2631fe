"""What the program makes is private. Reading makes nothing. Upkeep deletes only what the program made."""

import os
import stat
import time
from pathlib import Path

import pytest
from product import BINARY, Outcome, Twin, backfill_of, run, running_twin

FAILED = 1
CONFIG = 78
OLD_SECONDS = 40 * 24 * 3600
KEY = "kombo-canary-0123456789abcdefghij"
SLASHED_KEY = "kombo-canary/0123456789+abc=="

# Every verb that reads, with the arguments that it needs besides the lake.
READING = (
    ("files", "--table", "ats_tags"),
    ("status",),
    ("drift",),
    ("lint",),
    ("accept",),
    ("purge",),
    ("repair",),
    ("upkeep", "--dry-run"),
)
# These verbs write, but only into a lake that is there.
WRITING = (("fold",), ("fold", "--rebuild"), ("upkeep",), ("repair", "--yes"), ("purge", "--yes"))


def _tree(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Returns everything below a folder: mode, size and time of change."""
    found = {}
    for path in folder.rglob("*"):
        seen = path.lstat()
        found[str(path)] = (seen.st_mode, seen.st_size, seen.st_mtime_ns)
    return found


def _verb(lake: Path, *arguments: str, twin: Twin | None = None) -> Outcome:
    environment = {**os.environ, "KOMBO_API_KEY": twin.key if twin else "none"}
    extra = ["--api-url", twin.url] if twin else []
    return run([BINARY, *arguments, "--lake-url", str(lake), *extra], environment)


def _check(twin: Twin, lake: Path) -> Outcome:
    integrations = [part for one in twin.truth.integrations for part in ("--integration", one.id)]
    return _verb(lake, "check", *integrations, twin=twin)


@pytest.mark.parametrize("arguments", READING + WRITING, ids=" ".join)
def test_no_verb_makes_the_folder_of_a_mistyped_address(
    lake: Path, arguments: tuple[str, ...]
) -> None:
    done = _verb(lake / "mistyped", *arguments)
    assert done.code == FAILED, done.text
    assert "there is no lake at" in done.text and "--lake-url" in done.text, done.text
    assert _tree(lake.parent) == {}


def test_verbs_without_a_lake_make_nothing(lake: Path) -> None:
    for arguments in (("validate",), ("sql", "--engine", "duckdb")):
        done = _verb(lake, *arguments)
        assert done.code == 0, done.text
    assert _tree(lake.parent) == {}


def test_reading_changes_nothing_and_check_leaves_nothing_behind(lake: Path) -> None:
    with running_twin("--no-rate-limit") as twin:
        checked = _check(twin, lake)
        assert checked.code == 0 and "there is no lake yet" in checked.stdout, checked.text
        planned = backfill_of(twin, lake, "--plan").run()
        assert planned.code == 0, planned.text
        assert _tree(lake.parent) == {}

        backfill_of(twin, lake).must_succeed()
        before = _tree(lake)
        checked = _check(twin, lake)
        assert checked.code == 0 and "no lake yet" not in checked.stdout, checked.text
        for arguments in READING:
            done = _verb(lake, *arguments)
            assert done.code in (0, FAILED), f"{arguments}: {done.text}"
        assert _tree(lake) == before


def test_a_lake_is_private_unless_its_folder_lets_others_in(lake: Path) -> None:
    with running_twin("--no-rate-limit", integrations=1) as twin:
        backfill_of(twin, lake).must_succeed()
        _assert_modes(lake, folder=0o700, file=0o600)

        # The way out: whoever makes the folder decides.
        shared = lake.parent / "shared"
        shared.mkdir()
        shared.chmod(0o2750)
        backfill_of(twin, shared).must_succeed()
        _assert_modes(shared, folder=0o2750, file=0o640)

        # And later, for a lake that is there.
        lake.chmod(0o750)
        backfill_of(twin, lake, "--endpoint", "ats/tags", "--endpoint", "hris/teams").must_succeed()
        new = {path: mode for path, mode in _modes(lake).items() if mode == 0o640}
        assert new, "new files follow the folder"


def _modes(lake: Path) -> dict[Path, int]:
    return {path: stat.S_IMODE(path.lstat().st_mode) for path in (lake, *lake.rglob("*"))}


def _assert_modes(lake: Path, folder: int, file: int) -> None:
    for path, mode in _modes(lake).items():
        assert mode == (folder if path.is_dir() else file), f"{path}: {mode:o}"


def test_upkeep_follows_no_link_and_deletes_only_its_own_files(lake: Path) -> None:
    with running_twin("--no-rate-limit", integrations=1) as twin:
        backfill_of(twin, lake).must_succeed()
    outside = lake.parent / "outside"
    outside.mkdir()
    table = lake / "ats_tags" / "current"
    if not table.is_dir():
        table = next(path.parent for path in lake.glob("*/current/_delta_log"))
    theirs = [outside / "theirs.parquet", table / "report.parquet"]
    ours = [
        outside / "part-00000000-0000-4000-8000-000000000000.zstd.parquet",
        table / "part-00000000-0000-4000-8000-000000000001.zstd.parquet",
    ]
    for file in theirs + ours:
        file.write_bytes(b"rows")
        os.utime(file, (time.time() - OLD_SECONDS,) * 2)
    (table / "linked").symlink_to(outside)

    done = _verb(lake, "upkeep")
    assert done.code == 0, done.text
    assert [file.exists() for file in theirs + ours] == [True, True, True, False]
    for named in ("report.parquet  belongs to no table", "linked  belongs to no table"):
        assert named in done.stdout, done.text
    assert "2 foreign files left there" in done.stdout, done.text


def test_a_link_in_place_of_a_table_is_named_and_not_taken_for_empty(lake: Path) -> None:
    with running_twin("--no-rate-limit", integrations=1) as twin:
        backfill_of(twin, lake).must_succeed()
        table = next(path.parent.parent for path in lake.glob("*/current/_delta_log"))
        moved = lake.parent / "moved"
        table.rename(moved)
        table.symlink_to(moved)
        before = _tree(moved)
        for arguments in (("files", "--table", table.name), ("fold",), ("upkeep",)):
            done = _verb(lake, *arguments)
            assert done.code == FAILED and "links inside the lake" in done.text, done.text
        again = backfill_of(twin, lake).run()
        assert again.code == FAILED and "links inside the lake" in again.text, again.text
        assert _tree(moved) == before

        # The cure that the message names.
        table.unlink()
        moved.rename(table)
        for arguments in (("files", "--table", table.name), ("fold",), ("upkeep",)):
            done = _verb(lake, *arguments)
            assert done.code == 0, done.text


@pytest.mark.parametrize("value", [KEY, SLASHED_KEY])
@pytest.mark.parametrize("verb", ["validate", "check", "run", "backfill"])
def test_a_key_in_the_place_of_its_file_is_never_printed(lake: Path, verb: str, value: str) -> None:
    config = _config(lake, f"api_key_file: {value!r}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KOMBO_API")}
    done = run([BINARY, verb, "--config", str(config)], environment)
    assert done.code == CONFIG, done.text
    assert "api_key_file names no file that is there" in done.text, done.text
    assert "canary" not in done.text, done.text


def test_validate_checks_every_file_that_is_named(lake: Path) -> None:
    missing = lake.parent / "missing"
    for option, named in (
        (f"api_key_file: {missing}", "api_key_file"),
        (f"webhook: {{secret_file: {missing}}}", "secret_file"),
        (f"webhook: {{tls: {{crt_file: {missing}, key_file: {missing}}}}}", "crt_file"),
    ):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KOMBO_")}
        done = run([BINARY, "validate", "--config", str(_config(lake, option))], environment)
        assert done.code == CONFIG and f"{named} names no file" in done.text, done.text
        assert str(missing) not in done.text, done.text


def test_secrets_of_the_store_and_folders_open_to_all_are_warned_of(lake: Path) -> None:
    config = _config(lake, "region: eu")
    text = config.read_text().replace(
        f"url: {lake}", "url: s3://bucket/lake\n    options: {aws_secret_access_key: canary}"
    )
    config.write_text(text)
    for mode, warned in ((0o644, True), (0o600, False)):
        config.chmod(mode)
        done = run([BINARY, "validate", "--config", str(config)])
        assert done.code == 0 and "canary" not in done.text, done.text
        said = "holds a secret in sinks.lake.options.aws_secret_access_key" in done.stderr
        assert said == warned, done.text

    lake.mkdir()
    for mode, warned in ((0o777, True), (0o775, False)):
        lake.chmod(mode)
        done = _verb(lake, "status")
        said = f"can write to the folder {lake}; run: chmod o-w {lake}" in done.stderr
        assert said == warned, done.text


def _config(lake: Path, option: str) -> Path:
    """Writes a configuration with an option of the source, and returns its path."""
    config = lake.parent / "kombo.yaml"
    config.write_text(f"""
sources:
  kombo:
    type: kombo
    {option}
sinks:
  lake:
    type: delta_lake
    inputs: [kombo]
    url: {lake}
""")
    config.chmod(0o600)
    return config
