"""A wall clock that a test can set for a program, by libfaketime. The monotonic clock stays the machine's."""

import os
import time
from pathlib import Path

import libfaketime

LIBRARY = (
    Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
)


class Clock:
    """A wall clock as an offset from the machine's clock, for programs that start with `environment`."""

    def __init__(self, file: Path, at_ms: int) -> None:
        self.file = file
        self.show(at_ms)

    def environment(self) -> dict[str, str]:
        """Returns the environment variables that make a program use this clock."""
        assert LIBRARY.exists(), f"the package libfaketime brings no {LIBRARY.name}"
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def show(self, at_ms: int) -> None:
        """Sets the clock to an instant, from which it goes on."""
        offset = at_ms / 1000 - time.time()
        # Renamed into place, so that a program reads either the old offset or the new one.
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{offset:+.3f}\n")
        os.replace(fresh, self.file)
