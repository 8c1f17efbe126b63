"""Data sets of the comparison, split into training and test rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from neuraleig._typing import Array, IntArray

TEST_SIZE = 0.3


def _bundled(load: Callable[..., Any]) -> Callable[[int], tuple[Array, IntArray]]:
    return lambda seed: load(return_X_y=True)


DATASETS: Mapping[str, Callable[[int], tuple[Array, IntArray]]] = {
    "digits": _bundled(datasets.load_digits),
    "wine": _bundled(datasets.load_wine),
    "iris": _bundled(datasets.load_iris),
    "breast_cancer": _bundled(datasets.load_breast_cancer),
    "moons": lambda seed: datasets.make_moons(2000, noise=0.06, random_state=seed),
    "circles": lambda seed: datasets.make_circles(
        2000, noise=0.04, factor=0.5, random_state=seed
    ),
}
# Sets whose columns have different units; their columns are standardised.
OWN_UNITS = frozenset({"wine", "breast_cancer"})


@dataclass(frozen=True)
class Split:
    """Rows and classes of a data set; the classes are used for scores only."""

    name: str
    X_train: Array
    X_test: Array
    y_train: IntArray
    y_test: IntArray

    @property
    def n_classes(self) -> int:
        """Number of classes, the ``n_clusters`` of all methods."""
        return int(np.unique(self.y_train).size)


def load_split(name: str, seed: int) -> Split:
    """Load a data set and hold out 30 % of each class as test rows.

    Rows are scaled to unit standard deviation over all columns, by statistics of the
    training rows.
    """
    X, y = DATASETS[name](seed)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=TEST_SIZE, random_state=seed, stratify=y
    )
    if name in OWN_UNITS:
        scaler = StandardScaler().fit(X_train)
        X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    deviation = X_train.std()
    return Split(
        name,
        np.asarray(X_train / deviation, dtype=np.float32),
        np.asarray(X_test / deviation, dtype=np.float32),
        y_train,
        y_test,
    )
