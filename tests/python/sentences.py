"""Counts words per sentence in the doc comments of Rust files: an indication of how easily they read.

Usage: python tests/python/sentences.py [folder ...]    without folders: src
       git stash; git checkout OLD; run it; compare. It reads files and changes nothing.
"""

import re
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Words that stand for a noun that the reader has to look for in another sentence.
LOOSE_START = re.compile(r"^(It|Its|Those|That|This|These|They|Whose|Which|Same|Such|So|Then)\b")


def paragraphs(text: str) -> list[str]:
    """Returns the prose of the doc comments of one file: one text per paragraph or list entry, without code and tables."""
    found: list[str] = []
    current: list[str] = []
    in_code = False

    def close() -> None:
        if current:
            found.append(" ".join(current))
            current.clear()

    for line in text.splitlines():
        comment = re.match(r"^\s*//[/!] ?(.*)$", line)
        if comment is None:
            close()
            in_code = False
            continue
        words = comment[1].strip()
        if words.startswith("```"):
            in_code = not in_code
            close()
        elif in_code or words.startswith(("|", "#")) or not words:
            close()
        else:
            if re.match(r"^([-*]|\d+\.) ", words):
                close()
                words = words.split(" ", 1)[1]
            current.append(words)
    close()
    return found


def sentences(paragraph: str) -> list[str]:
    """Splits a paragraph where a full stop, a question mark or an exclamation mark is followed by a space."""
    return [one for one in re.split(r"(?<=[.!?])\s+", paragraph) if re.search(r"\w", one)]


def main(folders: list[str]) -> None:
    """Prints one line per folder and one for all of them."""
    print(f"{'folder':<24} {'sentences':>9} {'mean':>6} {'median':>6} {'p90':>5} {'over 25':>8} {'loose start':>11}")
    whole: list[str] = []
    rooms = [Path(folder) for folder in folders] or sorted(ROOT.glob("src/*"))
    for room in rooms:
        files = sorted(room.rglob("*.rs")) if room.is_dir() else [room]
        of_room = [one for file in files for paragraph in paragraphs(file.read_text()) for one in sentences(paragraph)]
        whole += of_room
        print(line(room.name, of_room))
    print(line("all", whole))


def line(name: str, all_sentences: list[str]) -> str:
    """Returns the figures of one folder."""
    lengths = sorted(len(one.split()) for one in all_sentences) or [0]
    long = sum(length > 25 for length in lengths) / len(lengths)
    loose = sum(bool(LOOSE_START.match(one)) for one in all_sentences) / len(lengths)
    p90 = lengths[int(len(lengths) * 0.9)] if len(lengths) > 1 else lengths[0]
    return (
        f"{name:<24} {len(all_sentences):>9} {statistics.mean(lengths):>6.1f} {statistics.median(lengths):>6.0f} "
        f"{p90:>5} {long:>8.1%} {loose:>11.1%}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
