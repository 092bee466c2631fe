"""How pytest runs the suites: their order, where they write, and the last line."""

import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from lanes import Lanes, place


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the tests."""
    items.sort(key=lambda item: place(item.path.stem))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Lanes:
    """Distributes the tests to the workers."""
    return Lanes(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fails a suite that holds no test."""
    report = yield
    if isinstance(collector, pytest.Module) and report.passed and not report.result:
        report.outcome, report.longrepr = "failed", f"{collector.nodeid} holds no test"
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Prints the last line, which CI reads."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is None or hasattr(config, "workerinput"):
        return
    passed, *failed = (len(terminal.stats.get(kind, ())) for kind in ("passed", "failed", "error"))
    terminal.write_line(f"{passed} passed, {sum(failed)} failed")


@pytest.fixture(autouse=True, scope="session")
def _below_the_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Generator[None]:
    """Runs in a temporary working folder: engines write into it, and chdb reads nothing outside of it."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.getbasetemp()
        patch.chdir(folder)
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", str(folder))
        yield


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Returns the path of a lake that does not exist yet."""
    return tmp_path / "lake"
