"""The pages of the gallery run, show figures, and are in the form of sphinx-gallery."""

import re
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGES = sorted((EXAMPLES / "gallery").glob("*.py"))
HEADER = re.compile(
    r'"""\n(?P<title>.+)\n(?P<line>=+)\n\n.+?\n"""\n\n# %%\n', re.DOTALL
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_begin_with_a_title_and_are_found_by_their_name(page):
    header = HEADER.match(page.read_text("utf-8"))
    assert header, f"{page.name} must begin with a title in reStructuredText"
    assert len(header["line"]) == len(header["title"].splitlines()[0])
    assert page.stem.startswith("plot_")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_run_and_show_figures(page, monkeypatch):
    shown = []

    def show():
        for number in plt.get_fignums():
            figure = plt.figure(number)
            figure.draw_without_rendering()
            shown.append(figure)
        plt.close("all")

    plt.switch_backend("Agg")
    monkeypatch.setattr(plt, "show", show)
    runpy.run_path(str(page), run_name="__main__")
    assert len(shown) >= 2
    # Whatever was drawn was shown.
    assert plt.get_fignums() == []


@pytest.mark.slow
def test_every_display_has_a_picture_in_the_documentation(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["plot_displays.py", "--out", str(tmp_path)])
    runpy.run_path(str(EXAMPLES / "plot_displays.py"), run_name="__main__")
    figures = EXAMPLES.parent / "docs" / "figures"
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {path.name for path in figures.glob("display_*")}
