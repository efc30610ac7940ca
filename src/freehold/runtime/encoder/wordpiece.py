"""WordPiece: text to the ids of an uncased BERT vocabulary (Devlin et al. 2018; the tokenizer of the original code)."""

import re
import unicodedata
from collections.abc import Sequence

LONGEST_WORD = 100
"""Characters of a word; a longer one is unknown, as in the original."""

_WORD = re.compile(r"[^\W_]+|[^\w\s]|_", re.UNICODE)
_CJK = re.compile(r"([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f])")


class WordPiece:
    """Greedy longest match, first over a word's beginning, then over its `##` continuations.

    `vocabulary`: the pieces in the order of their ids.
    """

    def __init__(self, vocabulary: Sequence[str], *, unknown: str = "[UNK]") -> None:
        self._ids = {piece: index for index, piece in enumerate(vocabulary)}
        self._unknown = self._ids[unknown]
        self._seen: dict[str, tuple[int, ...]] = {}

    def id(self, piece: str) -> int:
        """The id of a piece that must exist; KeyError names it."""
        return self._ids[piece]

    def ids(self, text: str) -> list[int]:
        """The ids of a text, without the marks of beginning and end."""
        found: list[int] = []
        seen = self._seen
        for word in words(text):
            pieces = seen.get(word)
            if pieces is None:
                pieces = self._pieces(word)
                if len(seen) < 65_536:
                    seen[word] = pieces
            found += pieces
        return found

    def _pieces(self, word: str) -> tuple[int, ...]:
        if len(word) > LONGEST_WORD:
            return (self._unknown,)
        found: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                index = self._ids.get(prefix + word[start:end])
                if index is not None:
                    break
            else:
                return (self._unknown,)
            found.append(index)
            start = end
        return tuple(found)


def words(text: str) -> list[str]:
    """Lower case, accents off, split at space and around each punctuation mark and each CJK character."""
    text = text.lower()
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
        text = _CJK.sub(r" \1 ", text)
    return _WORD.findall(text)
