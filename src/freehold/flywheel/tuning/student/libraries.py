"""The numeric libraries without types of their own, named once."""

from typing import Any

from scipy import sparse, stats  # pyright: ignore[reportMissingTypeStubs]
from sklearn import svm  # pyright: ignore[reportMissingTypeStubs]

csr_matrix: Any = sparse.csr_matrix
beta: Any = stats.beta
LinearSVC: Any = svm.LinearSVC
