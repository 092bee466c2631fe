"""Simulates a year of ten thousand customers in one table of `current`, for the choice of file sizes and fold rhythm.

    python3 benches/packing.py                    # some minutes; the table of docs/performance.md
    python3 benches/packing.py --days 30 --customers 1000 --seed 2

The table is one sorted sequence of rows, cut into files of equal size, whatever customer the rows belong to. A fold rewrites a
file completely (copy on write). A change waits until its file is due: when the oldest change of the file has a given age, or when
the changed rows reach a share of the file and the oldest change is five minutes old. With a gap, a file is rewritten when its
oldest change is five minutes old, but not again before the gap has passed: a file that rarely changes stays fresh.

Customers: 95 % have 20 to 500 rows, 4.7 % up to 20,000, 0.3 % up to 300,000, five have a million; within each class the logarithm is
uniform. Kombo syncs each customer every 3 to 24 hours. 0.7 % of the rows change in a day (five changes of a row within two
years), at random places, because ids are random. A full fetch once a week changes a further 0.1 %. The table does not grow.
"""

import argparse
import heapq
import math
import random
from dataclasses import dataclass
from math import ceil

HOUR, DAY, WEEK = 3600, 86_400, 604_800
ROW_BYTES = 250
CELL_ROWS = 4_000
"""Changes are placed in cells of so many rows. Each file has a whole number of cells."""
CHANGED_DAILY = 0.007
CHANGED_BY_FULL = 0.001
LEAST_AGE = 300
SMALL_ROWS = 150
"""Rows of the small customer whose reading is counted."""
FOOTER, FOOTER_OF_GROUP = 14_000, 13_000
"""Bytes of a footer with 73 columns: the schema, and the metadata of each row group."""
FILES_MB = (2, 4, 8, 16, 32, 64)
GROUPS = (2_000, 4_000, 8_000, 16_000, 64_000)


@dataclass(frozen=True)
class Rhythm:
    """When a file is rewritten: at this age of its oldest change, or with this share of changed rows."""

    age: int
    share: float | None = None
    gap: int = 0
    """Least time from one rewriting of a file to the next."""
    gap_of_64_kib: int = 0
    """The same for each 64 KiB of the file, which is what `max_age_secs` means for a file that customers share."""

    def gap_of(self, file_bytes: int) -> int:
        """Returns the least time from one rewriting of a file of this size to the next."""
        return self.gap + self.gap_of_64_kib * file_bytes // (64 << 10)

    def __str__(self) -> str:
        age = f"{self.age // 60} min" if self.age < HOUR else f"{self.age // HOUR} h"
        if self.gap_of_64_kib:
            return f"{age} old, at most every {self.gap_of_64_kib // 60} min for each 64 KiB"
        if self.gap:
            return f"{age} old, at most every {self.gap // HOUR} h"
        return f"{age} old" if self.share is None else f"{age} old, or {self.share:.1%} changed"


RHYTHMS = (
    Rhythm(300),
    Rhythm(HOUR),
    Rhythm(6 * HOUR),
    Rhythm(DAY),
    Rhythm(DAY, 0.002),
    Rhythm(DAY, 0.005),
    Rhythm(DAY, 0.05),
    Rhythm(300, gap=HOUR),
    Rhythm(300, gap=6 * HOUR),
    Rhythm(300, gap=DAY),
    Rhythm(300, gap_of_64_kib=300),
)


