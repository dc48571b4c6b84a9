"""A group of commands whose modules are imported when they are run: help must not wait for what it names."""

from importlib import import_module
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from console.cli.failures import USAGE, Failure


class LazyGroup(click.Group):
    """A click group; `lazy` has name: (module:attribute, one line of help)."""

    def __init__(self, *arguments: Any, lazy: dict[str, tuple[str, str]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lazy = lazy

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Its own options, read; what is wrong with them is one line."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _one_line(error) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; what is wrong with how it was typed is one line."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _one_line(error) from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's own signature
        """Names in the order they are most looked for."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 click's own signature
        """The command, with its module imported."""
        if cmd_name not in self._lazy:
            return None
        module, _, attribute = self._lazy[cmd_name][0].partition(":")
        return getattr(import_module(module), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command; for a name that is none, the ones that are like it."""
        if args and args[0] not in self._lazy and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self._lazy, 3)
            meant = f" Did you mean {' or '.join(near)}?" if near else " See slotbeat --help."
            raise click.UsageError(f"There is no command '{args[0]}'.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 click's own signature
        """The names with their one line, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._lazy.items()])


def _one_line(error: click.UsageError) -> click.ClickException:
    if isinstance(error, NoArgsIsHelpError):
        return error
    # Of several lines where there are choices to name.
    told = " ".join(error.format_message().split())
    told = told if told.endswith((".", "?", "`")) else f"{told}."
    helps = "" if "--help" in told or error.ctx is None else f" See {error.ctx.command_path} --help."
    return Failure(f"{told}{helps}", USAGE)
