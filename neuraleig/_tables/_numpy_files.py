"""Arrays of numpy: ``.npy``, mapped into memory, and ``.npz``, read as they come."""

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
# Kinds of numpy's types that are real numbers.
NUMBERS = "biuf"


class NpyFile(Source):
    """Matrix in a ``.npy`` file.

    Parameters
    ----------
    path : Path
        The file.
    """

    column_names = None

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._array = load_npy(path, mapped=True)
        _check_matrix(self.name, self._array.shape, self._array.dtype)
        self.n_rows, self.n_columns = self._array.shape

    def parts(self, columns: Sequence[int]) -> Iterator[Part]:
        """Slices of the file."""
        step = max(1, BLOCK_ELEMENTS // self.n_columns)
        everything = list(columns) == list(range(self.n_columns))
        for start in range(0, len(self._array), step):
            rows = np.asarray(self._array[start : start + step])
            yield Part(
                rows if everything else rows[:, list(columns)],
                range(start + 1, start + 1 + len(rows)),
            )

    def values(self, column: int) -> Iterator[Sequence[Hashable]]:
        """Entries of one column."""
        for part in self.parts([column]):
            yield part.rows[:, 0].tolist()

    def mapped(self) -> NDArray[Any]:
        """Memory map of the file."""
        return self._array


class NpzFile(Source):
    """Matrix in a ``.npz`` file, compressed or not.

    Parameters
    ----------
    path : Path
        The file.
    key : str or None
        Name of the array; ``None``: the only one.
    """

    column_names = None

    def __init__(self, path: Path, key: str | None) -> None:
        self._path = path
        self._member = f"{_key(path, key)}.npy"
        self.name = f"{path} [{self._member.removesuffix('.npy')}]"
        with _opened(self._path, self._member, self.name) as file:
            shape, self._by_columns, self._dtype = _header(file)
        _check_matrix(self.name, shape, self._dtype)
        self.n_rows, self.n_columns = shape

    def parts(self, columns: Sequence[int]) -> Iterator[Part]:
        """Rows in the order of the file; an array by columns is read as a whole."""
        if self._by_columns:
            with _opened(self._path, self._member, self.name) as file:
                rows = npy.read_array(file, allow_pickle=False)
            yield Part(rows[:, list(columns)], range(1, len(rows) + 1))
            return
        assert self.n_rows is not None
        step = max(1, BLOCK_ELEMENTS // self.n_columns)
        with _opened(self._path, self._member, self.name) as file:
            _header(file)
            for start in range(0, self.n_rows, step):
                count = min(step, self.n_rows - start)
                rows = self._read(file, count)[:, list(columns)]
                yield Part(rows, range(start + 1, start + 1 + count))

    def values(self, column: int) -> Iterator[Sequence[Hashable]]:
        """Entries of one column."""
        for part in self.parts([column]):
            yield part.rows[:, 0].tolist()

    def _read(self, file: IO[bytes], count: int) -> NDArray[Any]:
        wanted = count * self.n_columns * self._dtype.itemsize
        content = file.read(wanted)
        if len(content) < wanted:
            raise EOFError("it ends early")
        return np.frombuffer(content, self._dtype).reshape(count, self.n_columns)


def load_npy(path: Path, *, mapped: bool = False) -> NDArray[Any]:
    """Array of a ``.npy`` file.

    Parameters
    ----------
    path : Path
        The file.
    mapped : bool, default=False
        Whether it stays on disk.

    Returns
    -------
    array : ndarray
        Of any shape and type but objects.

    Raises
    ------
    TableError
        If it is no whole ``.npy`` file, or holds objects.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file, _explained(str(path)):
        shape, _, dtype = _header(file)
        size: int = math.prod(shape)
        missing = file.tell() + size * dtype.itemsize - path.stat().st_size
        if missing > 0:
            raise EOFError(f"{missing} bytes are missing")
        file.seek(0)
        # Nothing can be mapped where nothing is.
        if mapped and size:
            return npy.open_memmap(path, mode="r")
        return np.asarray(npy.read_array(file, allow_pickle=False))


def load_npz(path: Path, key: str | None) -> NDArray[Any]:
    """Array of a ``.npz`` file, in memory.

    Parameters
    ----------
    path : Path
        The file.
    key : str or None
        Name of the array; ``None``: the only one.

    Returns
    -------
    array : ndarray
        Of any shape and type but objects.

    Raises
    ------
    TableError
        If there is no such array, or it is damaged or holds objects.
    OSError
        If it cannot be read.
    """
    member = f"{_key(path, key)}.npy"
    with _opened(path, member, f"{path} [{member}]") as file:
        return np.asarray(npy.read_array(file, allow_pickle=False))


def _key(path: Path, key: str | None) -> str:
    """Name of the array that is meant."""
    with _explained(str(path)), zipfile.ZipFile(path) as archive:
        keys = [name.removesuffix(".npy") for name in archive.namelist()]
    if key is None and len(keys) == 1:
        return keys[0]
    if key is None:
        raise TableError(
            f"{path} has {len(keys)} arrays; say by its key which one is meant: "
            f"{listed(keys)}"
        )
    if key not in keys:
        raise TableError(f"{path} has no array {key!r}; its keys are {listed(keys)}")
    return key


@contextmanager
def _opened(path: Path, member: str, name: str) -> Iterator[IO[bytes]]:
    with (
        _explained(name),
        zipfile.ZipFile(path) as archive,
        archive.open(member) as file,
    ):
        yield file


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn what a file that is not of numpy comes to into one kind of error."""
    try:
        yield
    except TableError:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        reason = str(error).partition("\n")[0].removesuffix(".")
        raise TableError(f"{name} holds no array of numpy ({reason})") from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether stored by columns, and type of the array that follows."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0
    if version == (2, 0):
        read = npy.read_array_header_2_0
    elif version != (1, 0):
        raise ValueError(f"version {version} is for arrays with named fields")
    shape, by_columns, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds objects of Python, which are not loaded")
    return shape, by_columns, dtype


def _check_matrix(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) != 2 or shape[1] == 0:
        raise TableError(
            f"{name} has shape {shape}; rows of features are of shape (n_rows, "
            "n_features)"
        )
    if dtype.kind not in NUMBERS:
        raise TableError(f"{name} is of type {dtype}, which are no real numbers")
