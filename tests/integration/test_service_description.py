"""The description of the service: what it allows is answered as it says, and a client that is made of it alone asks and understands."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from running_service import Running
from schemathesis.checks import CHECKS, load_all_checks
from serving_lake import TOPICS, person_id

load_all_checks()
TOO_LARGE = 413
"""No schema bounds a body as a whole, and schemathesis takes this for no refusal of one that is wrong besides."""
STRICTER_THAN_ITS_WORDS = "positive_data_acceptance"
"""Not checked: no JSON schema says 'one of two fields', or 'no half a character'."""


@settings(max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.data())
def answers_as_it_says(operation: schemathesis.schemas.APIOperation, data: st.DataObject) -> None:
    case = data.draw(operation.as_strategy())
    response = case.call()
    if response.status_code != TOO_LARGE:
        case.validate_response(response, excluded_checks=[CHECKS.get_one(STRICTER_THAN_ITS_WORDS)])


def test_what_the_description_allows_is_answered_as_it_says(service: Running) -> None:
    """What it forbids is not sent: a `true` for a number, a number for a time and the like are taken for what they may mean."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{service.port}/openapi.json")
    paths = {operation.path: operation for result in schema.get_all_operations() if (operation := result.ok())}
    assert len(paths) >= 13
    for operation in paths.values():
        answers_as_it_says(operation)
    assert service.request("GET", "/ready")[0] == 200


@pytest.fixture(scope="module")
def client(service: Running, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A package made of the description, by the command that SERVING.md names."""
    folder = tmp_path_factory.mktemp("client")
    description = folder / "openapi.json"
    description.write_text(json.dumps(service.request("GET", "/openapi.json")[1]), encoding="utf-8")
    binaries = Path(sys.executable).parent
    command = [
        str(binaries / "openapi-python-client"),
        "generate",
        "--path",
        str(description),
        "--meta",
        "none",
        "--output-path",
        str(folder / "kindred_client"),
    ]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"})
    assert "warning" not in (made.stdout + made.stderr).lower(), made.stdout + made.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        return importlib.import_module("kindred_client")


def test_a_client_made_of_the_description_asks_and_understands(service: Running, client: ModuleType) -> None:
    questions, models = (importlib.import_module(f"kindred_client.{name}") for name in ("api.questions", "models"))
    for name in ("recommendations", "audience", "vector_of_history"):
        importlib.import_module(f"kindred_client.api.questions.{name}")
    app = client.Client(base_url=f"http://127.0.0.1:{service.port}")
    found = questions.recommendations.sync(client=app, body=models.Recommendations(user=person_id("stargazer"), level="broad", limit=1))
    assert (found.hits[0].text, found.hits[0].known) == ("Astronomy", True)
    people = questions.audience.sync(client=app, body=models.Audience(text="Observing the night sky", limit=2))
    assert {hit.person_id for hit in people.hits} == {person_id("stargazer"), person_id("astrophotographer")}
    assert people.hits[0].last_at.year == 2023, "a time, not its words"
    acts = [models.UniversalAct(platform="test", text=TOPICS["chess"][0])]
    assert len(questions.vector_of_history.sync(client=app, body=models.VectorOfHistory(acts=acts)).result.vector) == 384
    refused = questions.recommendations.sync(client=app, body=models.Recommendations(user="nobody"))
    assert (type(refused).__name__, refused.code) == ("Problem", "unknown_id")
