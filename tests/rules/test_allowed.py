"""What targets may run and use where a worker is restricted (SEC-3)."""

import pytest

from shared.rules.allowed import Allowed, check_callable, check_command, is_allowed_secret
from shared.rules.refused import RefusedValueError

SOME = Allowed(commands=("claude", "/opt/agents/*"), callables=("agents.*", "other:run"), secrets=("AGENT_*", "KEY"))


@pytest.mark.parametrize("program", ["claude", "/opt/agents/a", "/opt/agents/b/c"])
def test_a_program_of_the_list_may_run(program: str) -> None:
    check_command([program, "--any", "argument"], {"MODE": "x"}, SOME)


@pytest.mark.parametrize(
    "program", ["sh", "/bin/claude", "./claude", "claude2", "/opt/agents/../../bin/sh", "/opt/agents", "Claude", ""]
)
def test_a_program_that_is_not_on_the_list_is_refused(program: str) -> None:
    with pytest.raises(RefusedValueError, match="SLOTBEAT_ALLOWED_COMMANDS"):
        check_command([program], {}, SOME)


@pytest.mark.parametrize(
    "name",
    ["PATH", "LD_PRELOAD", "PYTHONPATH", "NODE_OPTIONS", "BASH_ENV", "GIT_SSH_COMMAND", "HOME", "XDG_CONFIG_HOME",
     "ZDOTDIR", "OPENSSL_CONF", "JDK_JAVA_OPTIONS", "npm_config_script_shell", "MANPAGER", "SSH_ASKPASS"],
)  # fmt: skip
def test_no_variable_makes_a_program_of_the_list_another(name: str) -> None:
    with pytest.raises(RefusedValueError):
        check_command(["claude"], {name: "x"}, SOME)
    check_command(["sh"], {name: "x"}, Allowed())


def test_nothing_may_run_where_the_list_is_empty() -> None:
    with pytest.raises(RefusedValueError):
        check_command(["true"], {}, Allowed(commands=()))
    with pytest.raises(RefusedValueError):
        check_callable("a.b", {}, Allowed(callables=()))


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("agents.a:run", True),
        ("agents.a.run", True),
        ("other.run", True),
        ("os.system", False),
        ("agentsx.run", False),
        ("other.run2", False),
    ],
)
def test_a_callable_is_matched_by_its_full_name_however_it_is_written(name: str, may: bool) -> None:
    if may:
        check_callable(name, {}, SOME)
    else:
        with pytest.raises(RefusedValueError, match="SLOTBEAT_ALLOWED_CALLABLES"):
            check_callable(name, {}, SOME)


@pytest.mark.parametrize(
    ("name", "may"),
    [("AGENT_KEY", True), ("KEY", True), ("KEYS", False), ("HOME", False), ("agent_key", False)],
)
def test_a_secret_must_be_on_the_list(name: str, may: bool) -> None:
    assert is_allowed_secret(name, SOME) is may
    assert not is_allowed_secret(name, Allowed())


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "SLOTBEAT_TOKEN", "PGPASSWORD"])
def test_what_slotbeat_itself_lives_by_is_nobodys_secret_to_name(name: str) -> None:
    assert not is_allowed_secret(name, Allowed(secrets=("*",)))
