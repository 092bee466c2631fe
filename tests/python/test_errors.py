"""Tests bad input on the command line: errors name cause and remedy, other tables go on, nothing partial is visible."""

import dataclasses
import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lake as lakes
import pytest
from product import BINARY, Outcome, Twin, backfill_of, run, running_twin
from proxy import Answer, Script, running_proxy
from s3_server import BUCKET, environment, running_s3
from schemas import endpoint
from truth import Integration

FAILED = 1
NO_PERMISSION = 77
USAGE = 64
CONFIGURATION = 78

TAGS = endpoint("ats/tags")
USERS = endpoint("ats/users")
TWO_ENDPOINTS = ("--endpoint", "ats/tags", "--endpoint", "ats/users")
ONE_MEBIBYTE = 1 << 20

Answers = Callable[[], Answer]
"""Another answer at each request."""


def test_a_wrong_key_says_so_and_where_it_is_set(lake: Path) -> None:
    with _twin() as twin:
        outcome = dataclasses.replace(backfill_of(twin, lake), key="not-the-key").run()
        _assert_says(outcome, NO_PERMISSION, "key", "KOMBO_API_KEY|api_key_file", "region")
        assert not lakes.has_table(lake, TAGS)


def test_no_key_at_all_says_where_to_put_it(lake: Path) -> None:
    with _twin() as twin:
        outcome = dataclasses.replace(backfill_of(twin, lake), key="").run()
        _assert_says(outcome, CONFIGURATION, "KOMBO_API_KEY")


def test_an_unknown_integration_fails_alone(lake: Path) -> None:
    with _twin() as twin:
        backfill = backfill_of(twin, lake, *TWO_ENDPOINTS)
        unknown = "greenhouse:nobodyknowsthisone"
        mixed = dataclasses.replace(backfill, integrations=(unknown, *backfill.integrations))
        _assert_says(mixed.run(), FAILED, re.escape(unknown), "region|environment|deleted")
        lakes.assert_equals_truth(lake, twin.truth, only=[TAGS, USERS])


def test_a_switched_off_model_is_named_and_counts_as_nothing_deleted(lake: Path) -> None:
    off = _error_answer(403, "INTEGRATION.MODEL_DISABLED")
    with _twin() as twin:
        backfill_of(twin, lake, *TWO_ENDPOINTS).must_succeed()
        with running_proxy(twin.url, _on_tags(off)) as proxy:
            backfill = backfill_of(twin, lake, *TWO_ENDPOINTS)
            outcome = dataclasses.replace(backfill, api_url=proxy.url).run()
        assert outcome.code in (0, FAILED), outcome.text
        assert re.search("ats/tags", outcome.text), outcome.text
        assert re.search("(?i)switched off|disabled|scope", outcome.text), outcome.text
        lakes.assert_equals_truth(lake, twin.truth, only=[TAGS, USERS])


def test_a_bucket_that_cannot_be_read_says_which() -> None:
    with _twin() as twin, running_s3() as options:
        backfill = backfill_of(twin, f"s3://{BUCKET}-of-nobody/lake", *TWO_ENDPOINTS)
        outcome = dataclasses.replace(backfill, environment=environment(options)).run()
        assert outcome.code in (FAILED, CONFIGURATION), outcome.text
        _assert_says(outcome, outcome.code, f"{BUCKET}-of-nobody|lake", "exist|permission|bucket")


def test_a_lake_where_no_folder_can_be_says_so(lake: Path) -> None:
    with _twin() as twin:
        lake.write_text("a file")
        outcome = backfill_of(twin, lake / "below", *TWO_ENDPOINTS).run()
        assert outcome.code in (FAILED, CONFIGURATION), outcome.text
        _assert_says(outcome, outcome.code, "lake|folder|directory")


def test_a_disk_that_takes_no_more_leaves_nothing_half_written_visible(lake: Path) -> None:
    with running_twin("--no-rate-limit", integrations=1, rows=3_000) as twin:
        backfill = backfill_of(
            twin, lake, "--endpoint", "ats/applications", "--endpoint", "ats/tags"
        )
        outcome = _run_with_file_limit(backfill.command(), backfill.environ(), 64 * 1024)
        _assert_says(outcome, FAILED, "ats/applications", "write|disk|space|large")
        assert not lakes.row_count(lake, endpoint("ats/applications"), twin.of("ats")[0])
        lakes.assert_equals_truth(lake, twin.truth, only=[TAGS])
        # With free space again, the same command succeeds.
        backfill.must_succeed()
        lakes.assert_equals_truth(lake, twin.truth, only=[TAGS, endpoint("ats/applications")])


def test_an_unknown_configuration_key_names_the_nearest_valid_one(lake: Path) -> None:
    config = lake.parent / "kombo.yaml"
    config.write_text(
        "sources:\n  kombo:\n    type: kombo\n    integratoins: []\n"
        "sinks:\n  lake:\n    type: delta_lake\n    inputs: [kombo]\n    url: ./lake\n"
    )
    outcome = run([BINARY, "validate", "--config", str(config)])
    _assert_says(outcome, CONFIGURATION, "integratoins", r"\bintegrations\b", "4")


def test_an_endpoint_that_does_not_exist_is_refused_with_the_nearest(lake: Path) -> None:
    with _twin() as twin:
        outcome = backfill_of(twin, lake, "--endpoint", "ats/aplications").run()
        assert outcome.code in (USAGE, CONFIGURATION), outcome.text
        _assert_says(outcome, outcome.code, "ats/aplications", "ats/applications")
        assert not lake.exists() or not list(lake.rglob("*.parquet"))


