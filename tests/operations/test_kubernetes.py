"""The Kubernetes manifests: what they refer to, who may do what, and the query by which workers are scaled."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.settings import Settings
from shared.store.connection import connect
from tests.operations.test_compose import OURS
from tests.store.rows import Rows
from tests.store.test_roles import login

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
EVERY: list[dict[str, Any]] = [
    it for path in sorted(FOLDER.glob("*.yaml")) for it in yaml.safe_load_all(path.read_text("utf-8"))
]
PODS = {it["metadata"]["name"]: it["spec"] for it in EVERY if it["kind"] in ("Deployment", "Job")}
every_pod = pytest.mark.parametrize("name", PODS)


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [it for it in EVERY if it["kind"] == kind]


def container(name: str) -> dict[str, Any]:
    [found] = PODS[name]["template"]["spec"]["containers"]
    return found


@every_pod
def test_a_pod_runs_a_known_command_with_as_few_rights_as_can_be(name: str) -> None:
    it, pod = container(name), PODS[name]["template"]["spec"]

    # The queues aside, which the stack of containers does not part.
    words = [w for w in it["args"] if w not in ("-Q", "firings", "maintenance")]
    known = [list(service["command"]) for service in OURS.values()]
    assert words in known or [*words[:4], "4", *words[5:]] in known, words
    assert it["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert it["securityContext"]["readOnlyRootFilesystem"] is True
    assert it["securityContext"]["allowPrivilegeEscalation"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert it["resources"]["requests"]
    assert it["resources"]["limits"]["memory"]


@every_pod
def test_what_a_pod_refers_to_exists(name: str) -> None:
    maps = {it["metadata"]["name"] for it in of_kind("ConfigMap")}
    for source in container(name)["envFrom"]:
        assert source.get("configMapRef", {}).get("name", "slotbeat") in maps | {"slotbeat"}
    volumes = {it["name"] for it in PODS[name]["template"]["spec"].get("volumes", [])}
    assert {it["name"] for it in container(name).get("volumeMounts", [])} == volumes
    if "selector" in PODS[name]:
        assert PODS[name]["selector"]["matchLabels"] == PODS[name]["template"]["metadata"]["labels"]


def test_what_opens_the_api_is_given_to_nobody_else() -> None:
    given = {name: {it["secretRef"]["name"] for it in container(name)["envFrom"] if "secretRef" in it} for name in PODS}

    assert given.pop("slotbeat-api") == {"slotbeat", "slotbeat-api"}
    assert set(map(frozenset, given.values())) == {frozenset({"slotbeat"})}
    opens = [line for line in (FOLDER / "slotbeat.yaml").read_text("utf-8").splitlines() if "ADMIN_TOKEN" in line]
    assert all("secret generic slotbeat-api" in line for line in opens)


@pytest.mark.parametrize("name", [it for it in PODS if it != "slotbeat-migrate"])
def test_who_stays_has_a_probe_and_a_disruption_budget(name: str) -> None:
    assert container(name)["livenessProbe"]
    labels = PODS[name]["template"]["metadata"]["labels"]
    assert any(it["spec"]["selector"]["matchLabels"] == labels for it in of_kind("PodDisruptionBudget"))


def test_liveness_asks_no_server_that_may_be_away() -> None:
    """Else an outage of Postgres would have all workers killed, and what runs with them."""
    for name in ("slotbeat-beat", "slotbeat-worker", "slotbeat-maintenance"):
        assert container(name)["livenessProbe"]["exec"]["command"] == ["python", "-m", "shared.pulse"]
    assert container("slotbeat-api")["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container("slotbeat-api")["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_a_worker_is_given_more_time_to_stop_than_it_takes() -> None:
    needed = Settings().shutdown_grace_s + Settings().abort_grace_s

    assert PODS["slotbeat-worker"]["template"]["spec"]["terminationGracePeriodSeconds"] > needed + 10


def test_somebody_serves_each_queue() -> None:
    served = [args[args.index("-Q") + 1] for name in PODS if "-Q" in (args := container(name)["args"])]

    assert sorted(served) == ["firings", "maintenance"]
    assert "replicas" not in PODS["slotbeat-worker"], "KEDA says how many"


def scaled() -> dict[str, Any]:
    [found] = of_kind("ScaledObject")
    return found["spec"]


def test_what_is_scaled_exists_and_is_never_scaled_to_nothing() -> None:
    [authentication] = of_kind("TriggerAuthentication")
    [trigger] = scaled()["triggers"]

    assert scaled()["scaleTargetRef"]["name"] in PODS
    assert scaled()["minReplicaCount"] >= 1
    assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
    words = container("slotbeat-worker")["args"]
    assert trigger["metadata"]["targetQueryValue"] == words[words.index("--concurrency") + 1]


@pytest.mark.parametrize("part", ["worker", "api"])
def test_the_query_counts_what_runs_and_what_could_start_up_to_the_cap(
    part: str, rows: Rows, database_url: str
) -> None:
    query = scaled()["triggers"][0]["metadata"]["query"]

    def wanted() -> int:
        with connect(login(database_url, part)) as sql:
            row = sql.execute(query).fetchone()
            assert row is not None
            return row[0]

    rows.cap("fleet", 5)
    assert wanted() == 0
    rows.running()
    waiting = [rows.firing() for _ in range(2)]
    assert wanted() == 3
    rows.sql.execute("update firings set not_before = now() + interval '1 hour' where id = %s", [waiting[0]])
    assert wanted() == 2, "what waits for its time needs no worker"
    for _ in range(7):
        rows.firing()
    assert wanted() == 5
    rows.cap("fleet", 0)
    assert wanted() == 0
