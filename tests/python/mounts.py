"""A folder mounted for one program alone: on a disk of its own size, or read-only. Linux's namespaces do it for every user."""

import os
import subprocess
from pathlib import Path

SECONDS = 20


def on_small_disk(folder: Path, size: str) -> tuple[str, ...]:
    """Returns the words before a command that give it a disk of this size at an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return _with_mount(f"mount -t tmpfs -o size={size} none", folder)


def on_own_mount(folder: Path) -> tuple[str, ...]:
    """Returns the words before a command that make a folder a mount of its own, so that it can become read-only."""
    folder.mkdir(parents=True, exist_ok=True)
    return _with_mount(f"mount --bind '{folder}'", folder)


def remount(pid: int, folder: Path, options: str) -> None:
    """Changes a mount that a running program sees."""
    command = [*inside(pid), "mount", "-o", f"remount,{options}", str(folder)]
    subprocess.run(command, check=True, timeout=SECONDS, capture_output=True)


def inside(pid: int) -> tuple[str, ...]:
    """Returns the words before a command that let it see the files that a running program sees."""
    return ("nsenter", "-t", str(pid), "-U", "-m", "--preserve-credentials", f"--wd={os.getcwd()}")


def _with_mount(mount: str, folder: Path) -> tuple[str, ...]:
    # `exec` keeps the process id: signals reach the program itself.
    return ("unshare", "-rm", "sh", "-c", f'{mount} "$0" && exec "$@"', str(folder))
