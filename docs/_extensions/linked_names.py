"""Links from names in code font to the API reference.

Pages are written for code hosts as well, so names of the package stand in backticks.
Sphinx gets a link wherever such a name is that of exactly one documented class,
function or module; code blocks are linked by sphinx-codeautolink.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The choice of names is tested where Sphinx is not installed.
    from docutils import nodes
    from sphinx.application import Sphinx

# Attributes and data are left out: their short names are everyday words.
LINKED_TYPES = {"class", "exception", "function", "method", "module"}
NAME = re.compile(r"([A-Za-z_][\w.]*)(?:\(\))?")
PACKAGE = "neuraleig"


def unique_names(objects: Iterable[tuple[str, str, str, str]]) -> dict[str, tuple]:
    """Places of objects by every dotted end of their names that is unambiguous.

    Parameters
    ----------
    objects : iterable of tuple
        Full name, kind, page and anchor of the documented objects.

    Returns
    -------
    places : dict of str to tuple of str
        Page and anchor by name. A method is found as ``Class.method`` only, and a
        module by its full name.
    """
    found: dict[str, set[tuple[str, str]]] = {}
    methods = set()
    for name, kind, page, anchor in objects:
        parts = name.split(".")
        ends = {".".join(parts[start:]) for start in range(len(parts))}
        if kind == "module":
            ends = {name}  # the last parts are names of parameters as well
        elif kind == "method":
            methods.add(parts[-1])
            ends.discard(parts[-1])
        if kind in LINKED_TYPES:
            for end in ends:
                found.setdefault(end, set()).add((page, anchor))
    return {
        end: next(iter(places))
        for end, places in found.items()
        if len(places) == 1 and end not in methods | {PACKAGE}
    }


def link_names(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Turn names in code font into links, but for headings and existing links."""
    from docutils import nodes

    objects = app.env.get_domain("py").get_objects()
    places = unique_names(
        (name, kind, docname, anchor)
        for name, _, kind, docname, anchor, _ in objects
        if name.startswith(PACKAGE)
    )
    for literal in list(doctree.findall(nodes.literal)):
        match = NAME.fullmatch(literal.astext())
        place = places.get(match[1]) if match else None
        within = (nodes.reference, nodes.title)
        if place is None or place[0] == page or _is_within(literal, within):
            continue
        uri = app.builder.get_relative_uri(page, place[0]) + "#" + place[1]
        link = nodes.reference("", "", internal=True, refuri=uri)
        literal.replace_self(link)
        link += literal


def _is_within(node: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> bool:
    while node.parent is not None:
        node = node.parent
        if isinstance(node, kinds):
            return True
    return False


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
