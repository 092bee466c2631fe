"""Pages of the manual, cut into sections, fenced blocks and command lines, so that tests run what readers copy."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def page(name: str) -> str:
    """Returns the text of a page, such as `docs/start.md`."""
    return (ROOT / name).read_text()


def section(text: str, heading: str) -> str:
    """Returns what stands below a heading, up to the next heading of its level or above."""
    lines = text.splitlines()
    fenced = False
    level = 0
    found: list[str] = []
    for line in lines:
        if line.startswith("```"):
            fenced = not fenced
        marks = re.match(r"^(#+) (.*)$", line)
        if marks and not fenced:
            if level and len(marks[1]) <= level:
                break
            if not level and marks[2].strip() == heading:
                level = len(marks[1])
                continue
        if level:
            found.append(line)
    assert level, f"there is no heading {heading!r}"
    return "\n".join(found)


def blocks(text: str, language: str) -> list[str]:
    """Returns the fenced blocks of a language, in their order."""
    return [body.strip("\n") for body in re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)]


def commands(block: str) -> list[str]:
    """Returns the command lines of a console block: those behind a `$`, continued lines joined, comments cut off."""
    joined = re.sub(r"\\\n\s*", "", block)
    lines = [line[2:] for line in joined.splitlines() if line.startswith("$ ")]
    return [re.sub(r"\s{2,}#.*$", "", line).strip() for line in lines]
