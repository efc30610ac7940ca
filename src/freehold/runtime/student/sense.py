"""What a text means: the sentence encoder's vector and soft words, joined to one unit vector."""

import numpy as np

from freehold.runtime.encoder.port import Matrix


def joined(encoded: Matrix, soft: Matrix) -> Matrix:
    """Unit vectors of both: [texts, sizes of both]."""
    both = np.concatenate([encoded, soft], axis=1)
    return both / np.maximum(np.linalg.norm(both, axis=1, keepdims=True), np.float32(1e-12))
