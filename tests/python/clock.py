"""Another wall clock for a program: libfaketime between it and the machine, the monotonic clock left as it is."""

import os
import time
from pathlib import Path

import libfaketime

LIBRARY = (
    Path(libfaketime.__file__).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
)


class Clock:
    """The wall clock of the programs that are started with its environment, as an offset from the machine's."""

    def __init__(self, file: Path, at_ms: int) -> None:
        self.file = file
        self.show(at_ms)

    def environment(self) -> dict[str, str]:
        """Returns the variables that put a program under this clock."""
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
        """Sets it to an instant: it shows this one now, and goes on from there."""
        offset = at_ms / 1000 - time.time()
        # Renamed into place: a reader sees the old offset or the new one, nothing between.
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{offset:+.3f}\n")
        os.replace(fresh, self.file)
