"""Results in files: part by part, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from neuraleig._atomic import atomic_file

FORMATS_WRITTEN = (".npy", ".csv", ".parquet")


def write_npy(path: Path, parts: Iterable[NDArray[Any]]) -> int:
    """Write parts of equal type to one ``.npy`` file; returns the number of rows."""
    n_rows = 0
    with atomic_file(path) as file:
        for part in parts:
            if n_rows == 0:
                file.write(_head(part, 0))
            file.write(np.ascontiguousarray(part).data)
            n_rows += len(part)
        # numpy leaves room in the head for any number of rows.
        file.seek(0)
        file.write(_head(part, n_rows))
    return n_rows


def write_csv(path: Path, header: Sequence[str], parts: Iterable[NDArray[Any]]) -> int:
    """Write arrays one below the other as comma-separated text; returns the rows."""
    with atomic_file(path) as file:
        return write_text(lambda text: file.write(text.encode("utf-8")), header, parts)


def write_text(
    write: Callable[[str], object], header: Sequence[str], parts: Iterable[NDArray[Any]]
) -> int:
    """Pass comma-separated text to a function; see :func:`write_csv`.

    ``None`` is an empty cell; text is quoted where it must be.
    """
    n_rows = 0
    for part in parts:
        if n_rows == 0:
            write(",".join(map(_cell, header)) + "\n")
        # Networks compute in float32; as float64 it would have twice the digits.
        shown = part.astype(np.float32) if part.dtype.kind == "f" else part
        shown = shown.reshape(len(part), -1)
        if shown.dtype == object:
            cells = [list(map(_cell, row)) for row in shown]
        else:
            cells = shown.astype(str).tolist()
        # Readers leave out lines without a sign, and the rows after them would move up.
        write("".join((",".join(row) or '""') + "\n" for row in cells))
        n_rows += len(part)
    return n_rows


def _cell(value: object) -> str:
    """Cell of comma-separated text."""
    text = "" if value is None else str(value)
    if any(sign in text for sign in ',"\r\n'):
        quoted = text.replace('"', '""')
        return f'"{quoted}"'
    return text


def _head(part: NDArray[Any], n_rows: int) -> bytes:
    """First bytes of a file of so many rows like those of a part."""
    head = BytesIO()
    shape = (n_rows, *part.shape[1:])
    described = npy.dtype_to_descr(part.dtype)
    npy.write_array_header_1_0(
        head, {"descr": described, "fortran_order": False, "shape": shape}
    )
    return head.getvalue()
