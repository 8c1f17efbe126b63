"""Displays look as they did when somebody looked at them."""

from functools import partial

import matplotlib as mpl
import pytest
import reference_pictures as reference
from matplotlib.image import imsave


@pytest.mark.parametrize("name", reference.PICTURES)
def test_displays_look_as_they_did(name, tmp_path):
    found = reference.picture(reference.PICTURES[name])
    distance = reference.difference(found, reference.baseline(name))
    if distance > reference.TOLERANCE:
        imsave(tmp_path / f"{name}.png", found)
    assert distance <= reference.TOLERANCE, (
        f"{tmp_path / name}.png differs from {reference.BASELINES / name}.png by "
        f"{distance:.3f}; if it is right, run {reference.__file__}"
    )


CHANGES = {
    "spectrum": {"last": 0.45},
    "embedding": {"shift": 0.3},
    "cluster_curve": {"peak": 0.5},
    "cluster_sizes": {"counts": (5, 9, 0, 4)},
    "training": {"smoothing": 0.95},
    "segmentation": {"opacity": 0.8},
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_plot_is_seen(name):
    changed = reference.picture(partial(reference.PICTURES[name], **CHANGES[name]))
    distance = reference.difference(changed, reference.baseline(name))
    assert distance > 1.5 * reference.TOLERANCE


@pytest.mark.parametrize(
    "change",
    [lambda line: line.set_color("#3f90da"), lambda line: line.remove()],
    ids=["another colour", "a missing mark"],
)
def test_a_changed_mark_is_seen(change):
    def changed(ax):
        display = reference.spectrum(ax)
        change(display.gap_)
        change(display.suggestion_)
        return display

    distance = reference.difference(
        reference.picture(changed), reference.baseline("spectrum")
    )
    assert distance > 1.5 * reference.TOLERANCE


def test_other_letters_are_not_seen():
    with mpl.rc_context({"font.family": "monospace"}):
        found = reference.picture(reference.embedding)
    distance = reference.difference(found, reference.baseline("embedding"))
    assert distance <= reference.TOLERANCE


def test_there_is_a_small_baseline_of_every_picture_and_no_other():
    files = {path.stem: path for path in reference.BASELINES.glob("*")}
    assert set(files) == set(reference.PICTURES)
    assert all(path.stat().st_size < 30_000 for path in files.values())
