"""The pages of the gallery run and show all the figures that they draw.

They are run by hand here (``-m slow``): the documentation, which is built with every
warning an error, runs each of them as well.
"""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGES = sorted((EXAMPLES / "gallery").glob("*.py"))


@pytest.mark.slow
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
    assert shown
    # Whatever was drawn was shown.
    assert plt.get_fignums() == []


@pytest.mark.slow
def test_every_display_has_a_picture_in_the_documentation(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["plot_displays.py", "--out", str(tmp_path)])
    runpy.run_path(str(EXAMPLES / "plot_displays.py"), run_name="__main__")
    figures = EXAMPLES.parent / "docs" / "figures"
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {path.name for path in figures.glob("display_*")}