def test_an_integration_id_that_is_none_is_refused(lake: Path) -> None:
    with _twin() as twin:
        backfill = dataclasses.replace(backfill_of(twin, lake), integrations=("../../x",))
        outcome = backfill.run()
        assert outcome.code in (USAGE, CONFIGURATION), outcome.text
        _assert_says(outcome, outcome.code, re.escape("../../x"), "tool|colon|look")
        assert not list(lake.parent.parent.glob("x*"))


def test_an_integration_id_that_climbs_stays_below_its_table(lake: Path) -> None:
    climbing = "tool:../../../x"
    with _twin() as twin:
        known = twin.of("ats")[0]
        details = '"tool": {"id": "tool"}, "category": "ATS", "status": "ACTIVE"'
        category = _ok_answer(f'{{"id": "{climbing}", {details}}}')
        page = _page('{"id": "../../x", "name": "climbs"}')

        def script(path: str, integration: str) -> Answer | None:
            if path.startswith("/integrations/") and known.id not in path:
                return category
            return page if integration == climbing else None

        with running_proxy(twin.url, script) as proxy:
            backfill = backfill_of(twin, lake, "--endpoint", "ats/tags")
            ids = (climbing, known.id)
            dataclasses.replace(backfill, api_url=proxy.url, integrations=ids).must_succeed()
        rows = lakes.read_reference(lakes.snapshots(lake, TAGS))
        (row,) = (row for row in rows if row["_integration_id"] == climbing)
        assert row["id"] == "../../x" and re.fullmatch("[a-z0-9-]+", row["integration_key"])
        beside = [path.name for path in lake.parent.iterdir()]
        assert beside == [lake.name], f"written beside the lake: {beside}"


def _rows_of_tags(twin: Twin, integration: Integration) -> int:
    return len(list(twin.truth.records(TAGS, integration)))


def _assert_says(outcome: Outcome, code: int, *patterns: str) -> None:
    assert outcome.code == code, f"exit code {outcome.code}, not {code}:\n{outcome.text[-3000:]}"
    assert "panicked" not in outcome.text, outcome.text[-3000:]
    for pattern in patterns:
        assert re.search(f"(?i){pattern}", outcome.text), (
            f"no {pattern!r} in:\n{outcome.text[-3000:]}"
        )


@contextmanager
def _twin() -> Iterator[Twin]:
    with running_twin("--no-rate-limit", integrations=1) as twin:
        yield twin


def _on_tags(answer: Answer | Answers, integration: str | None = None) -> Script:
    def script(path: str, asked: str) -> Answer | None:
        if path != "/ats/tags" or (integration is not None and asked != integration):
            return None
        return answer() if callable(answer) else answer

    return script


def _page(row: str, following: str = "null") -> Answer:
    return _ok_answer(f'{{"next": {following}, "results": [{row}]}}')


def _ok_answer(data: str) -> Answer:
    return Answer(200, f'{{"status": "success", "data": {data}}}'.encode())


def _error_answer(status: int, code: str | None) -> Answer:
    quoted = f'"{code}"' if code else "null"
    error = f'{{"code": {quoted}, "title": null, "message": "no", "log_url": null}}'
    return Answer(status, f'{{"status": "error", "error": {error}}}'.encode())


def _run_with_file_limit(command: list[str], environ: dict[str, str], size: int) -> Outcome:
    """Runs a command with a limit on file sizes. A write at the limit fails as on a full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    # Python ignores the signal that would end the program at the limit, and child processes inherit this.
    done = subprocess.run(
        command,
        env=environ,
        preexec_fn=limit,
        restore_signals=False,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


CUT_OFF = b'{"status":"success","data":{"next":null,"results":[{"id":"a","na'
HUGE = b'{"status":"success","data":{"next":null,"results":[{"id":"a","name":"%s"}]}}'
DEEP = "[" * 10_000 + "]" * 10_000
SECOND_FAILS = iter([_page('{"id": "a"}', following='"there-is-more"')])
BAD_PAGES = {
    "no JSON": (Answer(200, b"<html>not what you want</html>"), "JSON"),
    "100 MB": (lambda: Answer(200, HUGE % (b"x" * 100 * ONE_MEBIBYTE)), "large|bytes"),
    "10,000 levels": (_page(f'{{"id": "a", "remote_data": {DEEP}}}'), "deep|nest|level|depth"),
    "cut off": (Answer(200, CUT_OFF), "JSON|end"),
    "the second fails": (lambda: next(SECOND_FAILS, _error_answer(500, None)), "ats/tags"),
}


@pytest.mark.parametrize(("answer", "message"), BAD_PAGES.values(), ids=BAD_PAGES)
def test_a_page_that_cannot_be_taken_fails_its_table_alone(
    lake: Path, answer: Answer | Answers, message: str
) -> None:
    """Breaks `ats/tags` of one integration. Fails unless all other tables arrive, and nothing of the broken one."""
    with running_twin("--no-rate-limit", integrations=5) as twin:
        broken, whole = twin.of("ats")
        with running_proxy(twin.url, _on_tags(answer, broken.id)) as proxy:
            backfill = backfill_of(twin, lake, *TWO_ENDPOINTS, only=[broken, whole])
            outcome = dataclasses.replace(backfill, api_url=proxy.url).run()
        _assert_says(outcome, FAILED, "ats/tags", re.escape(broken.id), message)
        lakes.assert_equals_truth(lake, twin.truth, only=[USERS])
        assert lakes.row_count(lake, TAGS, broken) == 0
        assert lakes.row_count(lake, TAGS, whole) == _rows_of_tags(twin, whole)
