"""Tests what `--version` says, and where the build script takes commit and date from.

The build script's part is compiled alone and run in folders of its own, with what cargo would give it.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from pages import ROOT
from product import BINARY, run

EPOCH = 1_795_996_800
DAY = "2026-11-30"
SHA = "0123456789abcdef0123456789abcdef01234567"
IDENTITY = ("-c", "user.name=builder", "-c", "user.email=builder@example.com")
VARIABLE = "cargo:rustc-env=KOMBO_BUILD_"
WATCHED = "cargo:rerun-if-changed="


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the compiled part of the build script."""
    program = tmp_path_factory.mktemp("script") / "build"
    main = program.with_suffix(".rs")
    part = ROOT / "src" / "build" / "version.rs"
    main.write_text(f'#[path = "{part}"]\nmod version;\nfn main() {{ version::tell(); }}\n')
    command = ["rustc", "--edition", "2024", "-o", str(program), str(main)]
    subprocess.run(command, check=True)
    return program


@pytest.fixture
def crate(tmp_path: Path) -> Path:
    """Returns the folder of a crate that is in no repository."""
    folder = tmp_path / "crate"
    (folder / "src").mkdir(parents=True)
    for name in ("Cargo.toml", "Cargo.lock", "src/lib.rs"):
        (folder / name).write_text("")
    return folder


class Said:
    """What the build script told cargo."""

    def __init__(self, text: str) -> None:
        lines = text.splitlines()
        values = [line[len(VARIABLE) :].split("=", 1) for line in lines if line.startswith(VARIABLE)]
        self.values = dict(values)
        self.text = self.values["TEXT"]
        self.watched = [Path(line[len(WATCHED) :]) for line in lines if line.startswith(WATCHED)]


def _run(script: Path, crate: Path, **more: str) -> subprocess.CompletedProcess[str]:
    given = {"CARGO_MANIFEST_DIR": str(crate), "CARGO_PKG_VERSION": "0.1.0", "PROFILE": "release"}
    # Git looks for a repository no higher than here.
    bounds = {"PATH": os.environ["PATH"], "GIT_CEILING_DIRECTORIES": str(crate.parent)}
    environment = bounds | given | {"SOURCE_DATE_EPOCH": str(EPOCH)} | more
    return subprocess.run([str(script)], env=environment, text=True, capture_output=True, check=False)


def _said(script: Path, crate: Path, **more: str) -> Said:
    done = _run(script, crate, **more)
    assert done.returncode == 0, done.stderr
    return Said(done.stdout)


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *IDENTITY, *arguments]
    return subprocess.run(command, check=True, text=True, capture_output=True).stdout.strip()


def _commit(folder: Path) -> str:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", "a commit")
    return _git(folder, "rev-parse", "HEAD")[:10]


def test_the_program_names_the_commit_that_it_was_built_from() -> None:
    done = run([BINARY, "--version"])
    said = re.fullmatch(r"kombo-source (\d+\.\d+\.\d+) \(([0-9a-f]{10})(-dirty)? (\d{4}-\d\d-\d\d)\)\n", done.stdout)
    assert done.code == 0 and said, done.stdout
    # A debug build keeps the commit at which its sources last changed.
    assert _git(ROOT, "cat-file", "-t", said[2]) == "commit"


def test_a_build_in_a_repository_names_its_commit_and_whether_its_sources_differ(script: Path, crate: Path) -> None:
    _git(crate, "init", "--quiet")
    commit = _commit(crate)
    assert _said(script, crate).text == f"0.1.0 ({commit} {DAY})"
    (crate / "notes.md").write_text("no part of the program")
    assert _said(script, crate).text == f"0.1.0 ({commit} {DAY})"
    (crate / "src" / "new.rs").write_text("")
    assert _said(script, crate).text == f"0.1.0 ({commit}-dirty {DAY})"
    assert _said(script, crate).values["COMMIT"] == f"{commit}-dirty"


def test_a_build_without_git_has_no_commit(script: Path, crate: Path) -> None:
    assert _said(script, crate).text == f"0.1.0 ({DAY})"
    assert _said(script, crate, PATH="/nowhere").text == f"0.1.0 ({DAY})"
    assert _said(script, crate).values["COMMIT"] == ""


