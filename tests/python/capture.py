"""Runs a command in a pseudo terminal of a given size, and writes what its screen shows as text and as an SVG picture.

Usage: python tests/python/capture.py [options] -- COMMAND [ARGUMENT ...]

  --columns N      width of the terminal; 80 if not given
  --lines N        height of the terminal, so that bars have room; 50 if not given
  --after SECONDS  end the command after that time and show the screen of that moment, such as a progress bar
  --head N         keep only the first N lines
  --tail N         keep only the last N lines
  --prompt TEXT    show TEXT as the command line above the output
  --text FILE      write the text there instead of to standard output; "-" is standard output
  --svg FILE       write the picture there

The picture keeps colours and bold type. Its background is dark in a rounded frame, so that it can be read on light and on
dark pages. Lines that scrolled off the top of the screen are part of the text and of the picture.
Exit code: that of the command; 0 when --after ended it.
"""

import argparse
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import pyte

HISTORY = 100_000
# A monospaced character is this wide for each unit of its size, in the fonts named below.
ADVANCE = 0.6
FONT_SIZE = 14
LINE_HEIGHT = 19
PADDING = 18
TITLE = 26
BACKGROUND, FRAME, FOREGROUND = "#16181d", "#3a3f4b", "#d7dae0"
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace"
COLOURS = {
    "black": "#5c6370",
    "red": "#f2777a",
    "green": "#8cc570",
    "brown": "#e5c07b",
    "blue": "#6cb2f0",
    "magenta": "#cf8fe0",
    "cyan": "#5fc4c9",
    "white": "#d7dae0",
    "brightblack": "#8a919e",
    "brightred": "#ff8f92",
    "brightgreen": "#a5dc88",
    "brightbrown": "#f5d48f",
    "brightblue": "#8ac6ff",
    "brightmagenta": "#e0a8ee",
    "brightcyan": "#7fdadf",
    "brightwhite": "#ffffff",
}


@dataclass(frozen=True)
class Piece:
    """Characters of one line that look alike."""

    text: str
    colour: str = "default"
    bold: bool = False
    underlined: bool = False


@dataclass(frozen=True)
class Capture:
    """What a command wrote to its terminal, and how it ended."""

    code: int
    columns: int
    written: bytes
    """Every byte, control sequences included."""
    lines: list[list[Piece]]
    """What the screen shows, with what scrolled off its top; no empty lines at the end."""
    cut: list[str]
    """What stood on lines that the terminal itself broke, because a text went on behind their last column."""

    @property
    def text(self) -> str:
        """Returns the screen as plain text."""
        return "".join("".join(piece.text for piece in line).rstrip() + "\n" for line in self.lines)


def capture(
    command: list[str],
    columns: int = 80,
    lines: int = 50,
    environment: dict[str, str] | None = None,
    after: float | None = None,
    timeout: float = 600,
) -> Capture:
    """Runs a command in a terminal of this size until it ends, or for `after` seconds."""
    environment = dict(os.environ if environment is None else environment)
    environment.setdefault("TERM", "xterm-256color")
    # These would win over the size of the terminal.
    environment.pop("COLUMNS", None)
    environment.pop("LINES", None)
    child, terminal = pty.fork()
    if child == 0:
        # The size is set from this side, too, before the command can ask for it.
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        try:
            os.execvpe(command[0], command, environment)
        except OSError as error:
            print(f"{command[0]}: {error}", file=sys.stderr)
        os._exit(127)
    written, ended_by_us = _read(child, terminal, after, timeout)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    code = 0 if ended_by_us else os.waitstatus_to_exitcode(status)
    shown, cut = _screen(written, columns, lines)
    return Capture(code, columns, written, shown, cut)


def _read(child: int, terminal: int, after: float | None, timeout: float) -> tuple[bytes, bool]:
    """Reads until the command closes its terminal. Returns the bytes, and whether this function ended the command."""
    began = time.monotonic()
    written = bytearray()
    ended_by_us = False
    while True:
        passed = time.monotonic() - began
        if after is not None and passed >= after and not ended_by_us:
            os.kill(child, signal.SIGKILL)
            ended_by_us = True
        if passed >= timeout:
            os.kill(child, signal.SIGKILL)
            raise TimeoutError(f"the command still ran after {timeout} s")
        if not select.select([terminal], [], [], 0.05)[0]:
            continue
        try:
            some = os.read(terminal, 65_536)
        except OSError:
            # Linux's answer once the last process of the terminal has ended.
            some = b""
        if not some:
            return bytes(written), ended_by_us
        if not ended_by_us:
            written += some


