"""Rows as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuraleig._typing import FloatArray, IntArray
from neuraleig._words import count_text, share_text
from neuraleig.plotting import EmbeddingDisplay
from neuraleig.plotting._checks import drawn_rows
from neuraleig.report._entries import cluster_entries
from neuraleig.report._figures import figure_svg
from neuraleig.report._rows import RowSummary
from neuraleig.report._statistics import separating_features, telling_features

# Difference in standard deviations that fills its bar.
FULL_BAR = 3.0
# Number of doubtful rows, features of each, and points of the plane.
N_DOUBTFUL, MAX_COLUMNS, MAX_POINTS = 10, 8, 1_000
# Most clusters in the legend of the plane.
MAX_NAMED = 28


def row_entries(
    summary: RowSummary,
    names: list[str],
    cluster_names: Mapping[int, str],
    n_exemplars: int,
    n_features: int,
) -> dict[str, Any]:
    """Return the variables of the template for clusters of rows."""
    differences = summary.moments.differences()
    source = count_text(len(names), "feature")
    entries = cluster_entries(summary.counts, cluster_names, "row", source)
    for cluster, entry in enumerate(entries["clusters"]):
        rows = summary.typical_rows(cluster, n_exemplars)
        entry["rows"] = summary.numbers[rows]
        entry["features"] = []
        if entry["size"]:
            entry["features"] = [
                _feature(summary, differences, names, cluster, feature, rows)
                for feature in telling_features(differences[cluster], n_features)
            ]
    n_seen = len(summary.rows)
    drawn = "all rows"
    if n_seen < summary.n_rows:
        drawn = f"{n_seen:,} rows drawn at random from {summary.n_rows:,}"
    entries["confidence"]["note"] += _novelty_note(summary)
    return entries | {
        "doubtful_rows": _doubtful(summary, differences, names, n_features, drawn),
        "doubtful_images": [],
        "clusters_note": (
            "For each cluster: the features whose means differ most from those of all "
            "rows, in standard deviations of all rows, and typical rows. Typical rows "
            "are nearest to the mean of the cluster, among the half of its rows with "
            f"the higher probability. They are chosen from {drawn}."
        ),
    }


def _novelty_note(summary: RowSummary) -> str:
    """Sentence about rows unlike the training rows, if the model knows any."""
    if summary.n_novel is None:
        return ""
    share = share_text(summary.n_novel / summary.n_rows) if summary.n_novel else "None"
    return (
        f" {share} of the rows are unlike the training rows; of rows like them "
        "1\u00a0% would be expected."
    )


def plane_entry(
    summary: RowSummary, eigenvalues: FloatArray, n_clusters: int, seed: int
) -> dict[str, Any] | None:
    """Return a figure of two eigenfunctions; ``None`` if all are constant."""
    n_rows, n_functions = summary.functions.shape
    if n_functions == 0:
        return None
    chosen = drawn_rows(n_rows, MAX_POINTS, seed)
    labels = summary.labels[chosen] if n_clusters > 1 else None
    svg = figure_svg(
        "plane",
        lambda ax: EmbeddingDisplay.from_predictions(
            summary.functions[chosen],
            labels,
            eigenvalues=eigenvalues[1 : n_functions + 1],
            label_order=np.arange(n_clusters),
            legend_title="Cluster",
            legend=n_clusters <= MAX_NAMED,
            subsample=None,
            ax=ax,
        ),
        height=4.2,
    )
    note = f"{count_text(chosen.size, 'row')}."
    if labels is not None:
        note += " Labels are computed from all eigenfunctions."
    return {"svg": svg, "note": note}


def _feature(
    summary: RowSummary,
    differences: FloatArray,
    names: list[str],
    cluster: int,
    feature: int,
    rows: IntArray,
) -> dict[str, Any]:
    difference = differences[cluster, feature]
    share = min(abs(difference) / FULL_BAR, 1.0)
    return {
        "name": names[feature],
        "mean": summary.moments.cluster_means[cluster, feature],
        "mean_of_all": summary.moments.means[feature],
        "difference": f"{difference:+.2f}",
        "side": "above" if difference >= 0 else "below",
        "width": f"{50 * share:.1f}",
        "cells": summary.rows[rows, feature],
    }


def _doubtful(
    summary: RowSummary,
    differences: FloatArray,
    names: list[str],
    n_features: int,
    drawn: str,
) -> dict[str, Any] | None:
    """Return the rows with the lowest probabilities, if there is a choice."""
    if differences.shape[0] < 2:
        return None
    most = min(n_features, MAX_COLUMNS)
    features = separating_features(differences, summary.counts.sizes, most)
    rows = []
    for row in summary.doubtful_rows(N_DOUBTFUL):
        probabilities = summary.probabilities[row]
        first, second = np.argsort(-probabilities, kind="stable")[:2]
        rows.append(
            {
                "number": summary.numbers[row],
                "label": first,
                "confidence": probabilities[first],
                "next": second,
                "next_confidence": probabilities[second],
                "cells": summary.rows[row, features],
            }
        )
    return {
        "rows": rows,
        "features": [names[feature] for feature in features],
        "note": (
            "Rows are numbered from 0. The features are those whose variance the "
            f"clusters explain best. The rows are chosen from {drawn}."
        ),
    }
