"""Data of the demonstration: bundled with scikit-learn, split once for all methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from neuraleig._typing import Array, IntArray

HELD_OUT_SHARE = 0.3


def _bundled(load: Callable[..., Any], seed: int) -> tuple[Array, IntArray]:
    X, y = load(return_X_y=True)
    return X, y


def _moons(seed: int) -> tuple[Array, IntArray]:
    X, y = datasets.make_moons(2000, noise=0.06, random_state=seed)
    return X, y


def _circles(seed: int) -> tuple[Array, IntArray]:
    X, y = datasets.make_circles(2000, noise=0.04, factor=0.5, random_state=seed)
    return X, y


DATASETS: Mapping[str, Callable[[int], tuple[Array, IntArray]]] = {
    "digits": partial(_bundled, datasets.load_digits),
    "wine": partial(_bundled, datasets.load_wine),
    "iris": partial(_bundled, datasets.load_iris),
    "breast_cancer": partial(_bundled, datasets.load_breast_cancer),
    "moons": _moons,
    "circles": _circles,
}
# Sets whose columns are in units of their own, from millimetres to litres.
OWN_UNITS = frozenset({"wine", "breast_cancer"})


@dataclass(frozen=True)
class Split:
    """Rows and classes of one data set; classes are only ever scored against."""

    name: str
    X_train: Array
    X_test: Array
    y_train: IntArray
    y_test: IntArray

    @property
    def n_classes(self) -> int:
        """Number of classes, which every method is told."""
        return int(np.unique(self.y_train).size)


def load_split(name: str, seed: int) -> Split:
    """Load a data set, hold out 30 % of each class, divide by one deviation.

    All that is computed from rows to scale them is computed from the training rows.

    Parameters
    ----------
    name : str
        One of ``DATASETS``.
    seed : int
        Seed of the split, and of the rows of the synthetic sets.

    Returns
    -------
    split : Split
        Float32 rows.
    """
    X, y = DATASETS[name](seed)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=HELD_OUT_SHARE, random_state=seed, stratify=y
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
