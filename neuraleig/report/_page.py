"""The only module that imports jinja2: the page from its template."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from neuraleig._extras import missing
from neuraleig._words import share_text
from neuraleig.segmentation.images._image_arrays import RGB
from neuraleig.segmentation.images._image_files import jpeg_bytes

if TYPE_CHECKING:
    from jinja2 import Environment

# Most letters of a name or value; longer ones are cut.
MAX_LETTERS = 120
# Integers from here on are written with an exponent.
EXACT = 1e15
# Characters that HTML forbids or UTF-8 cannot encode.
UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff￾￿]")


def require_jinja(caller: str) -> None:
    """Raise an ImportError that names the extra to install if jinja2 is missing."""
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise ImportError(missing(caller, "jinja2", "plot")) from error


def rendered(content: dict[str, Any]) -> str:
    """Return the HTML of a page; only results of :func:`markup` are not escaped."""
    script = _file("names.js") if content["has_names"] else ""
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
    """Mark text as HTML that must not be escaped."""
    from markupsafe import Markup

    return Markup(text)


def written(text: object) -> str:
    """Return the whole text, with forbidden characters replaced."""
    return UNWRITABLE.sub("�", str(text))


def shown(text: object) -> str:
    """Return the text in one line, cut to 120 letters."""
    line = " ".join(written(text).split())
    return line if len(line) <= MAX_LETTERS else f"{line[: MAX_LETTERS - 1]}…"


def number_text(value: float) -> str:
    """Return a number with four significant digits, or an integer with all digits."""
    number = float(value)
    if number.is_integer() and abs(number) < EXACT:
        return f"{int(number):,}"
    return f"{number:,.4g}"


def _jpeg_address(picture: RGB) -> str:
    """Return the address of a picture that is stored in the page itself."""
    encoded = base64.b64encode(jpeg_bytes(picture)).decode("ascii")
    return f"data:image/jpeg;base64,{encoded}"


def _policy(script: str) -> str:
    """Return the content security policy: nothing from outside of the page."""
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
    environment.filters |= {
        "jpeg": _jpeg_address,
        "number": number_text,
        "share": share_text,
        "shown": shown,
        "written": written,
    }
    return environment


def _file(name: str) -> str:
    place = resources.files("neuraleig.report") / "templates" / name
    return place.read_text(encoding="utf-8")
