"""Tables of segments.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import report

CLIPS_TITLE = (
    "Mean IoU on clips; by how much it exceeds that of k-means, seed by seed, and on "
    "how many clips:"
)

SINGLE_TITLE = "Clusters of which a single picture has nine tenths, mean over seeds:"

STAGES_TITLE = (
    "Mean IoU by stage, by the classes of tokens; the first three on halves of the "
    "pictures of the fit, by the map of the other half, before labels of pixels:"
)

Found = dict[str, Any]


def tables(found: list[Found], baseline_name: str) -> list[str]:
    """Means and deviations over seeds, by method and number of clusters."""
    sizes = sorted({f["k"] for f in found})
    header = ["method", *(f"{k} clusters" for k in sizes)]
    compared = [f for f in found if f["method"] == baseline_name]
    baseline = {(f["k"], f["seed"]): f["clips"] for f in compared}
    by_frames, by_clip, single = [], [], []
    for method in dict.fromkeys(f["method"] for f in found):
        known = [f for f in found if f["method"] == method]
        own = [[f for f in known if f["k"] == k] for k in sizes]
        for kind, name in (("plain", method), ("refined", f"{method} + refined")):
            by_frames.append([name, *(frames_cell([f[kind] for f in o]) for o in own)])
        others = {} if method == baseline_name else baseline
        by_clip.append([method, *(clips_cell(o, others) for o in own)])
        single.append([method, *(single_cell(o) for o in own)])
    made = [report.markdown(header, by_frames)]
    made += [SINGLE_TITLE, report.markdown(header, single)]
    if any(f["clips"] for f in found):
        made += [CLIPS_TITLE, report.markdown(header, by_clip)]
    staged = [f for f in found if "stages" in f]
    if staged:
        rows = [
            [stage, *(stage_cell(staged, stage, k) for k in sizes)]
            for stage in staged[0]["stages"]
        ]
        made += [STAGES_TITLE, report.markdown(["stage", *header[1:]], rows)]
    return made


def stage_cell(found: list[Found], stage: str, k: int) -> str:
    """Mean IoU of one stage, its deviation over seeds, and seeds."""
    values = 100 * np.array([f["stages"][stage] for f in found if f["k"] == k])
    if not values.size:
        return ""
    return f"{values.mean():.1f} ± {values.std():.1f} ({values.size})"


def frames_cell(scores: list[list[float]]) -> str:
    """Pixel accuracy / mean IoU, the deviation of the latter, and seeds."""
    if not scores:
        return ""
    values = 100 * np.array(scores)
    accuracy, iou = values.mean(axis=0)
    return f"{accuracy:.1f} / {iou:.1f} ± {values[:, 1].std():.1f} ({len(values)})"


def clips_cell(found: list[Found], baseline: dict[tuple[int, int], list[float]]) -> str:
    """Mean IoU, its deviation over seeds, seeds, and how it compares."""
    if not found or not found[0]["clips"]:
        return ""
    means = 100 * np.array([f["clips"] for f in found]).mean(axis=1)
    cell = f"{means.mean():.1f} ± {means.std():.1f} ({len(means)})"
    pairs = [(f["clips"], baseline.get((f["k"], f["seed"]))) for f in found]
    gains = [np.subtract(own, other) for own, other in pairs if other]
    if not gains:
        return cell
    gain = 100 * np.mean(gains, axis=0)
    return f"{cell}, {gain.mean():+.1f}, {(gain > 0).sum()} of {gain.size}"


def single_cell(found: list[Found]) -> str:
    """Clusters of a single picture."""
    return f"{np.mean([f['single'] for f in found]):.1f}" if found else ""
