"""Tests that large losses are held until the operator, Kombo or a later full fetch confirms them."""

import datetime as dt
from typing import Any

from guarded import MASS, SECONDS, Guarded, guarded
from month import DAY, HOUR, MINUTE
from product import Outcome
from verbs import fold, shown, verb

SMALL = 50
# Over a hundred rows, and under ten percent of them.
MANY_BUT_FEW = 120
MANAGERS = 40
# Three times this number is more than a tenth of 1,500 rows; twice is not.
STEADY = 60


def test_a_mass_delete_is_held_through_a_restart_and_until_it_is_accepted() -> None:
    with guarded("ats/applications", "ats/notes") as one:
        before, gone = _mass_delete(one)
        _assert_held(one, before, gone, "mass_delete")

        # Other changes of the table are not held: readers of the live view see them at once.
        (edited,) = sorted(before - gone)[:1]
        one.edit(edited)
        one.tell()
        one.service.until_quiet()
        assert one.ids() == before, "the guard released rows when another row changed"
        one.show("after another row was edited")

        one.restart()
        _assert_held(one, before, gone, "mass_delete")
        one.show("after a restart")

        outcome = _accept(one)
        assert outcome.code == 0, outcome.text
        one.until_ids(before - gone, "the accepted rows are gone")
        hold = one.until_state("accepted")
        assert hold["decided_at"] is not None, "the hold does not say when it was accepted"
        one.show("after it was accepted")
        one.show_status("status after it was accepted")

        more = one.delete(SMALL)
        one.tell()
        one.until_ids(before - gone - more, "small deletes after it go through")
        one.full()
        one.assert_nothing_lost()


def test_a_mass_delete_is_confirmed_by_a_later_full_fetch() -> None:
    with guarded("hris/employees") as one:
        before, gone = _mass_delete(one)
        _assert_held(one, before, gone, "mass_delete")
        _assert_a_rerun_changes_nothing(one, before)
        one.living.advance(DAY)
        told = one.full()
        one.until_ids(before - gone, "what a full fetch a day later confirms is gone")
        one.until_state("confirmed")
        _assert_told(one, told, "a later full fetch confirmed the losses", len(gone))
        one.show("after a full fetch that agrees")
        one.show_status("status after a full fetch that agrees")
        one.assert_nothing_lost()


def test_a_full_fetch_that_lacks_rows_nobody_told_of_is_held_until_one_a_day_later_agrees() -> None:
    with guarded("hris/employees") as one:
        before = one.ids()
        gone = one.delete(int(len(before) * MASS))
        one.full()
        one.until_state("held")
        one.show("after a full fetch that lacks rows")
        assert one.ids() == before, "rows vanished with one full fetch"
        shown("fold", fold(one.service.lake))
        assert one.ids() == before, "rows vanished with a fold that had nothing new"
        for rerun in range(3):
            one.living.advance(MINUTE)
            _assert_a_rerun_changes_nothing(one, before)
            one.show(f"after rerun {rerun + 1}")
        one.restart()
        _assert_a_rerun_changes_nothing(one, before)
        one.show_status("status after four reruns and a restart")
        one.living.advance(DAY)
        told = one.full()
        one.until_ids(before - gone, "what two full fetches a day apart agree on is gone")
        one.until_state("confirmed")
        _assert_told(one, told, "a later full fetch confirmed the losses", len(gone))
        one.show("after a full fetch a day later")
        one.assert_nothing_lost()


def test_what_was_accepted_is_not_held_again_by_a_full_fetch_that_agrees() -> None:
    with guarded("hris/employees") as one:
        before, gone = _mass_delete(one)
        # No fold runs between the acceptance and the full fetch, which folds at its end.
        assert one.service.stop() == 0, one.service.printed()[-2000:]
        assert _accept(one).code == 0
        one.full()
        one.show("after it was accepted, and fetched in full")
        assert one.ids() == before - gone, f"the accepted rows are still there, the hold is {one.state()}"
        assert one.state() != "held"
        one.assert_nothing_lost()


