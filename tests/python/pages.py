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


def outputs(block: str) -> list[str]:
    """Returns the lines of a console block that the commands print."""
    joined = re.sub(r"\\\n\s*", "", block)
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("$ ")]


def missing(shown: list[str], printed: str) -> str | None:
    """Returns the first shown line that is not in what was printed, after the lines before it; none when all are there.

    Any figure may take the place of a figure, any white space that of white space, and any text that of `…`.
    """
    lines = iter(printed.splitlines())
    for one in shown:
        pattern = _pattern(one)
        if pattern != ".*" and not any(re.fullmatch(pattern, line.strip()) for line in lines):
            return one
    return None


def _pattern(line: str) -> str:
    parts = re.split(r"(…|\d+|\s+)", line.strip())
    kinds = {"…": ".*"}
    return "".join(
        kinds.get(part) or (r"\d+" if part.isdigit() else r"\s+" if part.isspace() else re.escape(part))
        for part in parts
    )
