"""What a payload has used so far, written to its attempt while it runs."""

from dataclasses import dataclass

from shared.store.connection import Postgres


@dataclass(frozen=True)
class Progress:
    """What a payload has used so far, as it told, and what of it could be cancelled elsewhere."""

    turns: int
    input_tokens: int
    output_tokens: int
    cost_micros: int
    remote_ref: str | None


def tell(connection: Postgres, token: int, so_far: Progress) -> None:
    """Writes what was used so far, so that a lost worker's is known and counts in budgets while it runs."""
    connection.execute(
        """
        update attempts
           set turns = greatest(turns, %(turns)s), remote_ref = coalesce(%(remote_ref)s, remote_ref),
               input_tokens = greatest(input_tokens, nullif(%(input_tokens)s, 0)),
               output_tokens = greatest(output_tokens, nullif(%(output_tokens)s, 0)),
               cost_micros = greatest(cost_micros, nullif(%(cost_micros)s, 0))
         where token = %(token)s and ended_at is null
        """,
        {"token": token, **vars(so_far)},
    )
