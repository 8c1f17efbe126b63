"""Arrays of numpy: ``.npy``, mapped into memory, and ``.npz``, read as a stream."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from neuraleig._tables._table import Part, Source, TableError, listed

# Elements that are read at once: 8 MiB of float64.
BLOCK_ELEMENTS = 2**20
# Kinds of numpy's types: real numbers, and what can be a label.
NUMBERS = "biuf"
LABELS = "biufUS"
# Arrays in all files of sparse matrices that scipy writes.
SPARSE = frozenset({"format", "shape", "data"})


class NumpyFile(Source):
    """Array of a ``.npy`` or ``.npz`` file: a matrix, or a vector of labels."""

    def __init__(self, path: Path, key: str | None, *, for_labels: bool) -> None:
        self._path, self._member = path, None
        self.name = str(path)
        if path.suffix.lower() == ".npz":
            self._member = _member(path, key)
            self.name = f"{path} [{self._member.removesuffix('.npy')}]"
        with self._opened() as file:
            self._shape, self._by_columns, self._dtype = _header(file)
            size = math.prod(self._shape) * self._dtype.itemsize
            missing = file.tell() + size - path.stat().st_size
            if self._member is None and missing > 0:
                raise EOFError(f"{missing} bytes are missing")
        self._check(for_labels)
        self.n_rows = self._shape[0]
        self.n_columns = 1 if self.is_vector else self._shape[1]

    @property
    def is_vector(self) -> bool:
        """Whether the array has one axis."""
        return len(self._shape) == 1

    def parts(self, columns: Sequence[int]) -> Iterator[Part]:
        """Rows in the order of the file; a .npz by columns is read as a whole."""
        start = 1
        everything = list(columns) == list(range(self.n_columns))
        for rows in self._slices():
            found = rows if everything else rows[:, list(columns)]
            yield Part(found, range(start, start + len(rows)).__getitem__)
            start += len(rows)

    def values(self, column: int) -> Iterator[Sequence[Hashable]]:
        """Entries of one column."""
        for rows in self._slices():
            yield rows[:, column].tolist()

    def mapped(self) -> NDArray[Any] | None:
        """Memory map of a .npy file; None of a .npz file, or without elements."""
        if self._member is not None or not math.prod(self._shape):
            return None
        return npy.open_memmap(self._path, mode="r")

    def _slices(self) -> Iterator[NDArray[Any]]:
        """Blocks of rows, as matrices."""
        step = max(1, BLOCK_ELEMENTS // self.n_columns)
        n_rows = self._shape[0]
        if (mapped := self.mapped()) is not None:
            for start in range(0, n_rows, step):
                rows = np.asarray(mapped[start : start + step])
                yield rows.reshape(-1, self.n_columns)
            return
        with self._opened() as file:
            if self._by_columns:
                yield npy.read_array(file, allow_pickle=False)
                return
            _header(file)
            for start in range(0, n_rows, step):
                wanted = min(step, n_rows - start) * self.n_columns
                content = file.read(wanted * self._dtype.itemsize)
                if len(content) < wanted * self._dtype.itemsize:
                    raise EOFError("the array ends early")
                rows = np.frombuffer(content, self._dtype)
                yield rows.reshape(-1, self.n_columns)

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        with _explained(self.name):
            if self._member is None:
                with self._path.open("rb") as file:
                    yield file
                return
            with (
                zipfile.ZipFile(self._path) as archive,
                archive.open(self._member) as file,
            ):
                yield file

    def _check(self, for_labels: bool) -> None:
        kinds = LABELS if for_labels else NUMBERS
        fits = len(self._shape) == 2 and self._shape[1] > 0
        if not fits and not (for_labels and self.is_vector):
            what = "labels are a vector" if for_labels else "rows need (rows, columns)"
            raise TableError(f"{self.name} has shape {self._shape}; {what}")
        if self._dtype.kind not in kinds:
            what = "numbers or text" if for_labels else "real numbers"
            raise TableError(f"{self.name} has type {self._dtype}; expected {what}")


def _member(path: Path, key: str | None) -> str:
    """Name in the archive of the array with a key."""
    with _explained(str(path)), zipfile.ZipFile(path) as archive:
        keys = [name.removesuffix(".npy") for name in archive.namelist()]
    if key is None and SPARSE.issubset(keys):
        raise TableError(
            f"{path} is a sparse matrix of scipy, and files of rows are dense: save "
            "its .toarray(), or fit it in Python"
        )
    if key is None and len(keys) != 1:
        raise TableError(
            f"{path} has {len(keys)} arrays; choose one by its key: {listed(keys)}"
        )
    if key is not None and key not in keys:
        raise TableError(f"{path} has no array {key!r}; its keys are {listed(keys)}")
    return f"{keys[0] if key is None else key}.npy"


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn the errors of damaged files into one kind."""
    try:
        yield
    except TableError:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        reason = str(error).partition("\n")[0].removesuffix(".")
        raise TableError(f"{name} holds no array of numpy ({reason})") from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order (whether by columns) and type of the array that follows."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} is for arrays with named fields")
    read = npy.read_array_header_1_0 if version[0] == 1 else npy.read_array_header_2_0
    shape, by_columns, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds objects of Python, which are not loaded")
    return shape, by_columns, dtype