def test_a_scope_switched_off_empties_no_table_and_its_rows_come_back_as_if_nothing_was() -> None:
    with guarded("lms/course-progressions", "lms/skills") as one:
        before = one.ids()
        one.living.change("scope_off", one.id, one.endpoint.path)
        one.tell()
        hold = one.until_state("held")
        one.show("after the scope was switched off")
        assert one.ids() == before == one.live_ids(), "rows vanished with a scope"
        one.until_cause("scope_off")
        one.show("after Kombo was asked why")
        assert hold["removed"] == len(before), f"the hold has {hold['removed']} removed rows"

        # A minute later Kombo refuses the model, and keeps refusing it for days.
        one.living.advance(DAY)
        one.tell()
        one.service.until_quiet()
        assert one.ids() == before == one.live_ids(), "rows vanished with a model that is refused"
        one.restart()
        assert one.ids() == before == one.live_ids(), "rows vanished with a restart"
        assert one.state() == "held"
        one.show("a day later, after a restart")
        one.show_status("status while the scope is off")

        one.living.change("scope_on", one.id, one.endpoint.path)
        one.tell()
        # A model that was switched off is asked again after ten minutes when a webhook reports changes of its rows.
        one.pass_time(11 * MINUTE, "lms/skills")
        one.until_state("resolved")
        one.show("after the scope was switched on")
        assert one.ids() == before, "rows were lost with a scope that is on again"
        one.service.until_quiet()
        one.full()
        assert one.ids() == before
        one.assert_nothing_lost()


def test_a_column_that_turns_null_in_many_rows_is_held_and_deletes_beside_it_are_not() -> None:
    with guarded("hris/employees") as one:
        before, managers = one.ids(), one.values("manager")
        # The managers are deleted, so all who report to them have no manager any more.
        gone = one.delete(MANAGERS, first=True)
        one.tell()
        hold = one.until_state("held")
        one.show(f"after {len(gone)} managers were deleted")
        assert hold["cause"] == "columns_nulled" and hold["columns"] == ["manager"], hold["columns"]
        one.until_ids(before - gone, "few deleted rows are gone, whatever is held beside them")
        kept = one.values("manager")
        emptied = sum(kept[record] is None and managers[record] is not None for record in kept)
        assert not emptied, f"{emptied} managers turned null"
        one.show_status("status while a column is held")
        assert _accept(one).code == 0
        one.until_state("accepted")
        one.service.until(lambda: _without(one, "manager") > _nulls(managers), "what was accepted is taken in", SECONDS)
        one.show("after it was accepted")
        one.full()
        one.show("after a full fetch")
        one.assert_nothing_lost()


def test_an_integration_that_pauses_for_twenty_days_keeps_its_rows() -> None:
    with guarded("ats/applications", "ats/notes") as one:
        before = one.ids()
        one.living.change("integration_paused", one.id)
        one.tell()
        one.service.until_quiet()
        gone = one.delete(SMALL)
        for day in (1, 5, 14):
            one.living.advance(day * DAY)
            one.tell()
            shown(f"fold {day} days on", fold(one.service.lake), 3)
            assert one.ids() == before == one.live_ids(), f"rows vanished {day} days on"
        one.restart()
        assert one.ids() == before == one.live_ids(), "rows vanished with a restart"
        one.show("after twenty days")
        one.show_status("status of an integration that pauses")

        one.living.change("integration_woken", one.id)
        one.tell()
        one.service.until_quiet()
        one.show("awake again")
        # Rows that were deleted so long ago have lost their values. Only a full fetch shows this, no delta.
        one.full()
        one.until_ids(before - gone, "what was deleted meanwhile is gone")
        assert one.state() != "held"
        one.assert_nothing_lost()


def test_few_deletes_go_through_at_once() -> None:
    with guarded("hris/employees", rows=1_500) as one:
        before = one.ids()
        for count, what in ((1, "one"), (SMALL, "a few"), (MANY_BUT_FEW, "less than ten percent")):
            gone = one.delete(count)
            one.tell()
            before -= gone
            one.until_ids(before, f"{what} deleted rows are gone")
            one.service.until_quiet()
            assert one.state() == "", f"{what} deleted rows were held"
            one.show(f"after {what} deleted: {count}")
            # Losses within one day are added up, so a day passes here.
            one.living.advance(DAY)
        one.full()
        one.assert_nothing_lost()


