"""Names in docstrings, as Sphinx wants them.

A docstring calls things of the package by their short names, wherever these are
public. Sphinx knows a short name in its own module only, so that others are looked for
here; one that is missing or ambiguous stays a warning. Methods that scikit-learn
generates for every estimator are left to its documentation.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

ANYWHERE = 1  # search mode of the domain: any name that ends with this one
GENERATED = re.compile(r"set_\w+_request")


def find_short_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.reference | None:
    """Link of a reference that has not been found, or None."""
    if node.get("refdomain") != "py":
        return None
    domain = env.get_domain("py")
    kind = None if node["reftype"] == "obj" else node["reftype"]
    found = {
        entry.node_id: entry
        for name, entry in domain.find_obj(
            env, None, None, node["reftarget"], kind, ANYWHERE
        )
        if name.startswith("neuraleig.")
    }
    if len(found) != 1:
        return None
    (entry,) = found.values()
    return make_refnode(
        app.builder, node["refdoc"], entry.docname, entry.node_id, content
    )


def skip_generated(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: object
) -> bool | None:
    """Whether a member is left out; None where that is for others to say."""
    return True if GENERATED.fullmatch(name) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("missing-reference", find_short_name)
    app.connect("autodoc-skip-member", skip_generated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