class _Screen(pyte.HistoryScreen):
    """A screen that remembers the lines that the terminal itself broke."""

    def __init__(self, columns: int, lines: int) -> None:
        self.broken: list[str] = []
        super().__init__(columns, lines, history=HISTORY, ratio=0.5)

    def draw(self, data: str) -> None:
        for char in data:
            if self.cursor.x == self.columns:
                line = self.display[self.cursor.y]
                # Bars are filled up with spaces.
                if not line.endswith(" "):
                    self.broken.append(line)
            super().draw(char)


def _screen(written: bytes, columns: int, lines: int) -> tuple[list[list[Piece]], list[str]]:
    """Returns the lines that a terminal shows after these bytes, and the lines that it broke."""
    screen = _Screen(columns, lines)
    pyte.ByteStream(screen).feed(written)
    rows = [*screen.history.top, *(screen.buffer[row] for row in range(lines))]
    shown = [_pieces(row, columns) for row in rows]
    while shown and not any(piece.text.strip() for piece in shown[-1]):
        shown.pop()
    return shown, screen.broken


def _pieces(row: "dict[int, pyte.screens.Char]", columns: int) -> list[Piece]:
    """Puts characters beside each other that look alike together."""
    pieces: list[Piece] = []
    for column in range(columns):
        char = row[column]
        colour = char.bg if char.reverse else char.fg
        piece = Piece(char.data, colour, char.bold, char.underscore)
        last = pieces[-1] if pieces else None
        if last and (last.colour, last.bold, last.underlined) == (colour, char.bold, char.underscore):
            pieces[-1] = Piece(last.text + char.data, colour, char.bold, char.underscore)
        else:
            pieces.append(piece)
    return pieces


def picture(lines: list[list[Piece]], columns: int) -> str:
    """Returns an SVG picture of a terminal with these lines."""
    advance = FONT_SIZE * ADVANCE
    width = round(columns * advance + 2 * PADDING)
    height = TITLE + len(lines) * LINE_HEIGHT + PADDING
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" font-family="{FONTS}" font-size="{FONT_SIZE}">',
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="9" fill="{BACKGROUND}" stroke="{FRAME}"/>',
    ]
    for place, colour in enumerate(("#f2777a", "#e5c07b", "#8cc570")):
        parts.append(f'<circle cx="{PADDING + 3 + place * 17}" cy="14" r="4.5" fill="{colour}"/>')
    for number, line in enumerate(lines):
        y = TITLE + (number + 1) * LINE_HEIGHT - 5
        column = 0
        for piece in line:
            parts += _texts(piece, PADDING + column * advance, y, advance)
            column += len(piece.text)
    return "\n".join([*parts, "</svg>", ""])


def _texts(piece: Piece, x: float, y: int, advance: float) -> list[str]:
    """Returns a text for each run without a wide gap, each at its own column.

    Their lengths are given as well, so that columns stay aligned in any font.
    """
    colour = COLOURS.get(piece.colour, FOREGROUND)
    if len(piece.colour) == 6 and piece.colour not in COLOURS:
        # A colour of 256 or of 24 bits is written as six hexadecimal digits.
        colour = f"#{piece.colour}"
    style = ' font-weight="bold"' if piece.bold else ""
    style += ' text-decoration="underline"' if piece.underlined else ""
    return [
        f'<text x="{x + run.start() * advance:.1f}" y="{y}" fill="{colour}"{style} xml:space="preserve"'
        f' textLength="{len(run[0]) * advance:.1f}" lengthAdjust="spacingAndGlyphs">{escape(run[0])}</text>'
        for run in re.finditer(r"\S+(?: \S+)*", piece.text)
    ]


def main() -> int:
    """Reads the command line, runs the command and writes text and picture."""
    parser = argparse.ArgumentParser(description="Shows what a command writes to a terminal of a given size.")
    parser.add_argument("--columns", type=int, default=80)
    parser.add_argument("--lines", type=int, default=50)
    parser.add_argument("--after", type=float)
    parser.add_argument("--head", type=int)
    parser.add_argument("--tail", type=int)
    parser.add_argument("--prompt")
    parser.add_argument("--text", default="-")
    parser.add_argument("--svg", type=Path)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    shown = capture(arguments.command, arguments.columns, arguments.lines, after=arguments.after)
    lines = shown.lines[: arguments.head]
    lines = lines[-arguments.tail :] if arguments.tail else lines
    if arguments.prompt:
        lines = [[Piece("$ ", "green", bold=True), Piece(arguments.prompt, bold=True)], *lines]
    text = "".join("".join(piece.text for piece in line).rstrip() + "\n" for line in lines)
    if arguments.text == "-":
        print(text, end="")
    else:
        Path(arguments.text).write_text(text)
    if arguments.svg:
        arguments.svg.write_text(picture(lines, arguments.columns))
    return shown.code


if __name__ == "__main__":
    sys.exit(main())
