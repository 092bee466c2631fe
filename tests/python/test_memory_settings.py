"""Tests the settings of the allocator, as the allocator itself reports them."""

import os
import re
import subprocess

from product import BINARY


def _report(settings: str) -> dict[str, str]:
    environment = {**os.environ, "_RJEM_MALLOC_CONF": f"stats_print:true{settings}"}
    done = subprocess.run([BINARY, "--version"], env=environment, text=True, capture_output=True, check=True)
    return dict(re.findall(r'^ *([\w. ]+): "?([^"\s]*)"?(?: \(.*\))?$', done.stderr, re.M))


def test_the_settings_are_compiled_into_the_program_and_not_taken_from_where_it_is_built() -> None:
    report = _report("")
    settings = {name: report[f"opt.{name}"] for name in ("narenas", "dirty_decay_ms", "muzzy_decay_ms")}
    assert settings == {"narenas": "1", "dirty_decay_ms": "1000", "muzzy_decay_ms": "0"}
    # Variables such as JEMALLOC_SYS_WITH_MALLOC_CONF reach only builds that start in one folder.
    assert "narenas" not in report["config.malloc_conf"]


def test_a_variable_sets_others_for_one_run() -> None:
    assert _report(",dirty_decay_ms:10")["opt.dirty_decay_ms"] == "10"
