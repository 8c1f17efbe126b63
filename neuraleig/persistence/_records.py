"""JSON that somebody else may have written: parsed strictly, checked when read."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Collection
from typing import Any

# Sizes and counts of a file: what fits into 64 bits.
LARGEST = 2**63 - 1


def parsed(text: str) -> Any:  # noqa: ANN401 - JSON
    """Value of a JSON text.

    Raises
    ------
    ValueError
        If it is none, names a key twice, or has a number that is not finite.
    RecursionError
        If it is nested too deeply.
    """
    return json.loads(
        text,
        object_pairs_hook=_unique,
        parse_constant=_refuse_constant,
        parse_float=_finite,
    )


class Record:
    """JSON object of a file, whose entries are checked as they are taken out.

    Parameters
    ----------
    entries : object
        Value of the JSON text.
    name : str
        What it is called in errors.

    Raises
    ------
    ValueError
        If it is no JSON object; so do all methods for entries that are missing or of
        another kind.
    """

    def __init__(self, entries: object, name: str) -> None:
        if not isinstance(entries, dict):
            raise ValueError(f"{name} is {shown(entries)}, and no JSON object")
        self.name = name
        self._entries = dict(entries)

    def __contains__(self, key: str) -> bool:
        """Whether there is such an entry, not taken yet."""
        return key in self._entries

    def peek(self, *keys: str) -> dict[str, Any]:
        """Entries of an object, however deep, which stay where they are."""
        found: Any = self._entries
        for key in keys:
            found = found.get(key)
            if not isinstance(found, dict):
                raise ValueError(f"{self.name} has no object {'.'.join(keys)!r}")
        return dict(found)

    def take(self, key: str) -> Any:  # noqa: ANN401 - JSON
        """Entry of any kind."""
        if key not in self._entries:
            raise ValueError(f"{self.name} is without {key!r}")
        return self._entries.pop(key)

    def take_all(self) -> dict[str, Any]:
        """Entries that are left."""
        taken, self._entries = self._entries, {}
        return taken

    def record(self, key: str) -> Record:
        """Object among the entries."""
        return Record(self.take(key), f"{self.name}.{key}")

    def integer(self, key: str, least: int = 0) -> int:
        """Integer of at least ``least``."""
        return self._integer(key, self.take(key), least)

    def integers(self, key: str, least: int = 0) -> list[int]:
        """List of integers of at least ``least``."""
        found = self.take(key)
        if not isinstance(found, list):
            raise self._wrong(key, found, "a list")
        return [self._integer(key, part, least) for part in found]

    def integer_or_none(self, key: str, least: int = 0) -> int | None:
        """Integer of at least ``least``, or ``None``."""
        found = self.take(key)
        return None if found is None else self._integer(key, found, least)

    def number(self, key: str) -> float:
        """Finite number."""
        found = self.take(key)
        is_number = isinstance(found, int | float) and not isinstance(found, bool)
        if not is_number or not math.isfinite(found):
            raise self._wrong(key, found, "a finite number")
        return float(found)

    def flag(self, key: str) -> bool:
        """``True`` or ``False``."""
        found = self.take(key)
        if not isinstance(found, bool):
            raise self._wrong(key, found, "true or false")
        return found

    def text(self, key: str) -> str:
        """Text."""
        found = self.take(key)
        if not isinstance(found, str):
            raise self._wrong(key, found, "a text")
        return found

    def choice(self, key: str, choices: Collection[str]) -> str:
        """One of some texts."""
        found = self.text(key)
        if found not in choices:
            raise self._wrong(key, found, f"one of {', '.join(choices)}")
        return found

    def end(self) -> None:
        """Refuse entries that nobody has taken."""
        if self._entries:
            raise ValueError(f"{self.name} has an unknown {shown(min(self._entries))}")

    def _integer(self, key: str, value: object, least: int) -> int:
        is_integer = isinstance(value, int) and not isinstance(value, bool)
        if not is_integer or not least <= value <= LARGEST:  # type: ignore[operator]
            raise self._wrong(key, value, f"an integer of at least {least}")
        assert isinstance(value, int)
        return value

    def _wrong(self, key: str, value: object, wanted: str) -> ValueError:
        return ValueError(f"{self.name}.{key} is {shown(value)}, and not {wanted}")


def shown(value: object) -> str:
    """Value in an error, however long it is."""
    return reprlib.repr(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{shown(digits)} is not finite")
    return number


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not finite")