class Year:
    """The changes of all customers, in the order of time. A change is one number: second, cell, rows."""

    def __init__(self, customers: int, days: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.end = days * DAY
        self.rows = 0
        changes: list[int] = []
        for size in self._sizes(customers):
            changes += self._changes(self.rows, size)
            self.rows += size
        changes.sort()
        self.changes = changes
        self.changed = sum(one & 0xFFF for one in changes)

    def _sizes(self, customers: int) -> list[int]:
        classes = ((0.95, 20, 500), (0.047, 500, 20_000), (0.0025, 20_000, 300_000), (0.0005, 1_000_000, 1_000_001))
        sizes: list[int] = []
        for share, least, most in classes:
            count = max(1, round(customers * share))
            sizes += (round(math.exp(self.random.uniform(math.log(least), math.log(most)))) for _ in range(count))
        self.random.shuffle(sizes)
        return sizes

    def _changes(self, start: int, size: int) -> list[int]:
        """Returns the changes of one customer, each at the time of a sync or a full fetch."""
        interval = self.random.randrange(3, 25) * HOUR
        phase = self.random.randrange(interval)
        found: list[int] = []
        for cell in range(start // CELL_ROWS, (start + size - 1) // CELL_ROWS + 1):
            rows = min(start + size, (cell + 1) * CELL_ROWS) - max(start, cell * CELL_ROWS)
            for rate, every, first in (
                (rows * CHANGED_DAILY * interval / DAY, interval, phase),
                (rows * CHANGED_BY_FULL, WEEK, self.random.randrange(WEEK)),
            ):
                found += self._at(cell, rate, every, first)
        return found

    def _at(self, cell: int, rate: float, every: int, first: int) -> list[int]:
        """Returns changes at the times `first`, `first + every` and so on, on average `rate` rows at each."""
        found = []
        if rate > 0.5:
            for at in range(first, self.end, every):
                if rows := self._poisson(rate):
                    found.append(at << 26 | cell << 12 | rows)
            return found
        # Most syncs change nothing: jump from one changed row to the next.
        at = 0.0
        while True:
            at += self.random.expovariate(rate)
            second = first + every * int(at)
            if second >= self.end:
                return found
            found.append(second << 26 | cell << 12 | 1)

    def _poisson(self, rate: float) -> int:
        if rate > 30:
            return max(0, round(self.random.gauss(rate, math.sqrt(rate))))
        limit, product, count = math.exp(-rate), self.random.random(), 0
        while product > limit:
            product *= self.random.random()
            count += 1
        return count


class Folding:
    """The files of one candidate, and what their rewriting costs."""

    def __init__(self, file_rows: int, rhythm: Rhythm) -> None:
        self.file_rows = file_rows
        self.rhythm = rhythm
        self.rewritten = 0
        self.waits: dict[int, int] = {}
        """Changed rows by the minutes that they waited."""
        self.oldest: dict[int, int] = {}
        """Rewritten files by the age of their oldest change, in minutes."""

    def replay(self, year: Year) -> None:
        """Folds all changes of a year."""
        cells = self.file_rows // CELL_ROWS
        files = ceil(year.rows / self.file_rows)
        pending: list[list[int]] = [[] for _ in range(files)]
        changed, written = [0] * files, [0] * files
        open_at = [0] * files
        enough = self.file_rows * (self.rhythm.share or 2.0)
        age, gap = self.rhythm.age, self.rhythm.gap_of(self.file_rows * ROW_BYTES)
        due: list[tuple[int, int, int]] = []
        for change in year.changes:
            now = change >> 26
            while due and due[0][0] <= now:
                when, file, version = heapq.heappop(due)
                if written[file] == version:
                    self._rewrite(when, pending[file])
                    pending[file] = []
                    changed[file] = 0
                    written[file] += 1
                    open_at[file] = when + gap
            file = ((change >> 12) & 0x3FFF) // cells
            waiting = pending[file]
            if not waiting:
                heapq.heappush(due, (max(now + age, open_at[file]), file, written[file]))
            waiting.append(change)
            before = changed[file]
            changed[file] = before + (change & 0xFFF)
            if before < enough <= changed[file]:
                ripe = max(now, (waiting[0] >> 26) + LEAST_AGE)
                heapq.heappush(due, (ripe, file, written[file]))
        self.rewritten = sum(written)

    def _rewrite(self, now: int, waiting: list[int]) -> None:
        for change in waiting:
            minutes = (now - (change >> 26)) // 60
            self.waits[minutes] = self.waits.get(minutes, 0) + (change & 0xFFF)
        minutes = (now - (waiting[0] >> 26)) // 60
        self.oldest[minutes] = self.oldest.get(minutes, 0) + 1


def quantile(counts: dict[int, int], share: float) -> str:
    """Returns a quantile of minutes, as text."""
    left = share * sum(counts.values())
    for minutes, count in sorted(counts.items()):
        left -= count
        if left <= 0:
            return f"{minutes} min" if minutes < 180 else f"{minutes / 60:.1f} h"
    return "–"


def folds(year: Year, days: int) -> None:
    """Prints the candidates for file size and rhythm."""
    stored = year.rows * ROW_BYTES
    print(
        f"{year.rows:,} rows of {ROW_BYTES} bytes are {stored / 1e9:.1f} GB; {year.changed / days:,.0f} rows"
        f" ({year.changed * ROW_BYTES / days / 1e6:,.1f} MB) change in a day.\n"
    )
    print(
        "| File | Files | Rewritten when the oldest change is | GB a day | Write amplification"
        " | Wait of a change, median | p99 | Oldest change of a file, median | p99 |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for megabytes in FILES_MB:
        file_rows = megabytes * 1_000_000 // ROW_BYTES // CELL_ROWS * CELL_ROWS
        for rhythm in RHYTHMS:
            folding = Folding(file_rows, rhythm)
            folding.replay(year)
            written = folding.rewritten * min(file_rows, year.rows) * ROW_BYTES
            cells = (
                f"{megabytes} MB",
                f"{ceil(year.rows / file_rows):,}",
                str(rhythm),
                f"{written / days / 1e9:,.2f}",
                f"{written / (year.changed * ROW_BYTES):,.0f}",
                quantile(folding.waits, 0.5),
                quantile(folding.waits, 0.99),
                quantile(folding.oldest, 0.5),
                quantile(folding.oldest, 0.99),
            )
            print(f"| {' | '.join(cells)} |", flush=True)


def reads() -> None:
    """Prints what a reader of one small customer loads: a footer, and each row group that the customer's rows touch."""
    print(f"\n| File | Rows of a row group | Row groups | Footer, KB | A customer of {SMALL_ROWS} rows reads, KB |")
    print("|---|---|---|---|---|")
    for megabytes in FILES_MB:
        file_rows = megabytes * 1_000_000 // ROW_BYTES // CELL_ROWS * CELL_ROWS
        for group in (one for one in GROUPS if one <= file_rows):
            groups = ceil(file_rows / group)
            footer = FOOTER + groups * FOOTER_OF_GROUP
            # A range of n rows touches 1 + (n - 1) / size groups on average.
            touched = 1 + (SMALL_ROWS - 1) / group
            read = footer + touched * group * ROW_BYTES
            print(f"| {megabytes} MB | {group:,} | {groups} | {footer / 1e3:,.0f} | {read / 1e3:,.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folds(Year(arguments.customers, arguments.days, arguments.seed), arguments.days)
    reads()


if __name__ == "__main__":
    main()
