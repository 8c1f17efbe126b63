"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from io import UnsupportedOperation
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
        content until the block ends, and for good if the block raises; the new one has
        its permissions. What is there and no file, as a pipe, is written straight into.
    durable : bool, default=True
        Wait until the disk has the content, so that no power cut can leave the name
        without it. Not needed where what is read is checked and can be made again.

    Yields
    ------
    file : binary file
        Temporary file in the same folder, for only there a rename is atomic. Without
        an older one it has the permissions that the umask leaves, as any other file.

    Raises
    ------
    OSError
        If it cannot be written; the error names ``path``.
    """
    # A link stays one: what it leads to is replaced.
    target = Path(os.path.realpath(path))
    with _named(path):
        mode = _mode(target)
        if mode is not None and not stat.S_ISREG(mode):
            opened = _straight(target, mode)
        else:
            opened = _renamed(target, mode, durable=durable)
        with opened as file:
            yield file


@contextmanager
def _renamed(target: Path, mode: int | None, *, durable: bool) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes a name when the block ends well."""
    # Not part of the name: it may already be as long as a name can be.
    token = f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    temporary = target.with_name(token)
    try:
        with temporary.open("xb") as file:
            if mode is not None:
                # Some file systems have no permissions to set.
                with suppress(OSError):
                    temporary.chmod(stat.S_IMODE(mode) & 0o777)
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _straight(target: Path, mode: int) -> AbstractContextManager[IO[bytes]]:
    """Open a pipe or a device such as /dev/null, which no file may replace."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if not stat.S_ISFIFO(mode) and not stat.S_ISCHR(mode):
        raise OSError(errno.EINVAL, "is no file that can be written", str(target))
    return target.open("wb")


def _mode(target: Path) -> int | None:
    """Kind and permissions of what is there; ``None`` if nothing is."""
    try:
        return target.stat().st_mode
    except FileNotFoundError:
        folder = target.parent
    if not folder.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, f"there is no folder {folder}; make it first", str(target)
        )
    return None


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in errors of writing, which know none or the temporary one."""
    try:
        yield
    except UnsupportedOperation as error:
        raise OSError(errno.ESPIPE, f"needs a file ({error})", str(path)) from error
    except OSError as error:
        if error.errno is None or not _is_own(error.filename, path):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _is_own(filename: object, path: Path) -> bool:
    """Whether the name in an error is of what is written, or there is none."""
    if not isinstance(filename, str):
        return filename is None
    named, target = Path(filename), Path(os.path.realpath(path))
    is_temporary = named.name.startswith(TEMPORARY_PREFIX)
    return named == target or (is_temporary and named.parent == target.parent)


def remove_temporaries(folders: Iterable[Path]) -> None:
    """Remove what killed processes left behind in some folders.

    Not in those below them: another process may be writing there.
    """
    for folder in folders:
        for path in folder.glob(TEMPORARIES):
            path.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically, in UTF-8 and with a line per entry.

    Names of files that are not valid Unicode stay readable: they are escaped.
    """
    text = json.dumps(content, indent=1)
    with atomic_file(path) as file:
        file.write(text.encode("ascii"))
        file.write(b"\n")


def checked_target(path: str | os.PathLike[str]) -> Path:
    """Return the path of a file to write, in a folder that exists.

    Raises a FileNotFoundError or IsADirectoryError before any work is done.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(
            f"path={str(path)!r} is a folder; pass the path of a file."
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"path={str(path)!r} is in a folder that does not exist; create it first."
        )
    return target
