"""What a text means: the sentence encoder's vector and soft words, joined to one unit vector."""

import numpy as np

from freehold.runtime.encoder.port import Matrix


def joined(encoded: Matrix, soft: Matrix, *, centre: Matrix, share: float) -> Matrix:
    """Unit vectors of both: [texts, sizes of both].

    `centre`: the mean of what the encoder says, which tells no text from another. `share`: how much soft words count
    against the encoder.
    """
    both = np.concatenate([unit(encoded - centre), soft * np.float32(share)], axis=1)
    return unit(both)


def unit(rows: Matrix) -> Matrix:
    """Rows scaled to length 1; a row of zeros stays."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-12))
