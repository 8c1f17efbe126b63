"""Files that are there whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

TEMPORARY_PREFIX = ".neuraleig-"
TEMPORARY_SUFFIX = ".part"


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes its name when the block ends well.

    Parameters
    ----------
    path : Path
        Where the content goes; its folder must exist. A file of that name keeps its
        content until the block ends, and for good if the block raises.

    Yields
    ------
    file : binary file
        Temporary file in the same folder, for only there a rename is atomic.
    """
    # Not part of the name: it may already be as long as a name can be.
    token = f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    temporary = path.with_name(token)
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            # Else a power cut could leave the name without its content.
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_temporaries(folder: Path) -> None:
    """Remove what killed processes left behind in a folder and in those below it."""
    for path in folder.rglob(f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically, in UTF-8 and with a line per entry.

    Names of files that are not valid Unicode stay readable: they are escaped.
    """
    text = json.dumps(content, indent=1)
    with atomic_file(path) as file:
        file.write(text.encode("ascii"))
        file.write(b"\n")
