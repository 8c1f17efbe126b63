"""Errors and warnings of the library in the words of the command line."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

# What a message advises in Python, and on the command line.
ADVICE = {
    "leave it at None": "leave it out",
    "pass TimmBackbone(name, weights=...)": "pass --backbone.weights",
    "(n_samples=": "(",
    "texts has ": "--texts has ",
    "but data has": "but DATA has",
    "rows of data;": "rows of DATA;",
}
# A tuple as the value of an option.
TUPLE = re.compile(r"(--[\w.-]+=)\(([^()]*?),?\)")


@contextmanager
def as_options(words: Mapping[str, str]) -> Iterator[None]:
    """Name options instead of parameters in the errors and warnings of a block.

    Parameters
    ----------
    words : mapping of str to str
        Options by the names of parameters; those of parts as ``training__lr``.
    """
    show = warnings.showwarning
    words = {**_own_names(words), **words}

    def show_options(message: Warning | str, *rest: Any, **more: Any) -> None:  # noqa: ANN401
        show(with_options(str(message), words), *rest, **more)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_options
            yield
    except Exception as error:
        tables = sys.modules.get("neuraleig._tables")
        # Columns of a file may have names of parameters.
        is_of_data = isinstance(error, getattr(tables, "TableError", ()))
        if not is_of_data and len(error.args) == 1 and isinstance(error.args[0], str):
            error.args = (with_options(error.args[0], words),)
        raise


def with_options(text: str, words: Mapping[str, str]) -> str:
    """Text that names options instead of parameters, with values as they take them."""
    for python, advice in ADVICE.items():
        text = text.replace(python, advice)
    for name in sorted(words, key=len, reverse=True):
        # Short names may be words, and switches take no value. Paths stay.
        end = r"\b(?![-_'/])" if "_" in name or name == "X" else r"(?==)"
        text = re.sub(rf"(?<![-_./\w]){name}{end}(=True\b)?", words[name], text)
    text = TUPLE.sub(lambda found: found[1] + found[2].replace(" ", ""), text)
    return re.sub(r"(--[\w.-]+)=None\b", r"\1 none", text)


def _own_names(words: Mapping[str, str]) -> dict[str, str]:
    """Options by the names that parameters have in their part, the nearest part first.

    A part that is checked by itself knows no other name.
    """
    found: dict[str, str] = {}
    for name in sorted(words, key=lambda name: name.count("__")):
        own = name.rpartition("__")[2]
        if own != name and own not in words:
            found.setdefault(own, words[name])
    return found
