"""What Sphinx makes of pages that are written for a code host.

The build itself, with every warning an error, is a step of ``.ci/run``.
"""

import ast
import re
import sys

import pytest
from test_docs import PAGES, ROOT

GALLERY = sorted((ROOT / "examples" / "gallery").glob("plot_*.py"))


@pytest.fixture(scope="module")
def pages():
    """The extension, which imports Sphinx for its types alone."""
    folder = str(ROOT / "docs" / "_extensions")
    sys.path.insert(0, folder)
    yield __import__("repository_pages")
    sys.path.remove(folder)


def test_links_to_pages_outside_lead_to_their_copies(pages):
    text = "[a](../README.md#x) [b](faq.md) [c](../examples/x.py) [d](https://e.org)"
    moved = pages.moved_links(text, "docs/index.md", "docs/index.md")
    assert moved == (
        "[a](generated/readme.md#x) [b](faq.md) [c](../examples/x.py) [d](https://e.org)"
    )


def test_links_of_a_copy_lead_where_those_of_the_page_did(pages):
    text = "![f](docs/figures/f.png) [a](docs/faq.md#q) [b](CHANGELOG.md) [c](LICENSE)"
    moved = pages.moved_links(text, "README.md", "docs/generated/readme.md")
    assert moved == (
        "![f](../figures/f.png) [a](../faq.md#q) [b](changes.md) [c](../../LICENSE)"
    )


def test_links_to_examples_lead_to_their_pages(pages):
    text = "[a](../examples/gallery/README.rst) [b](../examples/gallery/plot_a.py)"
    moved = pages.moved_links(text, "docs/faq.md", "docs/faq.md")
    assert moved == "[a](gallery/index.rst) [b](gallery/plot_a.rst)"


def test_code_and_fragments_alone_are_left_as_they_are(pages):
    text = "[a](#b)\n```text\n[a](../README.md)\n```\n"
    assert pages.moved_links(text, "docs/faq.md", "docs/faq.md") == text


def test_the_lists_of_the_index_are_its_contents(pages):
    text = "# T\n[no](no.md)\n## One\n- [A a](a.md): x\n- [B](b/c.md).\n## Two\nText\n"
    assert pages.contents(text) == (
        text
        + "\n```{toctree}\n:hidden:\n:caption: One\n\nA a <a.md>\nB <b/c.md>\n```\n"
    )


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("The number of clusters", "number of clusters"),
        ("From `a.b`: c, d", "from ab c d"),
    ],
)
def test_the_title_is_a_main_entry_of_the_index(pages, title, subject):
    text = pages.with_index_entry(f"# {title}\n\nText.\n")
    assert text == f"# {title}\n\n```{{index}} ! {subject}\n```\n\nText.\n"


def test_one_page_is_called_the_number_of_clusters():
    """The search ranks titles without their article first, as entries of the index."""
    titles = {page: page.read_text("utf-8").splitlines()[0] for page in PAGES}
    named = [page.name for page, title in titles.items() if "umber of clus" in title]
    assert named == ["number_of_clusters.md"]
    assert titles[ROOT / "docs/number_of_clusters.md"] == "# The number of clusters"


def test_names_in_code_are_linked_where_they_are_unambiguous():
    names = __import__("linked_names").unique_names(
        [
            ("p.Model", "class", "a", "p.Model"),
            ("p.Model.fit", "method", "a", "p.Model.fit"),
            ("p.fit", "module", "b", "p.fit"),
            ("p.parts", "module", "b", "p.parts"),
            ("p.q.load", "function", "c", "p.q.load"),
            ("p.r.scale", "function", "c", "p.r.scale"),
            ("p.s.scale", "function", "c", "p.s.scale"),
            ("p.size", "data", "c", "p.size"),
        ]
    )
    assert set(names) == {
        *("Model", "p.Model", "Model.fit", "p.Model.fit", "p.fit", "p.parts"),
        *("load", "q.load", "p.q.load", "r.scale", "p.r.scale", "s.scale", "p.s.scale"),
    }
    assert names["Model.fit"] == ("a", "p.Model.fit")


def test_every_page_outside_that_is_linked_to_has_a_copy(pages):
    """Sphinx would take a link to another Markdown file for a page, and fail."""
    for page in (page for page in PAGES if page.parent != ROOT):
        up = re.escape("../" * (len(page.relative_to(ROOT).parts) - 1))
        outside = re.findall(
            rf"\]\({up}(\w[\w/]*\.(?:md|rst))", page.read_text("utf-8")
        )
        assert set(outside) <= {*pages.COPIES, "examples/gallery/README.rst"}, page.name


def test_there_are_examples():
    assert len(GALLERY) >= 8


@pytest.mark.parametrize("example", GALLERY, ids=lambda path: path.stem)
def test_examples_have_a_title_parts_and_a_figure(example):
    """They are run by the build; here is what it does not look at."""
    source = example.read_text("utf-8")
    title = ast.get_docstring(ast.parse(source)).splitlines()
    assert re.fullmatch("=+", title[1]) and len(title[1]) == len(title[0])
    parts = source.split("\n# %%\n")[1:]
    assert len(parts) >= 2, "split it, and say what is seen"
    assert all(part.startswith("# ") for part in parts), "each part begins with text"
    assert any("plt.show()" in part for part in parts)
