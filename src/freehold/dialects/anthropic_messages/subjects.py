"""Names of end users, as everybody takes them.

Claude Code's are long and hold JSON; Anthropic takes up to 256 characters, OpenAI 64, others want letters and digits
alone. A name that is too much for some of them goes to them as its digest: as opaque as it was, and always the same.
"""

import re
from hashlib import sha256

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def plain(subject: str) -> str:
    return subject if _PLAIN.fullmatch(subject) else sha256(subject.encode()).hexdigest()
