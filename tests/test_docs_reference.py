"""The API reference names every public thing, and nothing else."""

import importlib
import inspect
import re
from pathlib import Path

import pytest
from public_names import public_modules

REFERENCE = Path(__file__).parents[1] / "docs" / "api"
MODULE = re.compile(r"\.\. module:: (\S+)")
DATA = re.compile(r"\.\. py:data:: (\S+)")
ENTRY = re.compile(r"   (\w+)")


def listed(text):
    """Module and name of everything that a page of the reference describes."""
    module, in_summary = None, False
    for line in text.splitlines():
        if found := MODULE.fullmatch(line):
            module = found[1]
        elif found := DATA.fullmatch(line):
            yield module, found[1]
        elif line == ".. autosummary::":
            in_summary = True
        elif line and not line.startswith(" "):
            in_summary = False
        elif in_summary and (found := ENTRY.fullmatch(line)):
            yield module, found[1]


LISTED = [
    entry
    for page in sorted(REFERENCE.glob("*.rst"))
    for entry in listed(page.read_text("utf-8"))
]


@pytest.mark.parametrize("module", list(public_modules()), ids=lambda m: m.__name__)
def test_every_public_name_is_in_the_reference(module):
    """Under any of the modules that export it."""
    described = [getattr(importlib.import_module(home), name) for home, name in LISTED]
    missing = {
        name
        for name in module.__all__
        if (module.__name__, name) not in LISTED
        and not any(
            thing is getattr(module, name)
            for thing in described
            if inspect.isclass(thing) or inspect.isfunction(thing)
        )
        and not _the_same_data_elsewhere(module, name)
    }
    assert not missing, f"docs/api has no line for {missing} of {module.__name__}"


def _the_same_data_elsewhere(module, name):
    """Whether a module above exports the data under the same name, and has a line."""
    parts = module.__name__.split(".")[:-1]
    above = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    return any(
        (home, name) in LISTED
        and getattr(importlib.import_module(home), name) is getattr(module, name)
        for home in above
    )


def test_the_reference_has_no_names_that_are_not_public():
    for home, name in LISTED:
        assert name in importlib.import_module(home).__all__, f"{home}.{name}"


def test_nothing_is_described_twice():
    things = [id(getattr(importlib.import_module(m), n)) for m, n in LISTED]
    assert len(set(LISTED)) == len(LISTED)
    classes = [
        thing
        for thing, (m, n) in zip(things, LISTED, strict=True)
        if inspect.isclass(getattr(importlib.import_module(m), n))
    ]
    assert len(set(classes)) == len(classes)


def test_every_page_is_in_the_contents():
    contents = (REFERENCE / "index.rst").read_text("utf-8")
    for page in REFERENCE.glob("*.rst"):
        assert page.stem == "index" or f"   {page.stem}\n" in contents


def test_the_check_sees_what_it_looks_for():
    page = """
.. module:: a.b

.. autosummary::
   :toctree: generated

   First

   second

Text.

.. py:data:: THIRD

   What it is.
"""
    assert list(listed(page)) == [("a.b", "First"), ("a.b", "second"), ("a.b", "THIRD")]
