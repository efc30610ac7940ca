"""Edit distance: how many characters somebody changed (Levenshtein), by bit-parallel columns.

Source: G. Myers, A fast bit-vector algorithm for approximate string matching, JACM 46(3), 1999, in the form of
H. Hyyrö (2003); Python's integers are the bit vectors, so a text of any length is one machine-word loop.
"""

LONGEST = 20_000
"""Characters of each text that are compared; beyond them the rest counts by its length alone."""


def distance(one: str, other: str) -> int:
    """The fewest insertions, deletions and replacements of a character that turn one text into the other."""
    if one == other:
        return 0
    if not one or not other:
        return len(one) + len(other)
    if len(one) > len(other):
        one, other = other, one
    size = len(one)
    mask, last = (1 << size) - 1, 1 << (size - 1)
    masks: dict[str, int] = {}
    for i, letter in enumerate(one):
        masks[letter] = masks.get(letter, 0) | 1 << i
    plus, minus, score = mask, 0, size
    for letter in other:
        equal = masks.get(letter, 0)
        vertical = equal | minus
        diagonal = (((equal & plus) + plus) ^ plus) | equal
        up = minus | ~(diagonal | plus) & mask
        down = plus & diagonal
        if up & last:
            score += 1
        elif down & last:
            score -= 1
        up = (up << 1 | 1) & mask
        down = down << 1 & mask
        plus = down | ~(vertical | up) & mask
        minus = up & vertical
    return score


def similarity(one: str, other: str) -> float:
    """1 for the same text, 0 for one that shares nothing with the other: 1 - distance / length of the longer."""
    longest = max(len(one), len(other))
    if not longest:
        return 1.0
    changed = distance(one[:LONGEST], other[:LONGEST]) + abs(len(one[LONGEST:]) - len(other[LONGEST:]))
    return max(0.0, 1 - changed / longest)
