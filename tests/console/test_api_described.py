"""The API keeps to its own description: it validates, and nothing that anybody could ask makes it fail."""

import os
import re
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.console.conftest import SLEEPS, Api
from tests.console.test_api_tokens import token

# More of them by hand: SCHEMATHESIS_EXAMPLES=200.
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "6"))
# Answers when it is ready, or when all that runs has ended: nothing for a test that has a moment.
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
SLOW = {"/api/workspaces/{workspace_id}/restart"}


def test_the_description_is_valid_openapi_3_1(api: Api) -> None:
    described = api.get("/api/openapi.json")

    assert described["openapi"].startswith("3.1")
    assert [str(it) for it in OpenAPIV31SpecValidator(described).iter_errors()] == []


def test_whatever_is_asked_is_answered_as_described_and_never_with_a_fault(api: Api) -> None:
    described: Any = schemathesis.openapi.from_dict(api.get("/api/openapi.json"))
    described.config.base_url = str(api.client.base_url).rstrip("/")
    place = api.workspace()
    known = {
        "Authorization": f"Bearer {token(api, 'tester', 'admin')}",
        "workspace_id": place,
        "schedule_id": api.schedule(place)["id"],
        "firing_id": api.fill(place)[0],
    }
    operations = [it.ok() for it in described.get_all_operations()]
    wrong: list[str] = []
    well: list[str] = []

    for operation in sorted(operations, key=lambda it: it.method == "delete"):
        if operation.path not in SLOW:
            statuses = asked(operation, known, wrong)
            well += [operation.label] if min(statuses, default=500) < 300 else []

    assert wrong == []
    # Where all is refused, nothing was tried.
    assert len(well) > len(operations) * 0.6, sorted({it.label for it in operations} - set(well))


def asked(operation: Any, known: dict[str, str], wrong: list[str]) -> list[int]:
    """How the examples of one operation were answered; what went wrong goes into `wrong`."""
    statuses: list[int] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        # Ids at random are nobody's: most of what an address does would never be reached.
        case.headers["Authorization"] = known["Authorization"]
        case.path_parameters.update({name: it for name, it in known.items() if name in case.path_parameters})
        try:
            statuses.append(case.call_and_validate(checks=CHECKS).status_code)
        except FailureGroup as failures:
            wrong.append(f"{operation.label}: {[str(it) for it in failures.exceptions]}")

    ask()
    return statuses


TOLD = {"location", "etag", "retry-after", "idempotency-replayed"}


def test_what_an_answer_carries_beside_its_body_is_described(api: Api) -> None:
    """Headers, members of refusals, statuses: a client made from the description knows them all."""
    place, again = api.workspace(), {"Idempotency-Key": "only-once"}
    path, json = f"/api/schedules/{api.schedule(place)['id']}", {"Content-Type": "application/json"}
    tag = api.ask("GET", path).headers["ETag"]
    first = api.ask("POST", f"{path}/execute", headers=again).json()["firing_id"]
    api.ask("POST", "/api/firings", params={"queue": "true"}, json={"workspace_id": place, "target": SLEEPS})
    described = Described(api)

    assert described.ask("POST", "/api/workspaces", json={"name": "there"}) == (201, {"location", "etag"})
    assert described.ask("POST", "/api/workspaces", json={"name": "there"}) == (409, {"existing_id"})
    assert described.ask("POST", "/api/workspaces", content="{", headers=json) == (400, set())
    assert described.ask("POST", "/api/workspaces", content="{}", headers={"Content-Type": "a/b"}) == (415, set())
    assert described.ask("GET", path, headers={"If-None-Match": tag}) == (304, {"etag"})
    assert described.ask("PATCH", path, json={"prompt": "x"}, headers={"If-Match": '"9"'}) == (412, {"revision"})
    assert described.ask("POST", f"{path}/execute", headers=again) == (200, {"location", "idempotency-replayed"})
    full = {"retry-after", "limit", "slot_eta_s", "slot_eta_measured"}
    assert described.ask("POST", f"{path}/execute") == (429, full)
    assert described.ask("POST", f"/api/firings/{first}/rerun") == (409, {"state"})
    assert described.ask("GET", "/metrics") == (200, set())


class Described:
    """The API beside its own description."""

    def __init__(self, api: Api) -> None:
        self._api, self._described = api, api.get("/api/openapi.json")
        self._problem = set(self._described["components"]["schemas"]["ProblemDetails"]["properties"])

    def ask(self, method: str, path: str, **given: Any) -> tuple[int, set[str]]:
        """The status, and what came beside the body or beyond what every refusal has; all of it is described."""
        answer = self._api.ask(method, path, **given)
        says = self._described["paths"][re.sub(r"/[0-9a-f-]{36}", self._name, path)][method.lower()]["responses"]
        known = says[str(answer.status_code)]
        headers, members = TOLD & set(answer.headers), set[str]()
        if answer.status_code >= 400:
            members = set(answer.json()) - {"type", "title", "status", "detail", "error", "errors"}
        assert headers <= {it.lower() for it in known.get("headers", {})}
        assert members <= self._problem
        assert not answer.content or answer.headers["Content-Type"].partition(";")[0] in known["content"]
        return answer.status_code, headers | members

    def _name(self, found: re.Match[str]) -> str:
        before = found.string[: found.start()].rpartition("/")[2]
        return f"/{{{before.removesuffix('s')}_id}}"
