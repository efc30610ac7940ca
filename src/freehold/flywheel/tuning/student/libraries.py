"""The numeric libraries without types of their own, named once."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse, stats  # pyright: ignore[reportMissingTypeStubs]

csr_matrix: Any = sparse.csr_matrix
beta: Any = stats.beta
binom: Any = stats.binom
_lapack: Any = linalg.lapack


def solve_factored(factor: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Solve L L' x = right for a lower Cholesky factor L, in single precision and without a copy of it."""
    return cast("NDArray[np.float32]", _lapack.spotrs(factor.T, right, lower=0)[0])