def test_small_deletes_that_are_much_within_a_day_are_held_like_a_large_one() -> None:
    with guarded("hris/employees", rows=1_500) as one:
        before = one.ids()
        for _ in range(2):
            before -= one.delete(STEADY)
            one.tell()
            one.until_ids(before, "a few deleted rows are gone")
            one.service.until_quiet()
            one.living.advance(HOUR)
        more = one.delete(STEADY)
        one.tell()
        hold = one.until_state("held")
        one.show("after the third small delete")
        assert hold["removed"] == STEADY, f"{hold['removed']} rows are held"
        assert f"after {2 * STEADY} others within the last day" in hold["detail"]
        assert one.ids() == before
        assert _accept(one).code == 0
        one.until_ids(before - more, "the accepted rows are gone")
        assert one.log_lines("released", "the losses were accepted"), "the log does not report the release"
        less = one.delete(STEADY)
        one.tell()
        one.until_ids(before - more - less, "after it the next small delete goes through")
        one.full()
        one.assert_nothing_lost()


def _assert_a_rerun_changes_nothing(one: Guarded, before: set[str]) -> None:
    told = one.full()
    assert one.ids() == before, "rows vanished with a full fetch on the same day"
    assert one.state() == "held", f"the hold is {one.state()}"
    hold = one.hold()
    assert hold is not None and hold["confirmable_at"] is not None
    from_then = hold["confirmable_at"] + dt.timedelta(minutes=1) - dt.timedelta(microseconds=1)
    wanted = f"a full fetch that begins at {from_then:%Y-%m-%d %H:%M} UTC or later can confirm the losses"
    for text in (told, one.show_status("status after a rerun")):
        assert wanted in text, f"{wanted!r} is not in {text}"
        assert f"since {hold['since']:%Y-%m-%d %H:%M} UTC" in text
        assert f"kombo-source accept --table {one.endpoint.table} --integration {one.id}" in text


def _assert_told(one: Guarded, told: str, why: str, rows: int) -> None:
    logged = "\n".join(one.log_lines("released"))
    assert why in told + logged, f"neither output nor log has {why!r}: {told}{logged}"
    assert f"{rows} rows were removed" in told + logged, told + logged


def _mass_delete(one: Guarded) -> tuple[set[str], set[str]]:
    before = one.ids()
    count = int(len(before) * MASS)
    assert count > 100, "too few rows for the guard"
    gone = one.delete(count)
    one.tell()
    one.until_state("held")
    one.show(f"after {count} rows were deleted")
    return before, gone


def _assert_held(one: Guarded, before: set[str], gone: set[str], cause: str) -> None:
    assert one.ids() == before, "current lost rows that are held"
    assert one.live_ids() == before, "the live view lost rows that are held"
    hold = one.hold()
    assert hold is not None and hold["state"] == "held"
    assert hold["cause"] == cause, f"the cause is {hold['cause']}"
    assert hold["removed"] == len(gone), f"the hold has {hold['removed']} removed rows, not {len(gone)}"
    assert hold["table_rows"] == len(before), f"the hold has a table of {hold['table_rows']} rows"
    assert hold["decided_at"] is None and hold["since"] <= hold["until"]
    assert one.observed().get("delete", 0) >= len(gone), "the held deletions are not in deltas"
    text = one.show_status("status while rows are held")
    assert "held" in text.lower() and one.endpoint.table in text, "status does not report the hold"
    lines = one.log_lines("held")
    print(f"    log: {lines[:2]}", flush=True)
    assert lines, "the log does not report the hold"
    # A later fold, with nothing new to fold, changes nothing.
    shown("fold while rows are held", fold(one.service.lake), 8)
    assert one.ids() == before, f"a fold released held rows, after {SECONDS} s at most"


def _without(one: Guarded, column: str) -> int:
    return _nulls(one.values(column))


def _nulls(values: dict[str, Any]) -> int:
    return sum(value is None for value in values.values())


def _accept(one: Guarded) -> Outcome:
    outcome = verb("accept", one.service.lake, "--integration", one.id, "--table", one.endpoint.table)
    shown("accept", outcome)
    return outcome