def test_a_repository_that_does_not_track_the_crate_is_not_asked(script: Path, crate: Path) -> None:
    home = crate.parent
    _git(home, "init", "--quiet")
    (home / "own.txt").write_text("")
    _git(home, "add", "own.txt")
    _git(home, "commit", "--quiet", "--message", "a commit")
    bounds = {"GIT_CEILING_DIRECTORIES": str(home.parent)}
    assert _said(script, crate, **bounds).text == f"0.1.0 ({DAY})"
    _git(home, "add", "--all")
    assert _said(script, crate, **bounds).values["COMMIT"] != ""


def test_a_packaged_crate_names_the_commit_that_cargo_wrote_into_it(script: Path, crate: Path) -> None:
    packaged = crate / ".cargo_vcs_info.json"
    packaged.write_text(f'{{\n  "git": {{\n    "sha1": "{SHA}"\n  }},\n  "path_in_vcs": ""\n}}')
    assert _said(script, crate).text == f"0.1.0 (0123456789 {DAY})"
    packaged.write_text(f'{{\n  "git": {{\n    "sha1": "{SHA}",\n    "dirty": true\n  }}\n}}')
    assert _said(script, crate).text == f"0.1.0 (0123456789-dirty {DAY})"
    for broken in ("", "{}", '{"git": {"sha1": "short"}}', '{"git": {"sha1": "not a commit"}}'):
        packaged.write_text(broken)
        assert _said(script, crate).text == f"0.1.0 ({DAY})", broken


def test_a_given_commit_counts_more_than_git(script: Path, crate: Path) -> None:
    _git(crate, "init", "--quiet")
    commit = _commit(crate)
    assert _said(script, crate, KOMBO_BUILD_COMMIT=SHA).text == f"0.1.0 (0123456789 {DAY})"
    assert _said(script, crate, KOMBO_BUILD_COMMIT="").text == f"0.1.0 ({commit} {DAY})"
    refused = _run(script, crate, KOMBO_BUILD_COMMIT="x\ncargo:rustc-env=A=B")
    assert refused.returncode != 0 and "give what `git rev-parse HEAD` prints" in refused.stderr


@pytest.mark.parametrize(
    ("seconds", "date"),
    [(0, "1970-01-01"), (951_782_400, "2000-02-29"), (1_709_164_799, "2024-02-28"), (4_107_542_400, "2100-03-01")],
)
def test_the_date_is_that_of_the_given_second(script: Path, crate: Path, seconds: int, date: str) -> None:
    assert _said(script, crate, SOURCE_DATE_EPOCH=str(seconds)).text == f"0.1.0 ({date})"


def test_a_date_that_is_none_ends_the_build(script: Path, crate: Path) -> None:
    refused = _run(script, crate, SOURCE_DATE_EPOCH="yesterday")
    assert refused.returncode != 0 and "SOURCE_DATE_EPOCH is no number of seconds" in refused.stderr


def test_a_release_is_built_again_after_a_commit_and_not_before(script: Path, crate: Path) -> None:
    _git(crate, "init", "--quiet")
    _commit(crate)
    worktree = crate.parent / "worktree"
    _git(crate, "worktree", "add", "--quiet", str(worktree))
    _git(crate, "pack-refs", "--all")
    for folder in (crate, worktree):
        watched = _said(script, folder).watched
        # Cargo runs the script at each build when it watches a file that does not exist.
        assert [path for path in watched if not path.exists()] == []
        before = {path: path.stat().st_mtime_ns for path in watched}
        _said(script, folder)
        assert before == {path: path.stat().st_mtime_ns for path in watched}
        _git(folder, "commit", "--quiet", "--allow-empty", "--message", "another commit")
        assert before != {path: path.stat().st_mtime_ns for path in watched}
        # A commit alone does not make a developer build again.
        debug = _said(script, folder, PROFILE="debug").watched
        assert {path.relative_to(folder).as_posix() for path in debug} == {"Cargo.toml", "Cargo.lock", "src"}
