"""What pages about rows and about images have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuraleig._words import count_text, share_text, suggestion
from neuraleig.plotting._curves import NO_STEPS
from neuraleig.report._confidence import Confidences
from neuraleig.report._figures import confidence_svg, sizes_svg, spectrum_svg
from neuraleig.report._figures import training_svg as drawn_training
from neuraleig.report._page import markup
from neuraleig.segmentation.outputs import label_colors


def cluster_entries(
    confidences: Confidences, names: Mapping[int, str]
) -> list[dict[str, Any]]:
    """Number, colour, name, size and confidence of every cluster.

    Parameters
    ----------
    confidences : Confidences
        Of the clusters.
    names : mapping of int to str
        Names of some.

    Returns
    -------
    entries : list of dict
        One per cluster.
    """
    sizes, means = confidences.sizes, confidences.means
    colors = label_colors(sizes.size)
    return [
        {
            "number": cluster,
            "name": names.get(cluster, ""),
            "color": f"#{bytes(colors[cluster]).hex()}",
            "size": f"{sizes[cluster]:,}",
            "share": share_text(float(sizes[cluster] / sizes.sum())),
            "confidence": (
                "" if np.isnan(means[cluster]) else share_text(float(means[cluster]))
            ),
        }
        for cluster in range(sizes.size)
    ]


def sizes_entry(confidences: Confidences, unit: str, source: str) -> dict[str, Any]:
    """Figure of the sizes, their sum, and what there is to say of them.

    What is counted is called by ``unit``, in its singular, and comes from ``source``.
    """
    sizes = confidences.sizes
    n_empty = int(np.count_nonzero(sizes == 0))
    total = count_text(int(sizes.sum()), unit)
    note = f"{total} of {source} in {count_text(sizes.size, 'cluster')}."
    if n_empty:
        note = f"{note} {n_empty} of these have none."
    return {
        "svg": markup(sizes_svg(sizes)),
        "note": note,
        "total": f"{sizes.sum():,}",
        "share": share_text(1.0),
    }


def confidence_entry(confidences: Confidences, what: str) -> dict[str, Any]:
    """Figure of the largest probabilities, and what there is to say of them."""
    n_all = int(confidences.sizes.sum())
    doubtful = "none"
    if confidences.n_doubtful:
        doubtful = share_text(confidences.n_doubtful / n_all)
    mean = share_text(confidences.mean)
    return {
        "svg": markup(confidence_svg(confidences.histogram, what.capitalize())),
        "mean": mean,
        "note": (
            f"The probability of the cluster that {what} are put into is {mean} in the "
            f"mean; of {doubtful} it is below 50 %. It says how the model decides, and "
            "not how often it is right."
        ),
    }


def spectrum_entry(step: Any) -> dict[str, Any]:  # noqa: ANN401 - estimator
    """Figure of the eigenvalues, and what their gap suggests."""
    note = "Eigenvalues of the graph of the fit, that of the constant first."
    suggested = suggestion(getattr(step, "suggested_n_clusters_", None))
    if suggested is not None:
        note = (
            f"{note} The largest gap comes after {suggested}, which suggests so many "
            "clusters."
        )
    return {"svg": markup(spectrum_svg(step)), "note": note}


def training_entry(step: Any) -> dict[str, Any] | None:  # noqa: ANN401 - estimator
    """Figure of the losses; a sentence where there was no step."""
    losses = getattr(step, "loss_curve_", None)
    if losses is None:
        return None
    if not len(losses):
        return {"svg": "", "note": " ".join(NO_STEPS["fine_tuning"].split())}
    note = f"Loss of {count_text(len(losses), 'step')} of fine-tuning."
    return {"svg": markup(drawn_training(step)), "note": note}
