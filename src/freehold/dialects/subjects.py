"""Names as every provider takes them: those of end users, and those by which the result of a tool finds its call.

Claude Code's names of users are long and hold JSON; Anthropic takes up to 256 characters, OpenAI and Azure 64, others
want letters and digits alone. What is too much for some of them goes to them as its digest: as opaque as it was, and
always the same.
"""

import re
from collections.abc import Callable
from hashlib import sha256

from freehold.dialects.hints import SUBJECT

OPENAI, ANTHROPIC = 64, 256
"""How many characters a user's name may have, and OpenAI's id of a call
(platform.openai.com/docs/guides/safety-best-practices,
docs.claude.com/en/api/messages)."""
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def plain(subject: str) -> str:
    """The name of a user, as everybody takes it."""
    return subject if _PLAIN.fullmatch(subject) else sha256(subject.encode()).hexdigest()


def bounded(subject: str, most: int, lose: Callable[[str], None]) -> str:
    """The name of a user in at most so many characters, 64 or more; `lose` hears where it is its digest."""
    if len(subject) <= most:
        return subject
    lose(SUBJECT)
    return sha256(subject.encode()).hexdigest()


def reference(id_: str) -> str:
    """The id of a call in as many characters as OpenAI takes: the same for the call and for its result."""
    return id_ if len(id_) <= OPENAI else f"call_{sha256(id_.encode()).hexdigest()[: OPENAI - 5]}"
