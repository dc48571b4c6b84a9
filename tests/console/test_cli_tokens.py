"""Tokens by command line: made, used from elsewhere, listed, revoked."""

import sys
from typing import Any

import pytest

from tests.console.conftest import Api
from tests.console.test_cli import Cli


@pytest.fixture
def alone(database_url: str, redis_url: str, tmp_path: Any) -> Cli:
    return Cli({"DATABASE_URL": database_url, "REDIS_URL": redis_url}, str(tmp_path))


def test_the_first_token_is_made_beside_the_server_and_opens_it_from_elsewhere(
    alone: Cli, wide: Api, tmp_path: Any
) -> None:
    url = {"SLOTBEAT_URL": str(wide.client.base_url)}

    text = alone("token", "create", "ops", "--scope", "admin").stdout.strip()

    away = Cli({**url, "SLOTBEAT_TOKEN": text}, str(tmp_path))
    away("workspace", "add", "lab")
    assert [it["name"] for it in away.json("workspace", "list")] == ["lab"]
    nobody = Cli(url, str(tmp_path))("workspace", "list", exits=4)
    assert "slotbeat token create" in nobody.stderr
    # What a payload finds in that variable is its attempt's token: it must not be shown to the API as one of ours.
    payload = Cli({**url, "SLOTBEAT_TOKEN": "17"}, str(tmp_path))("workspace", "list", exits=4)
    assert payload.stderr == nobody.stderr
    reader = away("token", "create", "wall", "-w", "lab").stdout.strip()
    refused = Cli({**url, "SLOTBEAT_TOKEN": reader}, str(tmp_path))("workspace", "add", "more", exits=4)
    assert "no scope admin" in refused.stderr
    assert wide.rows("select actor from activity_logs where type = 'workspace_created'")[0][0].startswith(
        "token:ops (cli:"
    )


def test_tokens_are_listed_and_revoked_by_what_people_know_of_them(alone: Cli) -> None:
    texts = [alone("token", "create", name).stdout.strip() for name in ("one", "two", "three")]
    known = {it["name"]: it for it in alone.json("token", "list")}

    assert [known[name]["prefix"] for name in ("one", "two", "three")] == [text[:11] for text in texts]
    assert known["one"]["scopes"] == ["read"]
    for called in ("one", known["two"]["id"], texts[2][:11]):
        assert "is revoked" in alone("token", "revoke", called).stdout
    assert alone.json("token", "list") == []
    assert len(alone.json("token", "list", "--all")) == 3
    assert "slotbeat token list" in alone("token", "revoke", "one", exits=3).stderr
    assert not any(text in " ".join(sys.argv) for text in texts)
