"""`slotbeat completion`: what a shell needs to complete names of commands and options."""

import click
from click.shell_completion import get_completion_class

_WHERE = {
    "bash": 'eval "$(slotbeat completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(slotbeat completion zsh)"   # in ~/.zshrc, after compinit',
    "fish": "slotbeat completion fish > ~/.config/fish/completions/slotbeat.fish",
}


@click.command(epilog="\b\n" + "\n".join(_WHERE.values()))
@click.argument("shell", type=click.Choice(list(_WHERE)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what SHELL needs to complete commands and options."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(context.find_root().command, {}, "slotbeat", "_SLOTBEAT_COMPLETE").source())
