"""The command line and an API behind TLS: whom it trusts, and what it says where it trusts nobody."""

from pathlib import Path
from urllib.parse import urlsplit

from tests.console.conftest import Api
from tests.console.test_cli import Cli
from tests.operations.tls import authority, wall
from tests.waiting import until


def test_an_authority_of_ones_own_is_trusted_where_its_file_is_named_and_nowhere_else(api: Api, tmp_path: Path) -> None:
    certificate, key = authority(tmp_path)
    place = api.workspace()
    with wall(urlsplit(str(api.client.base_url)).port or 0, certificate, key) as front:
        environment = {"SLOTBEAT_URL": f"https://localhost:{front.port}"}

        told = Cli({**environment, "SSL_CERT_FILE": str(certificate)}, str(tmp_path)).json("workspace", "list")
        refused = Cli(environment, str(tmp_path))("workspace", "list", exits=1)

        assert [it["id"] for it in told] == [place]
        assert "Name its CA's file in SSL_CERT_FILE." in refused.stderr
        until(lambda: front.refused == 1)
