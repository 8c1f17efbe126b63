"""The only module that imports jinja2: the page from its template."""

from __future__ import annotations

import base64
import hashlib
import math
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
# Most letters of the text of a row.
MAX_EXCERPT = 280
# Numbers from here on have no decimals, and from here on an exponent.
WHOLE, EXACT = 1e4, 1e15
# Most decimals without an exponent, and the share of their scale below which numbers
# with more are 0.
MOST_DECIMALS, NOTHING = 6, 0.005
# Text of a number that is missing.
NO_NUMBER = "\N{EN DASH}"
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


def shown(text: object, n_letters: int = MAX_LETTERS) -> str:
    """Return the text in one line, cut to so many letters."""
    line = " ".join(written(text).split())
    return line if len(line) <= n_letters else f"{line[: n_letters - 1]}…"


def excerpt(text: object) -> str:
    """Return the beginning of the text of a row in one line."""
    return shown(text, MAX_EXCERPT)


def number_text(value: float, scale: float = 0.0) -> str:
    """Return a number with four significant digits, or an integer with all digits.

    With the standard deviation of such numbers as ``scale``, the decimals are those of
    two digits of it, equal for all of them.
    """
    number = float(value)
    if not math.isfinite(number):
        return NO_NUMBER
    if 0 < scale < math.inf:
        decimals = max(0, 1 - math.floor(math.log10(scale)))
        if decimals <= MOST_DECIMALS and abs(number) < EXACT:
            # Adding 0 turns -0 to 0.
            return f"{round(number, decimals) + 0.0:,.{decimals}f}"
        number = 0.0 if abs(number) < NOTHING * scale else number
    size = abs(number)
    if (number.is_integer() or size >= WHOLE) and size < EXACT:
        # Not -0, either.
        return f"{round(number):,}"
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
        "excerpt": excerpt,
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
