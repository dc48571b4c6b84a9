"""The dashboard for Grafana and the alert rules: every metric that they name exists, every alert is explained."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.utils import floatToGoString

from console.metrics import known
from shared.store import tallies

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboards" / "slotbeat.json").read_text("utf-8"))
RULES: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8"))["groups"][0][
    "rules"
]
SCRAPE: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")

PARTS = ("_bucket", "_sum", "_count")
LABELS = {it.shown: set(it.labels) for it in known.ALL if it.kind != "histogram"} | {
    it.name + part: {"le"} if part == "_bucket" else set[str]()
    for it in known.ALL
    if it.kind == "histogram"
    for part in PARTS
}
EXPRESSIONS = {f"panel {p['title']} {t['refId']}": t["expr"] for p in BOARD["panels"] for t in p["targets"]} | {
    it["alert"]: it["expr"] for it in RULES
}
every_expression = pytest.mark.parametrize("name", EXPRESSIONS)


@every_expression
def test_every_metric_and_label_that_is_asked_for_exists(name: str) -> None:
    expression = EXPRESSIONS[name]
    asked = re.findall(r"\b(slotbeat_\w+)(?:\{([^}]*)\})?", expression)

    assert asked or "up{" in expression
    for metric, labels in asked:
        assert metric in LABELS, metric
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", labels)) <= LABELS[metric], (metric, labels)


@every_expression
def test_it_is_grouped_by_labels_that_are_there_and_its_brackets_match(name: str) -> None:
    expression = EXPRESSIONS[name]
    every = set[str]().union(*(LABELS[it] for it in re.findall(r"\bslotbeat_\w+", expression)))

    for grouping in re.findall(r"\bby \(([\w, ]*)\)", expression):
        assert {it.strip() for it in grouping.split(",")} <= every
    for left, right in ("()", "{}", "[]"):
        assert expression.count(left) == expression.count(right)


@every_expression
def test_a_counter_is_asked_for_its_rate_and_never_for_itself(name: str) -> None:
    expression = EXPRESSIONS[name]
    for it in known.ALL:
        if it.kind == "counter" and it.shown in expression:
            assert re.search(rf"(?:rate|increase)\({it.shown}\b", expression), it.shown


@every_expression
def test_what_is_reckoned_together_has_the_same_labels(name: str) -> None:
    """Two series of different labels have no sum: Prometheus answers nothing, and the alert never fires."""
    for part in re.split(r" (?:and|or|unless)(?: on\(\))? | [<>=!]=? ", EXPRESSIONS[name]):
        sides = re.split(r" [-+*/] ", part)
        series = [it for it in sides if "slotbeat_" in it and not re.match(r"[\s(]*sum(?: by \([^)]*\))?\s?\(", it)]
        assert len({"".join(re.findall(r"\{[^}]*\}", it)) for it in series}) <= 1, part


@every_expression
def test_a_share_of_what_happened_is_asked_for_only_where_enough_of_it_did(name: str) -> None:
    """Of a quiet fleet's one firing, one failure is all."""
    for metric, labels in re.findall(
        r"^sum\(rate\((slotbeat_\w+)(\{[^}]*\})\[\w+\]\)\) > [\d.]+ \* sum", EXPRESSIONS[name]
    ):
        enough = rf" and sum\(increase\({metric}{re.escape(labels)}\[\w+\]\)\) > (\d+)$"
        assert re.search(enough, EXPRESSIONS[name]), name
        assert int(re.findall(enough, EXPRESSIONS[name])[0]) >= 3


@pytest.mark.parametrize("expression", [it["expr"] for it in RULES if "histogram_quantile" in it["expr"]])
def test_slowness_is_an_alert_only_where_several_were_as_slow(expression: str) -> None:
    """Of a quiet fleet's one firing, an odd one is all."""
    share = r"histogram_quantile\(0\.\d+, sum by \(le\) \(rate\((\w+)_bucket\[\w+]\)\)\) > (\d+) "
    slow = re.match(share, expression)
    assert slow
    metric, bound_s = slow.groups()
    all_of_them, quick = rf"{metric}_count\[\w+]", rf'{metric}_bucket{{le="(.+)"}}\[\w+]'
    enough = rf" and sum\(increase\({all_of_them}\)\) - sum\(increase\({quick}\)\) > (\d+)$"
    [(bucket, most_odd)] = re.findall(enough, expression)

    assert bucket == floatToGoString(float(bound_s))
    assert float(bound_s) in tallies.BUCKETS
    assert int(most_odd) >= 3


@pytest.mark.parametrize("rule", RULES, ids=lambda it: it["alert"])
def test_every_alert_says_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"].endswith(".")
    assert f"\n### {rule['alert']}\n" in OPERATIONS, f"docs/operations.md has no section {rule['alert']}"


def test_no_alert_is_explained_that_is_not_there() -> None:
    assert set(re.findall(r"^### (Slotbeat\w+)$", OPERATIONS, re.MULTILINE)) == {it["alert"] for it in RULES}


def test_prometheus_scrapes_the_api_of_the_stack_with_a_token_from_a_file() -> None:
    from tests.operations.test_compose import SERVICES, STACK

    [job] = SCRAPE["scrape_configs"]
    service, _, port = job["static_configs"][0]["targets"][0].partition(":")
    assert service in SERVICES
    assert port in SERVICES[service]["command"]
    assert SCRAPE["rule_files"] == ["alerts.yml"]
    secret = Path(job["authorization"]["credentials_file"]).name
    assert secret in STACK["secrets"]
    assert secret in SERVICES["prometheus"]["secrets"]


def test_every_panel_has_a_place_of_its_own_and_asks_the_source_that_is_provisioned() -> None:
    [source] = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    taken = set[tuple[int, int]]()
    for panel in BOARD["panels"]:
        assert panel["datasource"]["uid"] == source["uid"]
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({it["id"] for it in BOARD["panels"]}) == len(BOARD["panels"])


def test_every_metric_is_shown_or_watched_somewhere() -> None:
    asked = " ".join(EXPRESSIONS.values())
    by_the_way = {known.LEFT_OUT, known.DELETED, known.DRIFTED, known.CAPACITY, known.REAPED_AT, known.RESERVED}
    by_the_way |= {known.CLOCK}

    assert {it.name for it in known.ALL if it.name not in asked} <= {it.name for it in by_the_way}
