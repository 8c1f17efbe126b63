"""Variables of the template that pages of rows and of images have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuraleig._words import count_text, share_text, suggestion
from neuraleig.plotting._curves import NO_STEPS
from neuraleig.report._figures import (
    confidence_svg,
    sizes_svg,
    spectrum_svg,
    training_svg,
)
from neuraleig.report._statistics import Confidences
from neuraleig.segmentation.outputs import label_colors


def cluster_entries(
    counts: Confidences, names: Mapping[int, str], unit: str, source: str
) -> dict[str, Any]:
    """Return clusters, their sizes and their probabilities.

    Parameters
    ----------
    counts : Confidences
        Sizes and probabilities.
    names : mapping of int to str
        Names of clusters; may leave some out.
    unit : {"row", "pixel"}
        What is counted.
    source : str
        Where the rows or pixels come from.
    """
    sizes, means = counts.sizes, counts.means
    colors = label_colors(sizes.size)
    clusters = [
        {
            "number": cluster,
            "name": names.get(cluster, ""),
            "color": f"#{bytes(colors[cluster]).hex()}",
            "size": int(sizes[cluster]),
            "share": float(sizes[cluster] / sizes.sum()),
            "confidence": None if np.isnan(means[cluster]) else float(means[cluster]),
        }
        for cluster in range(sizes.size)
    ]
    total = int(sizes.sum())
    n_empty = int(np.count_nonzero(sizes == 0))
    subject = (
        f"{count_text(total, unit)} of {source} in {count_text(sizes.size, 'cluster')}"
    )
    empty = f" {count_text(n_empty, 'cluster')} without {unit}s." if n_empty else ""
    doubtful = "none"
    if counts.n_doubtful:
        doubtful = share_text(counts.n_doubtful / total)
    return {
        "clusters": clusters,
        "subject": subject,
        "unit": f"{unit}s".capitalize(),
        "total": total,
        "sizes": {"svg": sizes_svg(sizes), "note": f"{subject}.{empty}"},
        "confidence": {
            "svg": confidence_svg(counts.histogram, f"{unit}s".capitalize()),
            "mean": counts.mean,
            "note": (
                "The mean probability of the assigned cluster is "
                f"{share_text(counts.mean)}; for {doubtful} of the {unit}s it is below "
                "50\u00a0%. It measures how clearly the model decides, not how often "
                "it is correct."
            ),
        },
    }


def spectrum_entry(step: Any) -> dict[str, Any]:  # noqa: ANN401 - estimator
    """Return a figure of the eigenvalues, and the number of clusters they suggest."""
    note = "Eigenvalues of the training graph, from that of the constant function on."
    suggested = suggestion(getattr(step, "suggested_n_clusters_", None))
    if suggested is not None:
        note += (
            f" The largest gap follows eigenvalue {suggested}, which suggests "
            f"{count_text(suggested, 'cluster')}."
        )
    return {"svg": spectrum_svg(step), "note": note}


def training_entry(step: Any) -> dict[str, Any] | None:  # noqa: ANN401 - estimator
    """Return a figure of the losses, or a sentence if there was no step."""
    losses = getattr(step, "loss_curve_", None)
    if losses is None:
        return None
    if not len(losses):
        return {"svg": "", "note": " ".join(NO_STEPS["fine_tuning"].split())}
    note = f"Loss of {count_text(len(losses), 'step')} of fine-tuning."
    return {"svg": training_svg(step), "note": note}
