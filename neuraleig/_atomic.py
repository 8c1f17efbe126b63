"""Files that are there whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

TEMPORARY_PREFIX = ".neuraleig-"
TEMPORARY_SUFFIX = ".part"
# Pattern of what killed processes leave behind.
TEMPORARIES = f"{TEMPORARY_PREFIX}*{TEMPORARY_SUFFIX}"


@contextmanager
def atomic_file(path: Path, *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes its name when the block ends well.

    Parameters
    ----------
    path : Path
        Where the content goes; its folder must exist. A file of that name keeps its
        content until the block ends, and for good if the block raises.
    durable : bool, default=True
        Wait until the disk has the content, so that no power cut can leave the name
        without it. Not needed where what is read is checked and can be made again.

    Yields
    ------
    file : binary file
        Temporary file in the same folder, for only there a rename is atomic. It has
        the permissions that the umask leaves, as any other file.
    """
    # Not part of the name: it may already be as long as a name can be.
    token = f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    temporary = path.with_name(token)
    try:
        with temporary.open("xb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def remove_temporaries(folder: Path) -> None:
    """Remove what killed processes left behind in a folder and in those below it."""
    for path in folder.rglob(TEMPORARIES):
        path.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically, in UTF-8 and with a line per entry.

    Names of files that are not valid Unicode stay readable: they are escaped.
    """
    text = json.dumps(content, indent=1)
    with atomic_file(path) as file:
        file.write(text.encode("ascii"))
        file.write(b"\n")
