"""Episodes: which conversation a request belongs to."""

from collections.abc import Mapping
from hashlib import blake2b

from freehold.core.errors import InvalidRequest
from freehold.core.principal import Key
from freehold.core.request import Message

HEADER = b"x-freehold-episode"
LONGEST = 200


def episode(headers: Mapping[bytes, bytes], key: Key | None, messages: tuple[Message, ...]) -> str:
    """The caller's own name for the conversation (`x-freehold-episode`), else one made of who asks and how the
    conversation begins: its messages up to the first of the user, which every later turn repeats."""
    given = headers.get(HEADER)
    if given:
        name = given.decode("latin-1").strip()
        if not name.isascii() or not name.isprintable() or len(name) > LONGEST:
            raise InvalidRequest(f"x-freehold-episode: expected at most {LONGEST} visible ASCII characters")
        return name
    digest = blake2b(b"" if key is None else key.id.encode(), digest_size=16)
    for message in messages:
        digest.update(f"\n{message.role}\n{message.text}".encode("utf-8", "surrogatepass"))
        if message.role == "user":
            break
    return digest.hexdigest()
