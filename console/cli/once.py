"""How a request says that it may be sent again."""

ONCE = "Idempotency-Key"
