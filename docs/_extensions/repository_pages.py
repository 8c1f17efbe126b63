"""Pages that are written for a code host, as Sphinx wants them.

- The sections of ``index.md`` are the tables of contents: the links of their lists, in
  their order.
- README, CONTRIBUTING and CHANGELOG lie outside of the documentation. They are copied
  into ``generated/`` before anything is read, and links lead to the copies.
- The title of a page is an entry of the index, which the search ranks first.
- Pages that no list names, reports of benchmarks, are allowed to stand alone.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The functions on text are tested where Sphinx is not installed.
    from sphinx.application import Sphinx

COPIES = {
    "README.md": "generated/readme.md",
    "CONTRIBUTING.md": "generated/contributing.md",
    "CHANGELOG.md": "generated/changes.md",
    "SECURITY.md": "generated/security.md",
}
# Written by Sphinx-Gallery: pages of the examples.
EXAMPLE = re.compile(r"examples/gallery/(\w+)\.(?:py|rst)")

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
SECTION = re.compile(r"^## +(.+?) *$", re.MULTILINE)
ITEM = re.compile(r"^- \[([^\]]+)\]\(([^)\s#]+)\)", re.MULTILINE)
TITLE = re.compile(r"^# +(.+?) *$", re.MULTILINE)
ARTICLE = re.compile(r"(?:the|an?) ")
ELSEWHERE = ("http://", "https://", "mailto:")


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Apply a change to a page, but not to its fenced blocks."""
    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [change(text[end : fence.start()]), fence.group()]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


def moved_links(text: str, source: str, destination: str) -> str:
    """Links of a page, as they have to be for Sphinx.

    Parameters
    ----------
    text : str
        The page, in Markdown.
    source, destination : str
        Where the page is, and where it will be read, from the root of the repository.

    Returns
    -------
    text : str
        The page with links that lead to the same files, or to what stands for them.
    """

    def moved(link: re.Match[str]) -> str:
        opening, path, fragment, closing = link.groups(default="")
        if path.startswith(ELSEWHERE):
            return link.group()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if target in COPIES:
            target = f"docs/{COPIES[target]}"
        elif example := EXAMPLE.fullmatch(target):
            page = "index" if example[1] == "README" else example[1]
            target = f"docs/gallery/{page}.rst"
        path = posixpath.relpath(target, posixpath.dirname(destination))
        return f"{opening}{path}{fragment}{closing}"

    return outside_code(text, lambda prose: LINK.sub(moved, prose))


def contents(text: str) -> str:
    """Hidden tables of contents, one per section of an index in Markdown.

    Parameters
    ----------
    text : str
        Page whose sections have lists of links.

    Returns
    -------
    text : str
        The page with the tables at its end.
    """
    headings = list(SECTION.finditer(text))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    tables = []
    for heading, end in zip(headings, ends, strict=True):
        entries = ITEM.findall(text[heading.end() : end])
        if entries:
            lines = [f"{title} <{path}>" for title, path in entries]
            options = [":hidden:", f":caption: {heading.group(1)}", ""]
            tables.append("\n".join(["```{toctree}", *options, *lines, "```"]))
    return "\n\n".join([text.rstrip(), *tables]) + "\n"


def with_index_entry(text: str) -> str:
    """A page with its title, without an article, as a main entry of the index.

    Parameters
    ----------
    text : str
        Page in Markdown.

    Returns
    -------
    text : str
        The page with the entry below its title.
    """
    title = TITLE.search(text)
    if title is None:
        return text
    subject = ARTICLE.sub("", re.sub(r"[^\w\s'+-]", "", title[1]).lower(), count=1)
    entry = f"\n\n```{{index}} ! {subject}\n```"
    return text[: title.end()] + entry + text[title.end() :]


def copy_pages(app: Sphinx) -> None:
    """Copy pages from outside, where they are not the same already."""
    docs = Path(app.srcdir)
    for name, copy in COPIES.items():
        text = (docs.parent / name).read_text("utf-8")
        text = moved_links(text, name, f"docs/{copy}")
        path = docs / copy
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def change_page(app: Sphinx, name: str, content: list[str]) -> None:
    """Links and contents of a page that is about to be read."""
    page = f"docs/{name}.md"
    if not (Path(app.srcdir) / f"{name}.md").exists() or name.startswith("generated/"):
        return
    text = moved_links(content[0], page, page)
    if name == app.config.root_doc:
        text = contents(text)
    if name.startswith("figures/"):
        text = f"---\norphan: true\n---\n\n{text}"
    elif name != app.config.root_doc:
        text = with_index_entry(text)
    content[0] = text


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    # Before Sphinx looks for the pages that there are.
    app.connect("builder-inited", copy_pages)
    app.connect("source-read", change_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
