"""Data sets on which the benchmarks measure, real and synthetic, with their splits.

Every loader returns a :class:`Dataset` whose rows are divided by one global
standard deviation, and splits them the same way for every method that is compared.
Sets that need files outside the package (``pendigits``, ``optdigits``, ``mnist``)
are looked for in the folder named by ``--data`` and left out, by name, without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn import datasets as bundled
from sklearn.model_selection import train_test_split

Arrays = tuple[np.ndarray, np.ndarray]

# The sets that carry the targets; "synthetic" and "small" ones only vote
# on defaults.
TABLE_SETS = ("moons", "circles", "digits", "pendigits", "optdigits", "mnist")
FILE_SETS = ("pendigits", "optdigits", "mnist")


@dataclass(frozen=True)
class Dataset:
    """Rows and classes of one set, split into fitted and held-out rows."""

    name: str
    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    @property
    def n_classes(self) -> int:
        """Number of distinct classes."""
        return int(np.unique(self.y_train).size)


def _embed(X: np.ndarray, width: int, rng: np.random.Generator) -> np.ndarray:
    """Rotate ``X`` into ``width`` dimensions and add a little noise there."""
    basis, _ = np.linalg.qr(rng.normal(size=(width, X.shape[1])))
    return X @ basis.T + 0.02 * X.std() * rng.normal(size=(X.shape[0], width))


def _spirals(rng: np.random.Generator) -> Arrays:
    angle = 3.5 * np.pi * np.sqrt(rng.uniform(0.05, 1, size=1500))
    y = rng.integers(3, size=angle.size)
    turn = angle + y * 2 * np.pi / 3
    X = (angle[:, None] * np.c_[np.cos(turn), np.sin(turn)]) / 10
    return X + 0.015 * rng.normal(size=X.shape), y


def _unequal_blobs(rng: np.random.Generator) -> Arrays:
    sizes = (900, 450, 220, 110, 60, 60)
    return bundled.make_blobs(
        sizes, n_features=8, cluster_std=1.6, random_state=int(rng.integers(2**31))
    )


def _scales(rng: np.random.Generator) -> Arrays:
    X, y = bundled.make_blobs(
        1600,
        n_features=2,
        centers=[[-6, -6], [6, -5], [0, 5], [9, 6]],
        cluster_std=[0.3, 2.2, 1.0, 0.5],
        random_state=int(rng.integers(2**31)),
    )
    return X, y


def _stretched(rng: np.random.Generator) -> Arrays:
    X, y = bundled.make_blobs(
        1500, n_features=2, centers=3, random_state=170 + int(rng.integers(3)) * 0
    )
    return X @ np.array([[0.6, -0.6], [-0.4, 0.8]]), y


def _outliers(rng: np.random.Generator) -> Arrays:
    X, y = bundled.make_blobs(
        1800, n_features=5, centers=6, cluster_std=1.2, random_state=3
    )
    far = rng.uniform(-60, 60, size=(12, 5))
    clumps = (far[:, None] + 0.05 * rng.normal(size=(12, 6, 5))).reshape(-1, 5)
    nearest = np.argmin(((clumps[:, None] - _means(X, y)[None]) ** 2).sum(-1), axis=1)
    return np.r_[X, clumps], np.r_[y, nearest]


def _means(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.stack([X[y == label].mean(0) for label in np.unique(y)])


def _duplicates(rng: np.random.Generator) -> Arrays:
    X, y = bundled.make_moons(400, noise=0.06, random_state=int(rng.integers(2**31)))
    repeat = rng.integers(400, size=1600)
    return X[repeat], y[repeat]


def _wide(rng: np.random.Generator) -> Arrays:
    X, y = bundled.make_blobs(
        1200, n_features=12, centers=8, cluster_std=3.0, random_state=5
    )
    return _embed(X, 1000, rng), y


def _many_classes(rng: np.random.Generator) -> Arrays:
    return bundled.make_blobs(
        4000, n_features=16, centers=26, cluster_std=3.5, random_state=11
    )


def _moons_wide(rng: np.random.Generator) -> Arrays:
    X, y = bundled.make_moons(1500, noise=0.06, random_state=int(rng.integers(2**31)))
    return _embed(X, 200, rng), y


def _ring_and_core(rng: np.random.Generator) -> Arrays:
    X, y = bundled.make_circles(
        1000, noise=0.03, factor=0.3, random_state=int(rng.integers(2**31))
    )
    core = 0.04 * rng.normal(size=(400, 2))
    return np.r_[X, core], np.r_[y, np.full(400, 2)]


def _hundred_rows(rng: np.random.Generator) -> Arrays:
    return bundled.make_blobs(
        143, n_features=4, centers=3, cluster_std=1.0, random_state=2
    )


def _noisy_moons(rng: np.random.Generator) -> Arrays:
    return bundled.make_moons(2000, noise=0.1, random_state=int(rng.integers(2**31)))


def _classification(rng: np.random.Generator) -> Arrays:
    return bundled.make_classification(
        3000,
        n_features=20,
        n_informative=8,
        n_redundant=4,
        n_classes=5,
        n_clusters_per_class=1,
        class_sep=2.2,
        random_state=int(rng.integers(2**31)),
    )


SYNTHETIC: dict[str, Callable[[np.random.Generator], Arrays]] = {
    "noisy_moons": _noisy_moons,
    "spirals": _spirals,
    "unequal_blobs": _unequal_blobs,
    "scales": _scales,
    "stretched": _stretched,
    "outliers": _outliers,
    "duplicates": _duplicates,
    "wide": _wide,
    "many_classes": _many_classes,
    "moons_wide": _moons_wide,
    "ring_and_core": _ring_and_core,
    "hundred_rows": _hundred_rows,
    "classification": _classification,
}

# Clusters of `peers.py` and `stages.py`: as hard at a thousand rows as at a million,
# too long and bent for k-means, and a little overlapped, so that no method gets all
# rows right.
N_CLUSTERS, N_LATENT = 20, 5
CENTRE_REACH, LENGTH, WIDTH, BEND = 2.0, 1.7, 0.25, 0.6
NOISE = 0.03
OUTLIERS, OUTLIER_REACH = 0.01, 1.0
CHUNK_ROWS = 2**16


def clusters_with_outliers(n: int, n_features: int = 64, seed: int = 0) -> Arrays:
    """Twenty bent clusters of unequal size, and 1 % of outliers.

    They lie in a random subspace of five dimensions. Outliers are uniform in a cube of
    all features, and count to the nearest centre. The distribution depends on ``seed``
    alone, not on ``n``.
    """
    parts = cluster_chunks(n, n_features, seed)
    X, y = zip(*parts, strict=True)
    return np.concatenate(X), np.concatenate(y)


def cluster_chunks(
    n: int, n_features: int, seed: int, n_clusters: int = N_CLUSTERS
) -> Iterator[Arrays]:
    """Rows (float32) of :func:`clusters_with_outliers`, in random order, by chunks."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(n_features, N_LATENT)))[0]
    centres = rng.uniform(-CENTRE_REACH, CENTRE_REACH, size=(n_clusters, N_LATENT))
    turns = np.linalg.qr(rng.normal(size=(n_clusters, N_LATENT, N_LATENT)))[0]
    # The largest cluster has twice the rows of the smallest.
    shares = rng.permutation(np.linspace(1, 2, n_clusters))
    for start in range(0, n, CHUNK_ROWS):
        count = min(CHUNK_ROWS, n - start)
        y = rng.choice(n_clusters, size=count, p=shares / shares.sum())
        rows = _bananas(count, rng)
        for cluster in range(n_clusters):
            rows[y == cluster] @= turns[cluster].T
        X = (rows + centres[y]) @ basis.T
        X += NOISE * rng.normal(size=X.shape)
        far = np.flatnonzero(rng.random(count) < OUTLIERS)
        X[far] = rng.uniform(-OUTLIER_REACH, OUTLIER_REACH, (far.size, n_features))
        between = X[far, None] @ basis - centres[None]
        y[far] = np.argmin((between**2).sum(-1), axis=1)
        yield X.astype(np.float32), y


