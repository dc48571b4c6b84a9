"""What targets may run and use where workers stand for others: patterns that the environment of a worker has."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from shared.rules.refused import RefusedValueError

ANYTHING = ("*",)
# Of a worker's own: whatever the pattern, no payload is given these.
_OURS = re.compile(r"DATABASE_URL|REDIS_URL|CELERY_BROKER_URL|(SLOTBEAT|PG|FLOWER)_?[A-Z_]*")
# With one of these, a program that is allowed runs another that is not.
_LOADS_OTHERS = re.compile(
    r"PATH|LD_.*|DYLD_.*|PYTHON.*|PERL.*|RUBY.*|NODE_.*|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|BASH_ENV|BASH_FUNC.*|ENV"
    r"|SHELLOPTS|IFS|GIT_.*|PAGER|EDITOR|VISUAL|GCONV_PATH"
    # Where others of these are written down: what Python, Git, npm and zsh read there, they run.
    r"|HOME|XDG_.*|ZDOTDIR|NPM_CONFIG_.*|BUN_.*|DENO_.*|GEM_.*|BUNDLE_.*|LUA_.*|JDK_JAVA_OPTIONS|CLASSPATH"
    r"|OPENSSL_.*|DOTNET_STARTUP_HOOKS|SHELL|BROWSER|LESSOPEN|.*PAGER|.*ASKPASS",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Patterns, as the settings of the same names have them."""

    commands: tuple[str, ...] = ANYTHING
    callables: tuple[str, ...] = ANYTHING
    networks: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()

    def anything(self) -> list[str]:
        """Of what anything at all may be run."""
        kinds = {"commands": self.commands, "callables": self.callables}
        return [kind for kind, patterns in kinds.items() if "*" in patterns]


def is_allowed_secret(name: str, allowed: Allowed) -> bool:
    """Whether a target may name this variable of the worker's."""
    return not _OURS.fullmatch(name) and _matches(name, allowed.secrets)


def check_command(argv: list[str], env: Iterable[str], allowed: Allowed) -> None:
    """RefusedValueError for a program that is not on the list, or a variable that would load another into it."""
    if allowed.commands == ANYTHING:
        return
    if ".." in argv[0].split("/") or not _matches(argv[0], allowed.commands):
        told = f"The program {argv[0]!r} is not allowed here: add it to SLOTBEAT_ALLOWED_COMMANDS, or use another."
        raise RefusedValueError("argv", "command_not_allowed", told)
    _check_env(env)


def check_callable(name: str, env: Iterable[str], allowed: Allowed) -> None:
    """RefusedValueError for a callable that is not on the list; `name` has a dot or colon before its last part."""
    if allowed.callables == ANYTHING:
        return
    if not _matches(name.replace(":", "."), tuple(it.replace(":", ".") for it in allowed.callables)):
        told = f"The callable {name} is not allowed here: add it to SLOTBEAT_ALLOWED_CALLABLES, or use another."
        raise RefusedValueError("callable", "callable_not_allowed", told)
    _check_env(env)


def _check_env(env: Iterable[str]) -> None:
    for name in env:
        if _LOADS_OTHERS.fullmatch(name):
            told = f"The variable {name} can make one program run another, which only an unrestricted worker lets it."
            raise RefusedValueError("env", "variable_not_allowed", told)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
