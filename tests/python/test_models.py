"""Tests that every model of Kombo's client is in the catalog. A new model fails here with its name."""

import json
import subprocess
import typing
from typing import Any

from kombo.models.datachangedwebhookpayload import Name
from product import BINARY, RUN_SECONDS
from schemas import endpoints
from webhooks import data_changed

MODELS: tuple[str, ...] = typing.get_args(Name)
UNKNOWN = "is not in the catalog"


def test_the_catalog_has_the_models_of_the_vendors_client_and_no_others() -> None:
    assert len(MODELS) >= 55, "the client names its models elsewhere now"
    named = {model for one in endpoints() for model, _ in one.models}
    assert not set(MODELS) - named, f"no schema names {sorted(set(MODELS) - named)}"
    assert not named - set(MODELS), f"the client knows no {sorted(named - set(MODELS))}"


def test_no_change_of_a_known_model_is_planned_for_as_of_an_unknown_one() -> None:
    for category in ("ats", "hris", "lms"):
        models = [model for model in MODELS if model.startswith(f"{category}_")]
        plan = _explained(category, *models)
        assert sorted(plan["models"]) == sorted(models)
        lost = [line["reason"] for line in plan["endpoints"] if UNKNOWN in line["reason"]]
        assert not lost, lost
    strange = _explained("ats", "ats_something_new")["endpoints"]
    assert strange and all(UNKNOWN in line["reason"] for line in strange)


def test_a_role_of_a_job_concerns_jobs_alone() -> None:
    assignment = _explained("ats", "ats_join_user_job_role_assignments")["endpoints"]
    fetched = [line["endpoint"] for line in assignment if line["action"] != "saved"]
    assert fetched == ["ats/jobs"]
    roles = {line["endpoint"]: line for line in _explained("ats", "ats_roles")["endpoints"]}
    assert roles["ats/jobs"]["stale"] == ["ats_roles"]
    fetched = [name for name, line in roles.items() if line["action"] != "saved"]
    assert sorted(fetched) == ["ats/roles", "ats/users"]


def _explained(category: str, *models: str) -> Any:
    """Returns the output of `explain` for a webhook with these models."""
    done = subprocess.run(
        [BINARY, "explain", "--json"],
        input=data_changed(f"tool:{category}", models, category),
        capture_output=True,
        timeout=RUN_SECONDS,
        check=True,
    )
    return json.loads(done.stdout)
