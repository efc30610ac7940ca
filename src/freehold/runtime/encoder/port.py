"""The port of a sentence encoder: texts in, unit vectors out."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating[Any]]
"""Numbers in rows; float32 where a docstring does not say otherwise."""


class SentenceEncoder(Protocol):
    """Turns texts into vectors whose dot product says how alike they are."""

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        ...

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors, one row for each text: float32 [texts, size]."""
        ...
