"""A page of the manual that is a runbook: its commands run as they are printed, and print what the page shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pages
import pytest
from living import Living, living_twin
from machine import Machine


class Runbook:
    """One page, followed on a machine."""

    def __init__(self, name: str, machine: Machine) -> None:
        self.name = f"docs/{name}.md"
        self.text = pages.page(self.name)
        self.machine = machine
        self.left = pages.blocks(self.text, "console")

    def lines(self, heading: str, block: int = 0) -> list[str]:
        """Returns the commands of a console block of a section, for a test that does something between them."""
        return pages.commands(self._take(heading, block))

    def follow(self, heading: str, block: int = 0, typed: str = "") -> str:
        """Runs a console block of a section; each command has to succeed and to print what the page shows."""
        body = self._take(heading, block)
        printed = self.machine.run("\n".join(pages.commands(body)), typed)
        shown = [self.machine.here(line) for line in pages.outputs(body)]
        lacking = pages.missing(shown, printed)
        assert lacking is None, f"{self.name}, {heading}: not printed: {lacking!r}\n{printed}"
        return printed

    def _take(self, heading: str, block: int) -> str:
        body = pages.blocks(pages.section(self.text, heading), "console")[block]
        if body in self.left:
            self.left.remove(body)
        return body


@contextmanager
def runbook(name: str, machine: Machine) -> Iterator[Runbook]:
    """Opens a page, and fails at the end when a console block was not followed: no page prints commands that nobody ran."""
    page = Runbook(name, machine)
    yield page
    assert not page.left, f"{page.name}: not followed:\n" + "\n---\n".join(page.left)


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
            machine.end()
