"""The one file that imports jinja2: from what is known to the text of a page."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from neuraleig._extras import missing

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = "templates"
# Of a name or a value; a page of a thousand lines about one name helps nobody.
MAX_LETTERS = 120
# What no text in HTML may have, and what cannot be written as UTF-8.
UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff￾￿]")


def require_jinja(caller: str) -> None:
    """Raise an error that names the extra to install where jinja2 is missing.

    Parameters
    ----------
    caller : str
        What needs it.

    Raises
    ------
    ImportError
        If jinja2 cannot be imported.
    """
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise ImportError(missing(caller, "jinja2", "plot")) from error


def rendered(content: dict[str, Any]) -> str:
    """Text of a page.

    Parameters
    ----------
    content : dict of str to object
        What the template asks for. Every text in it is escaped, but for the SVG of
        figures, which are ``Markup`` of :func:`markup`.

    Returns
    -------
    text : str
        HTML, to be written as UTF-8.
    """
    script = ""
    if content["has_names"]:
        script = _file("names.js")
    page: str = (
        _environment()
        .get_template("page.html")
        .render(
            **content,
            style=markup(_file("style.css")),
            script=markup(script),
            policy=_policy(script),
        )
    )
    return page


def markup(text: str) -> Any:  # noqa: ANN401 - Markup of markupsafe, a kind of str
    """Text that is HTML already, made by this program."""
    from markupsafe import Markup

    return Markup(text)


def written(text: object) -> str:
    """Text without what cannot be written, whole: for fields."""
    return UNWRITABLE.sub("�", str(text))


def shown(text: object) -> str:
    """Text to be read: in one line, and cut where it is too long."""
    line = " ".join(written(text).split())
    return line if len(line) <= MAX_LETTERS else f"{line[: MAX_LETTERS - 1]}…"


def jpeg_address(content: bytes) -> str:
    """Address of an image that is in the page itself."""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"


def _policy(script: str) -> str:
    """What a browser may load and run: nothing that is not in the page."""
    scripts = "'none'"
    if script:
        digest = hashlib.sha256(script.encode("utf-8")).digest()
        scripts = f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {scripts}; base-uri 'none'; form-action 'none'"
    )


def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.filters["written"] = written
    return environment


def _file(name: str) -> str:
    place = resources.files("neuraleig.report") / TEMPLATES / name
    return place.read_text(encoding="utf-8")