def _bananas(count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows long in the first dimension and bent towards the second."""
    rows = WIDTH * rng.normal(size=(count, N_LATENT))
    along = rng.uniform(-LENGTH, LENGTH, size=count)
    rows[:, 0] = along
    rows[:, 1] += BEND * (along**2 - 1)
    return rows


BUNDLED: dict[str, Callable[..., Arrays]] = {
    "iris": bundled.load_iris,
    "wine": bundled.load_wine,
    "breast_cancer": bundled.load_breast_cancer,
    "digits": bundled.load_digits,
}


def _table_toy(name: str, seed: int) -> Arrays:
    if name == "moons":
        return bundled.make_moons(2000, noise=0.06, random_state=seed)
    return bundled.make_circles(2000, noise=0.04, factor=0.5, random_state=seed)


def available(folder: Path | None) -> list[str]:
    """Names of the sets that can be loaded, those of the targets first."""
    files = [n for n in FILE_SETS if folder and (folder / f"{n}.npz").exists()]
    table = [n for n in TABLE_SETS if n in files or n not in FILE_SETS]
    return table + [n for n in BUNDLED if n not in table] + list(SYNTHETIC)


def load(name: str, seed: int = 0, folder: Path | None = None) -> Dataset:
    """Load one set; ``seed`` draws the split (and the rows of synthetic sets)."""
    if name in FILE_SETS:
        if folder is None:
            raise ValueError(f"{name} needs the folder that holds {name}.npz")
        with np.load(folder / f"{name}.npz") as file:
            X, y, train = file["X"], file["y"], file["is_train"].astype(bool)
        rows = np.flatnonzero(train), np.flatnonzero(~train)
    else:
        if name in BUNDLED:
            X, y = BUNDLED[name](return_X_y=True)
            if name in ("wine", "breast_cancer"):  # units differ by column
                X = (X - X.mean(0)) / X.std(0)
        elif name in SYNTHETIC:
            X, y = SYNTHETIC[name](np.random.default_rng(seed))
        else:
            X, y = _table_toy(name, seed)
        rows = tuple(
            train_test_split(
                np.arange(len(y)), test_size=0.3, random_state=seed, stratify=y
            )
        )
    X = np.asarray(X, dtype=np.float32)
    X = X / X.std()
    return Dataset(name, X[rows[0]], y[rows[0]], X[rows[1]], y[rows[1]])
