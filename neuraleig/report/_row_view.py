"""Rows as a page shows them."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuraleig._typing import FloatArray, IntArray
from neuraleig._words import count_text, share_text
from neuraleig.report._exemplars import doubtful_rows, runner_up, typical_rows
from neuraleig.report._figures import plane_svg
from neuraleig.report._model import number_text
from neuraleig.report._moments import separating_features, telling_features
from neuraleig.report._page import markup
from neuraleig.report._row_summary import InspectedRows, RowSummary
from neuraleig.report._shared_view import cluster_entries, confidence_entry, sizes_entry

# Differences in deviations that fill their bar.
FULL_BAR = 3.0
# Rows in doubt that are listed, and points of a plane, which one can still tell apart.
N_DOUBTFUL, MAX_POINTS = 10, 1_000
# Features of a row in doubt: they stand side by side.
MAX_COLUMNS = 8


def row_entries(
    summary: RowSummary, names: list[str], n_exemplars: int, n_features: int
) -> dict[str, Any]:
    """What the template asks for about clusters of rows.

    Parameters
    ----------
    summary : RowSummary
        What is known.
    names : list of str
        Of the features.
    n_exemplars, n_features : int
        Rows and features of a cluster to be shown, at most.

    Returns
    -------
    entries : dict of str to object
        By name.
    """
    found = summary.confidences
    differences = summary.moments.differences()
    clusters = cluster_entries(found, {})
    for cluster, entry in enumerate(clusters):
        if found.sizes[cluster] == 0:
            entry |= {"features": [], "rows": []}
            continue
        rows = typical_rows(summary.inspected, summary.moments, cluster, n_exemplars)
        features = telling_features(differences[cluster], n_features)
        entry["rows"] = [f"row {summary.inspected.numbers[row]:,}" for row in rows]
        entry["features"] = [
            _feature(summary, differences, names, cluster, feature, rows)
            for feature in features
        ]
    n_seen = len(summary.inspected.rows)
    sizes = sizes_entry(found, "row", count_text(len(names), "feature"))
    return {
        "clusters": clusters,
        "unit": "Rows",
        "sizes": sizes,
        "subject": sizes["note"].rstrip("."),
        "confidence": confidence_entry(found, "rows"),
        "doubtful_rows": _doubtful(summary, differences, names, n_features),
        "doubtful_images": [],
        "clusters_note": (
            "Features in which a cluster differs most from all rows, in deviations of "
            "all rows, and rows that are typical: the nearest to the mean of the "
            f"cluster among its surer half. {_looked_at(summary.n_rows, n_seen)}"
        ),
    }


def plane_entry(
    inspected: InspectedRows,
    eigenvalues: FloatArray,
    n_clusters: int,
    seed: int,
) -> dict[str, Any] | None:
    """Rows in the plane of two eigenfunctions.

    Parameters
    ----------
    inspected : InspectedRows
        Rows, of which some are drawn.
    eigenvalues : ndarray of shape (n_components,)
        That of the constant first.
    n_clusters : int
        Number of clusters, 1 for an embedding.
    seed : int
        Seed of the draw.

    Returns
    -------
    entry : dict of str to object, or None
        Figure and note; ``None`` where there is but the constant function.
    """
    n_rows, n_functions = inspected.functions.shape
    if n_functions == 0:
        return None
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.permutation(n_rows)[:MAX_POINTS])
    labels = inspected.labels[chosen] if n_clusters > 1 else None
    drawn, drawn_values = inspected.functions[chosen], eigenvalues[1 : n_functions + 1]
    svg = plane_svg(drawn, drawn_values, labels, n_clusters)
    note = f"{count_text(chosen.size, 'row')}."
    if labels is not None:
        note = f"{note} Labels are read off all eigenfunctions, not off two."
    return {"svg": markup(svg), "note": note}


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
        "mean": number_text(summary.moments.cluster_means[cluster, feature]),
        "mean_of_all": number_text(summary.moments.means[feature]),
        "difference": f"{difference:+.2f}",
        "side": "above" if difference >= 0 else "below",
        "width": f"{50 * share:.1f}",
        "cells": [number_text(summary.inspected.rows[row, feature]) for row in rows],
    }


def _doubtful(
    summary: RowSummary, differences: FloatArray, names: list[str], n_features: int
) -> dict[str, Any] | None:
    if differences.shape[0] < 2:
        return None
    inspected = summary.inspected
    most = min(n_features, MAX_COLUMNS)
    sizes = summary.confidences.sizes
    features = separating_features(differences, sizes, most)
    rows = []
    for row in doubtful_rows(inspected, N_DOUBTFUL):
        probabilities = inspected.probabilities[row]
        second = runner_up(probabilities)
        assert second is not None
        rows.append(
            {
                "number": f"{inspected.numbers[row]:,}",
                "label": int(inspected.labels[row]),
                "confidence": share_text(float(inspected.confidences[row])),
                "next": f"{second} ({share_text(float(probabilities[second]))})",
                "cells": [number_text(inspected.rows[row, f]) for f in features],
            }
        )
    return {
        "rows": rows,
        "features": [names[feature] for feature in features],
        "note": (
            "Rows are counted from 0. The features are those of which the clusters "
            "explain the largest share of the variance. "
            f"{_looked_at(summary.n_rows, len(inspected.rows))}"
        ),
    }


def _looked_at(n_rows: int, n_seen: int) -> str:
    if n_seen == n_rows:
        return "They are chosen among all rows."
    return f"They are chosen among {n_seen:,} rows that were drawn of {n_rows:,}."
