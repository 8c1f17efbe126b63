"""What the documentation says runs, and what it links to exists."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "guides").glob("*.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
EXTERNAL = ("http://", "https://", "mailto:")

# Packages and modules whose public names the documentation is to mention.
DOCUMENTED = [
    "neuraleig",
    "neuraleig.affinity",
    "neuraleig.reading",
    "neuraleig.eigenfunctions",
    "neuraleig.metrics",
    "neuraleig.networks",
    "neuraleig.novelty",
    "neuraleig.objectives",
    "neuraleig.onnx",
    "neuraleig.persistence",
    "neuraleig.plotting",
    "neuraleig.report",
    "neuraleig.sampling",
    "neuraleig.segmentation",
    "neuraleig.spectrum",
    "neuraleig.training",
]


def page_id(page):
    return page.relative_to(ROOT).as_posix()


def python_blocks(text):
    """Source of every Python block, at the line where it stands in the page."""
    for block in FENCE.finditer(text):
        if block.group(1) == "python":
            above = text.count("\n", 0, block.start(2))
            yield "\n" * above + block.group(2)


def anchors(text):
    """Fragments of the headings of a page, as code hosts make them."""
    prose = FENCE.sub("", text)
    for heading in HEADING.findall(prose):
        kept = re.sub(r"[^\w\- ]", "", heading.lower())
        yield kept.replace(" ", "-")


def links(text):
    """Targets of the links of a page that point into the repository."""
    prose = FENCE.sub("", text)
    return [found for found in LINK.findall(prose) if not found.startswith(EXTERNAL)]


WITH_PYTHON = [page for page in PAGES if any(python_blocks(page.read_text("utf-8")))]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=page_id)
def test_python_runs(page, tmp_path, monkeypatch):
    """Blocks of one page share a namespace, in their order."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    namespace = {"__name__": "__main__"}
    for block in python_blocks(page.read_text("utf-8")):
        exec(compile(block, page_id(page), "exec"), namespace)


def command_blocks(text):
    """Blocks of Python, and blocks of text that are commands, as page has them."""
    for block in FENCE.finditer(text):
        lines = block.group(2).splitlines()
        if block.group(1) == "python":
            yield "python", [block.group(2)]
        elif block.group(1) == "text" and lines[0].startswith("neuraleig "):
            yield "text", lines


@pytest.mark.parametrize(
    ("name", "least"), [("command_line.md", 16), ("guides/customers.md", 3)]
)
def test_commands_run(shell, capsys, name, least):
    """Commands of a page that is about them, in their order and in one folder."""
    page = ROOT / "docs" / name
    n_commands, namespace = 0, {}
    for kind, parts in command_blocks(page.read_text("utf-8")):
        for part in parts:
            if kind == "python":
                exec(compile(part, page_id(page), "exec"), namespace)
                continue
            assert shell(part)[0] == 0, (part, capsys.readouterr().err)
            n_commands += 1
    assert n_commands >= least


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_resolve(page):
    for link in links(page.read_text("utf-8")):
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page_id(page)} links to {link}"
        assert target.is_relative_to(ROOT), f"{page_id(page)} links out: {link}"
        if fragment:
            assert fragment in anchors(target.read_text("utf-8")), link


def test_files_that_contributing_names_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = re.findall(r"`((?:neuraleig|tests|docs)/[\w/]+\.\w+)`", text)
    assert len(named) > 40
    # Of a file that is to be added, which is called after its "name", the folder.
    paths = [ROOT / path for path in named]
    needed = [path.parent if "name" in path.stem else path for path in paths]
    assert [str(path) for path in needed if not path.exists()] == []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.parent != ROOT], ids=page_id
)
def test_the_index_leads_to_every_page(page):
    index = ROOT / "docs" / "index.md"
    path = page.relative_to(index.parent).as_posix()
    assert page == index or path in links(index.read_text("utf-8"))


@pytest.mark.parametrize("module", DOCUMENTED)
def test_public_names_are_documented(module):
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    public = set(import_module(module).__all__) - {"__version__"}
    missing = {name for name in public if not re.search(rf"\b{name}\b", text)}
    assert not missing, f"no page mentions these names of {module}: {missing}"


def test_every_public_package_is_listed_above():
    package = ROOT / "neuraleig"
    found = {
        f"neuraleig.{path.parent.name}"
        for path in package.glob("*/__init__.py")
        if path.parent.name[0] != "_"
    }
    # Their names are those of the package itself.
    assert found - {"neuraleig.estimators"} <= set(DOCUMENTED)


def test_the_checks_see_what_they_look_for():
    text = "# A `b` c\n```python\nx = 1\n```\n[p](#a-b-c) [w](https://e.org)\n"
    assert [block.strip() for block in python_blocks(text)] == ["x = 1"]
    assert next(python_blocks(text)).startswith("\n\nx")
    assert list(anchors(text)) == ["a-b-c"]
    assert links(text) == ["#a-b-c"]
