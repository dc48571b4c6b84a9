"""What the classifier makes of errors as agents, clients and shells really print them."""

import pytest

from shared.rules.classify import SCANNED_CHARACTERS, classify
from shared.rules.reasons import Reason

TEXTS = [
    ("429 Too Many Requests", 1, "rate_limited"),
    ("Error code: 429 - {'type': 'error', 'error': {'type': 'rate_limit_error'}}", 1, "rate_limited"),
    ("anthropic.RateLimitError: This request would exceed your organization's rate limit", 1, "rate_limited"),
    ('API Error: 529 {"type":"error","error":{"type":"overloaded_error"}}', 1, "rate_limited"),
    ("Claude AI usage limit reached|1763650800", 1, "rate_limited"),
    ("grpc: RESOURCE_EXHAUSTED: Quota exceeded for quota metric", 1, "rate_limited"),
    ("Rate limit reached for gpt-4o: Limit 30000 tokens per min. Please try again in 6s.", 1, "rate_limited"),
    ("botocore.errorfactory.ThrottlingException: Rate exceeded", 1, "rate_limited"),
    ("HTTP/1.1 429\nRetry-After: 20", None, "rate_limited"),
    ("openai.RateLimitError: Error code: 429 - You exceeded your current quota", 1, "budget_exceeded"),
    ("Your credit balance is too low to access the API", 1, "budget_exceeded"),
    ('{"error":{"code":"insufficient_quota"}}', 1, "budget_exceeded"),
    ("HTTP 402 Payment Required", None, "budget_exceeded"),
    ("401 Unauthorized", 1, "auth_failed"),
    ("httpx.HTTPStatusError: Client error '403 Forbidden' for url", 1, "auth_failed"),
    ("authentication_error: invalid x-api-key", 1, "auth_failed"),
    ("openai.AuthenticationError: Incorrect API key provided: sk-***", 1, "auth_failed"),
    ("Invalid API key · Please run /login", 1, "auth_failed"),
    ("OAuth token has expired. Please obtain a new token", 1, "auth_failed"),
    ("status code 401 from upstream", None, "auth_failed"),
    ("Error: Reached max turns (30)", 1, "turn_limit_exceeded"),
    ('{"type":"result","subtype":"error_max_turns"}', 1, "turn_limit_exceeded"),
    ("httpx.ReadTimeout: The read operation timed out", 1, "timeout"),
    ("Error: connect ETIMEDOUT 10.0.0.7:443", 1, "timeout"),
    ("context deadline exceeded", 1, "timeout"),
    ("504 Gateway Timeout", 1, "timeout"),
    ("subprocess.TimeoutExpired: Command '['make']' timed out after 60 seconds", 1, "timeout"),
    ("", 124, "timeout"),
    ("MemoryError", 1, "oom"),
    ("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", 134, "oom"),
    ("java.lang.OutOfMemoryError: Java heap space", 1, "oom"),
    ("OSError: [Errno 12] Cannot allocate memory", 1, "oom"),
    ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", 1, "oom"),
    ("Reason: OOMKilled", 137, "oom"),
    ("Killed", 137, "oom"),
    ("", -9, "oom"),
    ("ECONNREFUSED 127.0.0.1:8080", 1, "target_error"),
    ("httpx.ConnectError: [Errno 111] Connection refused", 1, "target_error"),
    ("httpx.RemoteProtocolError: Server disconnected without sending a response.", 1, "target_error"),
    ("Error: socket hang up", 1, "target_error"),
    ("502 Bad Gateway", 1, "target_error"),
    ('API Error: 500 {"type":"error","error":{"type":"api_error","message":"Internal"}}', 1, "target_error"),
    ("HTTP 503: Service Unavailable", None, "target_error"),
    ("ssl.SSLCertVerificationError: certificate verify failed", 1, "target_error"),
    ("json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)", 1, "target_error"),
    ("the agent answered nothing", None, "target_error"),
    ("bash: claude: command not found", 127, "bad_target"),
    ("FileNotFoundError: [Errno 2] No such file or directory: 'codex'", None, "bad_target"),
    ("ModuleNotFoundError: No module named 'agent'", 1, "bad_target"),
    ("httpx.ConnectError: [Errno -2] Name or service not known", 1, "bad_target"),
    ("", 126, "bad_target"),
    ("AssertionError: 3 tests failed", 1, "exit_nonzero"),
    ("", 1, "exit_nonzero"),
    ("", -11, "exit_nonzero"),
    ("processed 429 files, 401 changed, 500 left", 2, "exit_nonzero"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "reason"), TEXTS, ids=lambda value: repr(value)[:40])
def test_an_error_as_it_is_really_printed_is_understood(text, code, reason):
    assert classify(text, code) == reason


def test_what_a_run_said_last_is_what_counts():
    long_ago = "429 Too Many Requests\n" + "working\n" * SCANNED_CHARACTERS

    assert classify(long_ago + "401 Unauthorized", 1) is Reason.AUTH_FAILED


def test_no_text_makes_it_say_that_a_person_ended_it():
    words = " ".join(reason.value.replace("_", " ") for reason in Reason)

    for word in [*words.split(" "), words]:
        assert classify(word, 1) not in (Reason.CANCELLED, Reason.ABORTED, Reason.REPLACED)
