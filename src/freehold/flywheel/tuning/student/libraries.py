"""The numeric libraries without types of their own, named once."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse, stats  # pyright: ignore[reportMissingTypeStubs]

csr_matrix: Any = sparse.csr_matrix
beta: Any = stats.beta
binom: Any = stats.binom
_lapack: Any = linalg.lapack
_blas: Any = linalg.blas

BLOCK = 1024


def factored(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The lower Cholesky factor of a symmetric matrix, written over its lower half; the upper half is left as it is.

    By blocks of columns (Golub and Van Loan 4.2.6): nearly all of the work is products, during which other threads run;
    NumPy's own is five times slower and needs a second matrix, SciPy's lets nobody else run.
    """
    size = len(matrix)
    for first in range(0, size, BLOCK):
        last = min(first + BLOCK, size)
        matrix[first:, first:last] -= matrix[first:, :first] @ matrix[first:last, :first].T
        upper, failed = _lapack.spotrf(matrix[first:last, first:last].T)
        if failed:
            raise ValueError(f"The matrix is not positive definite (row {first + failed - 1})")
        matrix[first:last, first:last] = upper.T
        if last < size:
            matrix[last:, first:last] = _blas.strsm(1.0, upper, matrix[last:, first:last].T, trans_a=1).T
    return matrix


def below(factor: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Solve L x = right for a lower triangular L, by blocks as above."""
    out = right.copy()
    for first in range(0, len(factor), BLOCK):
        last = min(first + BLOCK, len(factor))
        out[first:last] -= factor[first:last, :first] @ out[:first]
        out[first:last] = _blas.strsm(1.0, factor[first:last, first:last].T, out[first:last], trans_a=1)
    return out


def solve_factored(factor: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """Solve L L' x = right for a lower Cholesky factor L, in single precision and without a copy of it."""
    return cast("NDArray[np.float32]", _lapack.spotrs(factor.T, right, lower=0)[0])
