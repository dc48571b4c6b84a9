"""Guesses the reason of a failure from an error's text: only the fallback for what an adapter cannot say."""

import re

from shared.rules.reasons import Reason

SCANNED_CHARACTERS = 8192  # the tail: what ends a run is told last

# The first that matches wins. A rate limit often comes with a timeout's or an auth error's words around it
# ("429 ... please check your plan and billing"), so what is more exact stands first.
_SIGNS: tuple[tuple[Reason, str], ...] = (
    (
        Reason.OOM,
        r"out of memory|outofmemory|oom[- _]?kill|\boomkilled\b|memoryerror|cannot allocate memory|\benomem\b"
        r"|heap limit|std::bad_alloc|memory limit exceeded|exceeded its memory",
    ),
    (
        Reason.TURN_LIMIT_EXCEEDED,
        r"max[_ ]?turns|turn (limit|budget)|maximum number of turns|error_max_turns|max[_ ]iterations",
    ),
    (
        Reason.BUDGET_EXCEEDED,
        r"insufficient[_ ](quota|credit|fund|balance)|credit balance is too low|exceeded your current quota"
        r"|billing[_ ]hard[_ ]limit|budget (limit )?(has been )?exceeded|max_budget|payment required"
        r"|(?:http|status|error)\D{0,12}\b402\b",
    ),
    (
        Reason.RATE_LIMITED,
        r"rate[-_ ]?limit|too many requests|\boverloaded|throttl|resource[_ ]?exhausted|quota exceeded"
        r"|requests per (minute|day)|tokens per (minute|day)|usage limit reached|retry[-_ ]after|slow down"
        r"|(?:http|status|error|code|api)\D{0,12}\b(?:429|529)\b|^\s*429\b",
    ),
    (
        Reason.AUTH_FAILED,
        r"unauthori[sz]ed|unauthenticated|authentication|invalid[_ ](x-)?api[-_ ]?key|incorrect api key"
        r"|no api key|api[-_ ]key[^.\n]{0,30}(missing|not (found|set|valid|provided)|expired|invalid|revoked)"
        r"|forbidden|permission[_ ]?(denied_error|error)|not logged in|please (run /)?log ?in"
        r"|(token|credentials?)[^.\n]{0,20}(expired|revoked|invalid)|invalid[_ ](token|grant|credentials)"
        r"|(?:http|status|error|code|api)\D{0,12}\b40[13]\b|^\s*40[13]\b",
    ),
    (
        Reason.BAD_TARGET,
        r"command not found|no such file or directory|is not recognized as an internal|exec format error"
        r"|permission denied|modulenotfounderror|no module named|importerror|model[_ ]not[_ ]found"
        r"|unsupported protocol|invalid url|name or service not known|nodename nor servname|enotfound"
        r"|getaddrinfo failed|unknown (option|flag|command)|unrecognized arguments",
    ),
    (
        Reason.TIMEOUT,
        r"timed?[- _]?out|timeout|etimedout|deadline[_ ]?exceeded"
        r"|(?:http|status|error|code)\D{0,12}\b(?:408|504)\b",
    ),
    (
        Reason.TARGET_ERROR,
        r"connection (refused|reset|aborted|error|closed)|econnrefused|econnreset|epipe|broken pipe"
        r"|server disconnected|remoteprotocolerror|incompleteread|socket hang up|network is unreachable"
        r"|no route to host|ssl|certificate|internal server error|bad gateway|service unavailable"
        r"|api[_ ]error|server_error|jsondecodeerror|invalid json|unexpected end of json"
        r"|(?:http|status|error|code|api)\D{0,12}\b[45]\d\d\b|^\s*5\d\d\b",
    ),
)
_RULES = tuple((reason, re.compile(signs, re.IGNORECASE | re.MULTILINE)) for reason, signs in _SIGNS)

# 137 and -9: a SIGKILL that none of ours sent (a guard says what it did) is in practice the OOM killer's.
_EXITS = {
    137: Reason.OOM,
    -9: Reason.OOM,
    124: Reason.TIMEOUT,
    126: Reason.BAD_TARGET,
    127: Reason.BAD_TARGET,
}


def classify(error_text: str, exit_code: int | None) -> Reason:
    """The likeliest reason of a failure, from the tail of what it said and its exit code (None: no process).

    A negative exit code is a signal's number, as Python gives it. Never a reason that a person causes.
    """
    tail = error_text[-SCANNED_CHARACTERS:]
    for reason, signs in _RULES:
        if signs.search(tail):
            return reason
    if exit_code is None:
        return Reason.TARGET_ERROR
    return _EXITS.get(exit_code, Reason.EXIT_NONZERO)
