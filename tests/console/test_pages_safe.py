"""Every page: text stays text, nothing inline, nothing of others, no button for who may not press it."""

import re
from collections.abc import Iterator

import pytest

from tests.console.conftest import Api, api_at
from tests.console.test_api_tokens import token
from tests.console.test_pages_scene import Scene, scene_on
from tests.console.test_sign_in import HTML, signed_in


@pytest.fixture
def scene(database_url: str, redis_url: str) -> Iterator[Scene]:
    with scene_on(database_url, redis_url) as made:
        yield made


def test_a_name_is_text_wherever_it_stands(scene: Scene):
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    lab = scene.workspace(evil)
    schedule = scene.schedule(lab, evil, lane=evil)
    scene.admission.set_cap(f"workspace:{lab}", 1, "test")
    scene.settle(scene.run(lab, evil), "exit_nonzero", evil)
    scene.run(lab, evil, lane=evil)
    waiting = scene.queue(lab, evil, lane=evil)
    scene.sql.execute("update schedules set pause_note = %s, status = 'paused' where id = %s", [evil, schedule])

    addresses = ["/", "/schedules", f"/schedules/{schedule}", f"/schedules/{schedule}/edit", "/schedules/new"]
    addresses += [f"/firings/{waiting}", "/firings", f"/workspaces/{lab}", "/workspaces", "/limits"]
    addresses += [f"/schedules?said=queued&of={waiting}&q=%3Cscript%3E"]
    pages = [scene.get(it) for it in addresses]
    pages.append(scene.press(f"/schedules/{schedule}/run"))
    pages.append(
        scene.press("/schedules/preview", name=evil, cron=evil, prompt=evil, headers=None, **{"command.argv": evil})
    )

    for page in pages:
        assert "&lt;script&gt;" in page.text
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]


EVERY_PAGE = [
    *("/", "/schedules", "/schedules/new", "/firings", "/forecast", "/workspaces", "/limits", "/outages"),
    *("/activity", "/settings"),
]


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_a_page_needs_no_script_and_no_inline_style(scene: Scene, path: str):
    html = scene.get(path).text
    assert '<html lang="en">' in html
    assert html.count("<h1") == 1
    assert not re.search(r"\s(style|on[a-z]+)=", html)
    assert re.findall(r"<script[^>]*>", html) == [re.search(r'<script src="/static/slotbeat.js[^>]*>', html).group()]
    assert f'href="/{path.split("/")[1]}" aria-current="page"' in html


def test_the_files_of_a_page_are_kept_by_browsers(scene: Scene):
    for address in re.findall(r'"(/static/[^"]+)"', scene.get("/").text):
        answer = scene.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert scene.get("/static/../routes.py").status_code == 404
    assert scene.get("/static/css").status_code == 404


def test_who_may_only_read_sees_no_buttons_and_who_may_operate_no_caps_to_set(wide: Api) -> None:
    pages = [*EVERY_PAGE[:2], *EVERY_PAGE[3:]]
    for scope, buttons in (("read", set()), ("operate", {"/fleet/pause"}), ("admin", {"/fleet/pause", "/settings"})):
        signed_in(wide, token(wide, scope, scope))
        found = {it for path in pages for it in forms_on(wide.ask("GET", path, headers=HTML).text)}
        assert {it for it in found if it in ("/fleet/pause", "/settings")} == buttons
        assert "/sign-out" in found


def test_a_form_for_admins_is_refused_to_others(wide: Api) -> None:
    signed_in(wide, token(wide, "alice", "operate"))
    [csrf] = set(re.findall('name="csrf" value="([0-9a-f]+)"', wide.ask("GET", "/", headers=HTML).text))
    for path in ("/settings", "/limits", "/limits/remove", "/budgets", "/budgets/remove", "/workspaces"):
        answer = wide.ask("POST", path, data={"csrf": csrf, "key": "fleet", "cap": "9", "name": "x"}, headers=HTML)
        assert answer.status_code == 403, path
    assert wide.rows("select cap from limits") == [(2,)]


def test_two_servers_beside_each_other_are_one_to_a_browser(wide: Api, redis_url: str) -> None:
    made = signed_in(wide, token(wide, "alice", "admin"))
    [csrf] = set(re.findall('name="csrf" value="([0-9a-f]+)"', wide.ask("GET", "/", headers=HTML).text))
    with api_at(wide.database_url, redis_url, "0.0.0.0") as other:
        other.client.cookies.update(wide.client.cookies)
        added = other.ask("POST", "/workspaces", data={"csrf": csrf, "name": "lab"}, headers=HTML)
        assert (made.status_code, added.status_code) == (303, 303)
        assert "lab" in wide.ask("GET", "/workspaces", headers=HTML).text
        wide.ask("POST", "/sign-out", data={"csrf": csrf}, headers=HTML)
        assert other.ask("GET", "/", headers=HTML).headers["location"].startswith("/sign-in")


def forms_on(page: str) -> list[str]:
    return re.findall('<form method="post" action="([^"]+)"', page)


def test_an_unknown_address_is_a_page_to_a_browser_and_a_problem_to_a_program(api: Api) -> None:
    for path in ("/nonsense", "/schedules/x/y/z"):
        page, problem = api.ask("GET", path, headers=HTML), api.ask("GET", path)
        assert (page.status_code, problem.status_code) == (404, 404)
        assert "<h1>Not found</h1>" in page.text
        assert 'href="/"' in page.text
        assert "Content-Security-Policy" in page.headers
        assert problem.json()["error"] == "not_found"
    assert api.ask("GET", "/api/nonsense", headers=HTML).json()["error"] == "not_found"


def test_the_address_of_a_button_is_a_page_that_says_so(api: Api) -> None:
    page, problem = api.ask("GET", "/fleet/pause", headers=HTML), api.ask("GET", "/fleet/pause")

    assert (page.status_code, problem.json()["error"]) == (405, "method_not_allowed")
    assert "only takes what a button of the dashboard sends" in page.text
    assert page.headers["allow"] == problem.headers["allow"] == "POST"
    assert int(page.headers["content-length"]) == len(page.content)


def test_what_nobody_foresaw_is_a_page_too_and_tells_nothing_of_inside(api: Api) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("console.pages.routes.board", lambda *_: 1 / 0)
        page = api.ask("GET", "/", headers=HTML)

    assert page.status_code == 500
    assert "Something went wrong here. It was logged" in page.text
    assert "division" not in page.text
