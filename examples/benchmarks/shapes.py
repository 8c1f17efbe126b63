"""Sets by their shape: drawn rows, or the first ones of a file."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import trial
from numpy.lib.format import open_memmap
from sklearn.datasets import make_blobs

HELD_OUT = 10_000
DRAWN = ("clusters", "blobs")
# Standard deviation of the blobs, whose centres are uniform in a cube of side 20.
BLOB_STD = 8.0


@dataclass(frozen=True, order=True)
class Shape:
    """Rows to fit, features and clusters of one set.

    Parameters
    ----------
    n_rows, n_features, n_clusters : int
        Size.
    source : str, default="clusters"
        ``"clusters"`` (long and bent, 1 % of outliers), ``"blobs"``, or the name of a
        set of files.
    """

    n_rows: int
    n_features: int
    n_clusters: int = datasets.N_CLUSTERS
    source: str = DRAWN[0]

    @classmethod
    def parsed(cls, text: str) -> Shape:
        """Shape of ``[SOURCE:]ROWSxFEATURES[xCLUSTERS]``, for an option."""
        found = re.fullmatch(r"(?:(\w+):)?(\d+)x(\d+)(?:x(\d+))?", text)
        known = (*DRAWN, *datasets.FILE_SETS)
        if found is None or (found[1] or DRAWN[0]) not in known:
            raise argparse.ArgumentTypeError(
                f"{text!r}: expected [SOURCE:]ROWSxFEATURES[xCLUSTERS], such as "
                f"1000x64x20, where SOURCE is one of {', '.join(known)}"
            )
        sizes = [int(number) for number in found.groups()[1:] if number]
        return cls(*sizes, source=found[1] or DRAWN[0])

    @property
    def slug(self) -> str:
        """Name of a folder."""
        return f"{self.source}-{self.n_rows}x{self.n_features}x{self.n_clusters}"

    @property
    def label(self) -> str:
        """Name in a table."""
        text = f"{self.n_rows:,} x {self.n_features}, {self.n_clusters}"
        return text if self.source == DRAWN[0] else f"{self.source}, {text}"

    def write(self, folder: Path, data: Path | None, seed: int = 0) -> None:
        """Write rows to fit and held-out ones, as :func:`trial.write_split` does."""
        if self.source == "clusters":
            self._write_clusters(folder, seed)
        elif self.source == "blobs":
            X, y = make_blobs(
                self.n_rows + HELD_OUT,
                n_features=self.n_features,
                centers=self.n_clusters,
                cluster_std=BLOB_STD,
                random_state=seed,
            )
            X = np.asarray(X / X.std(), dtype=np.float32)
            parts = (X[: self.n_rows], y[: self.n_rows])
            rest = (X[self.n_rows :], y[self.n_rows :])
            trial.write_split(folder, datasets.Dataset(self.slug, *parts, *rest))
        else:
            trial.write_split(folder, self._of_files(data, seed))

    def _of_files(self, data: Path | None, seed: int) -> datasets.Dataset:
        """First rows of a set of files, which are in no order."""
        whole = datasets.load(self.source, seed, data)
        first = slice(self.n_rows)
        own = whole.X_train[first], whole.y_train[first]
        found = (*own[0].shape, whole.n_classes)
        if found != (self.n_rows, self.n_features, self.n_clusters):
            raise SystemExit(f"--shapes: {self.slug} has the shape {found}.")
        return datasets.Dataset(self.slug, *own, whole.X_test, whole.y_test)

    def _write_clusters(self, folder: Path, seed: int) -> None:
        """Write drawn rows, never holding more than a chunk."""
        folder.mkdir(parents=True, exist_ok=True)
        n, arrays = self.n_rows, {}
        for part, count in (("train", n), ("test", HELD_OUT)):
            for name, shape, kind in (
                (f"X_{part}", (count, self.n_features), np.float32),
                (f"y_{part}", (count,), np.int64),
            ):
                path = folder / f"{name}.npy"
                arrays[name] = open_memmap(path, "w+", dtype=kind, shape=shape)
        start = 0
        for X, y in datasets.cluster_chunks(
            n + HELD_OUT, self.n_features, seed, self.n_clusters
        ):
            stop = start + len(X)
            fitted = min(max(n - start, 0), len(X))
            train = slice(start, start + fitted)
            test = slice(start + fitted - n, stop - n)
            if fitted > 0:
                arrays["X_train"][train] = X[:fitted]
                arrays["y_train"][train] = y[:fitted]
            if fitted < len(X):
                arrays["X_test"][test], arrays["y_test"][test] = X[fitted:], y[fitted:]
            start = stop
        for array in arrays.values():
            array.flush()


def add_shapes(parser: argparse.ArgumentParser, text: str) -> None:
    """Add the option that names sets one by one."""
    parser.add_argument(
        "--shapes",
        nargs="*",
        type=Shape.parsed,
        default=None,
        metavar="[SOURCE:]ROWSxFEATURES[xCLUSTERS]",
        help=text,
    )
