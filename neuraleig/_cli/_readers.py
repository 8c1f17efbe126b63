"""Readers of the values of options, which need nothing that is slow to import.

A reader is a kind and plain arguments, so that a description of the commands can hold
it.
"""

from __future__ import annotations

import csv
import math
import operator
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer import BadParameter

# Suffixes of rows, models, pages and pictures: a file of such a name and another format
# misleads, or has replaced what somebody needs.
SUFFIXES = frozenset(
    ".npy .npz .csv .tsv .txt .parquet .feather .arrow .safetensors .onnx .pkl .pickle "
    ".joblib .pt .pth .html .json .png .jpg .jpeg".split()
)
# Largest integer that an option takes for a count, and for a seed of scikit-learn.
MOST = 2**32 - 1


@dataclass(frozen=True)
class Given:
    """Value of an option; a wrapper, since the value may be None."""

    value: Any


@dataclass(frozen=True)
class Reader:
    """Reader of one kind of values.

    Parameters
    ----------
    kind : str
        Key of ``READERS``.
    arguments : tuple, default=()
        Plain values that the function of this kind takes after the text.
    """

    kind: str
    arguments: tuple[Any, ...] = ()

    def __call__(self, text: str) -> Any:  # noqa: ANN401
        """Value that a text stands for; wrong texts raise a BadParameter."""
        return READERS[self.kind](text, *self.arguments)

    @property
    def words(self) -> list[str]:
        """Words among which there is a choice, for the completion of shells."""
        if self.kind == "one_of":
            return list(self.arguments[0])
        if self.kind == "setting":
            return [word for rule in self.arguments[0] for word in _words(rule)]
        return []


def file_named(what: str, suffix: str) -> Reader:
    """Reader of the name of a file to write: any suffix but that of another format."""
    return Reader("file_named", (what, suffix))


def one_of(words: Collection[str]) -> Reader:
    """Reader of one of some words."""
    return Reader("one_of", (list(words),))


def whole(least: int) -> Reader:
    """Reader of an integer in a range."""
    return Reader("whole", (least,))


def _file_named(text: str, what: str, suffix: str) -> Path:
    own = Path(text).suffix.lower()
    if own in SUFFIXES and own != suffix:
        raise BadParameter(
            f"{text!r} has the suffix of another format; {what} has {suffix}"
        )
    return Path(text)


def _one_of(text: str, words: Sequence[str]) -> str:
    if text not in words:
        raise BadParameter(f"{text!r} is none of {', '.join(words)}")
    return text


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= MOST:
        raise BadParameter(f"{text!r} is not an integer from {least} to {MOST}")
    return number


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise BadParameter(f"{text!r} is not a share from 0 to 1")
    return value


def _names(text: str) -> tuple[str, ...]:
    """Names with commas between; those with a comma in quotation marks."""
    found = next(csv.reader([text], skipinitialspace=True), [])
    names = tuple(name.strip() for name in found)
    if not names or "" in names:
        raise BadParameter(f"{text!r} are not columns such as a,b or 1,2")
    return names


def _character(text: str) -> str:
    sign = "\t" if text in ("tab", "\\t") else text
    if len(sign) != 1 or sign in '"\r\n':
        raise BadParameter(f"{text!r} is neither a single character nor tab")
    return sign


def _result(text: str, suffixes: Sequence[str]) -> Path:
    if text != "-" and Path(text).suffix.lower() not in suffixes:
        raise BadParameter(f"{text!r} must end in {' or '.join(suffixes)}")
    return Path(text)


def _named_cluster(text: str) -> tuple[int, str]:
    cluster, equals, name = text.partition("=")
    if not equals or not cluster.strip().isdecimal():
        raise BadParameter(f"{text!r} is not N=NAME, such as 3=road")
    return int(cluster), name.strip()


def _clusters(text: str) -> list[int]:
    parts = text.split(",")
    if len(parts) < 2 or not all(part.strip().isdecimal() for part in parts):
        raise BadParameter(f"{text!r} are not clusters such as 1,4")
    return [int(part) for part in parts]


def _setting(text: str, rules: Sequence[dict[str, Any]]) -> Given:
    """Value of a parameter of an estimator, by the first rule that allows it."""
    for rule in rules:
        try:
            return Given(RULES[rule["kind"]](text, rule))
        except ValueError:
            continue
    expected = " or ".join(rule["expected"] for rule in rules)
    raise BadParameter(f"{text!r} is not {expected}")


def _words(rule: dict[str, Any]) -> list[str]:
    return ["none"] if rule["kind"] == "none" else list(rule.get("words", ()))


def _none(text: str, rule: dict[str, Any]) -> None:
    if text != "none":
        raise ValueError


def _word(text: str, rule: dict[str, Any]) -> str:
    if text not in rule["words"]:
        raise ValueError
    return text


def _number(text: str, rule: dict[str, Any]) -> float:
    """Number in an interval, as scikit-learn's constraints have it."""
    number: float = int(text) if rule["is_whole"] else float(text)
    closed = rule["closed"]
    low = -math.inf if rule["low"] is None else rule["low"]
    high = math.inf if rule["high"] is None else rule["high"]
    above = operator.ge if closed in ("left", "both") else operator.gt
    below = operator.le if closed in ("right", "both") else operator.lt
    if not (above(number, low) and below(number, high)):
        raise ValueError
    return number


def _numbers(text: str, rule: dict[str, Any]) -> tuple[float, ...]:
    return tuple(float(t) if "." in t or "e" in t else int(t) for t in text.split(","))


READERS: dict[str, Callable[..., Any]] = {
    "path": Path,
    "file_named": _file_named,
    "one_of": _one_of,
    "whole": _whole,
    "share": _share,
    "names": _names,
    "character": _character,
    "result": _result,
    "named_cluster": _named_cluster,
    "clusters": _clusters,
    "setting": _setting,
}
# Kinds of values that parameters of estimators have.
RULES: dict[str, Callable[[str, dict[str, Any]], Any]] = {
    "none": _none,
    "word": _word,
    "number": _number,
    "integer": lambda text, rule: int(text),
    "numbers": _numbers,
    "text": lambda text, rule: text,
}
