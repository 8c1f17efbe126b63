"""Rows as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuraleig._typing import FloatArray, IntArray
from neuraleig._words import count_text, share_text
from neuraleig.plotting import ClusterMapDisplay
from neuraleig.plotting._checks import drawn_rows
from neuraleig.report._columns import MOST_VALUES
from neuraleig.report._entries import cluster_entries
from neuraleig.report._figures import figure_svg
from neuraleig.report._page import shown
from neuraleig.report._rows import RowSummary
from neuraleig.report._statistics import separating_features, telling_features

# Differences in standard deviations that fill a bar, and have the strongest colour.
FULL_BAR, FULL_COLOR = 3.0, 2.0
# Opacity of the strongest colour, on which text is legible in light and dark.
MOST_OPAQUE = 0.5
# Number of doubtful rows, features of each, and points of the map.
N_DOUBTFUL, MAX_COLUMNS, MAX_POINTS = 10, 8, 1_000
# Most clusters in the legend of the map.
MAX_NAMED = 28
# Words of a cluster, groups of near-duplicates, and rows of each.
N_WORDS, N_GROUPS, N_EQUAL = 10, 5, 6
# Most names of columns that a sentence lists.
MAX_LISTED = 8


def row_entries(
    summary: RowSummary,
    cluster_names: Mapping[int, str],
    n_exemplars: int,
    n_features: int,
) -> dict[str, Any]:
    """Return the variables of the template for clusters of rows."""
    profile = summary.profile
    differences = profile.differences()
    source = _source(summary)
    entries = cluster_entries(summary.counts, cluster_names, "row", source)
    keywords = summary.keywords and summary.keywords.keywords(N_WORDS)
    for cluster, entry in enumerate(entries["clusters"]):
        rows = summary.typical_rows(cluster, n_exemplars)
        entry["rows"] = [_row(summary, row) for row in rows]
        entry["keywords"] = keywords[cluster] if keywords else []
        entry["duplicates"] = _duplicates(summary, cluster)
        ranked = profile.varying(telling_features(differences[cluster]))
        entry["features"] = [
            _feature(summary, differences, cluster, feature, rows)
            for feature in ranked[: n_features if entry["size"] else 0]
        ]
    drawn = _drawn(summary)
    entries["confidence"]["note"] += _novelty_note(summary)
    return entries | {
        "profile": _profile(summary, differences, n_features),
        "has_texts": summary.texts is not None,
        "doubtful_rows": _doubtful(summary, differences, n_features, drawn),
        "doubtful_images": [],
        "clusters_note": _clusters_note(summary, drawn),
    }


def _source(summary: RowSummary) -> str:
    """What the rows are made of, in words."""
    names = summary.profile.columns.names
    return count_text(len(names), "feature") if names else "text"


def _drawn(summary: RowSummary) -> str:
    n_seen = len(summary.cells)
    if n_seen == summary.n_rows:
        return "all rows"
    return f"{n_seen:,} rows drawn at random from {summary.n_rows:,}"


def _clusters_note(summary: RowSummary, drawn: str) -> str:
    if not summary.profile.columns.names:
        return (
            "Typical rows are nearest to the mean of the cluster by their "
            "eigenfunctions, among the half of its rows with the higher probability. "
            f"They and near-duplicates are chosen from {drawn}."
        )
    return (
        "For each cluster: the features whose means differ most from those of all "
        "rows, in standard deviations of all rows, and typical rows. Typical rows "
        "are nearest to the mean of the cluster, among the half of its rows with "
        f"the higher probability. They, medians and near-duplicates are of {drawn}."
    )


def _novelty_note(summary: RowSummary) -> str:
    """Sentence about rows unlike the training rows, if the model knows any."""
    if summary.n_novel is None:
        return ""
    share = share_text(summary.n_novel / summary.n_rows) if summary.n_novel else "None"
    return (
        f" {share} of the rows are unlike the training rows; of rows like them "
        "1\u00a0% would be expected."
    )


def map_entry(summary: RowSummary, n_clusters: int, seed: int) -> dict[str, Any] | None:
    """Return a map of all eigenfunctions; ``None`` if all are constant."""
    n_rows, n_functions = summary.functions.shape
    if n_functions == 0:
        return None
    chosen = drawn_rows(n_rows, MAX_POINTS, seed)
    labels = summary.labels[chosen] if n_clusters > 1 else None
    svg = figure_svg(
        "map",
        lambda ax: ClusterMapDisplay.from_predictions(
            summary.functions[chosen],
            labels,
            label_order=np.arange(n_clusters),
            legend_title="Cluster",
            legend=n_clusters <= MAX_NAMED,
            subsample=None,
            random_state=seed,
            ax=ax,
        ),
        height=4.2,
    )
    note = (
        f"{count_text(chosen.size, 'row')}, laid out so that rows with similar "
        f"eigenfunctions ({n_functions} of them) are near each other. Distances "
        "between clusters and their areas have no meaning."
    )
    return {"svg": svg, "note": note}


def _row(summary: RowSummary, row: int) -> dict[str, Any]:
    """Return the number, the name and the text of a row of the sample."""
    names, texts = summary.row_names, summary.texts
    return {
        "number": summary.numbers[row],
        "name": "" if names is None else names[row],
        "text": "" if texts is None else texts[row],
    }


def _duplicates(summary: RowSummary, cluster: int) -> dict[str, Any]:
    """Return the largest groups of near-duplicates, and how many more there are."""
    found = summary.duplicates(cluster)
    groups = [
        {
            "rows": [_row(summary, row) for row in group[:N_EQUAL]],
            "more": max(group.size - N_EQUAL, 0),
        }
        for group in found[:N_GROUPS]
    ]
    return {"groups": groups, "more": max(len(found) - N_GROUPS, 0)}


def _profile(
    summary: RowSummary, differences: FloatArray, n_features: int
) -> dict[str, Any]:
    """Return means by cluster of the features that tell clusters apart."""
    profile = summary.profile
    ranked = profile.varying(separating_features(differences, summary.counts.sizes))
    return {
        "rows": [
            {
                "name": profile.name(feature),
                "mean_of_all": profile.text(feature, profile.means[feature]),
                "cells": [
                    _cell(
                        profile.text(feature, profile.cluster_means[cluster, feature]),
                        differences[cluster, feature],
                    )
                    for cluster in range(len(differences))
                ],
            }
            for feature in ranked[:n_features]
        ],
        "note": _profile_note(summary, min(n_features, ranked.size), ranked.size),
    }


def _cell(text: str, difference: float) -> dict[str, Any]:
    strength = min(abs(difference) / FULL_COLOR, 1.0)
    return {
        "text": text,
        "side": "above" if difference >= 0 else "below",
        "opacity": f"{MOST_OPAQUE * strength:.2f}",
    }


def _profile_note(summary: RowSummary, n_shown: int, n_ranked: int) -> str:
    """Sentences about the features shown, and those that are not."""
    columns, profile = summary.profile.columns, summary.profile
    which = "All" if n_shown == n_ranked else f"The first {n_shown} of"
    note = (
        f"{which} {count_text(n_ranked, 'feature')}, the most distinctive first: means "
        "of numbers in the units of the data, without missing cells"
        f"{', and shares of categories' if columns.is_category.any() else ''}. The "
        "colour is the difference from all rows, in standard deviations."
    )
    constant = profile.column[(profile.deviations == 0) & (profile.code < 0)]
    note += _listed(" Constant features", [columns.names[c] for c in constant])
    crowded = np.flatnonzero(~columns.is_shown)
    return note + _listed(
        f" With more than {MOST_VALUES:,} different values, and not shown",
        [columns.names[c] for c in crowded],
    )


def _listed(title: str, names: list[str]) -> str:
    if not names:
        return ""
    more = len(names) - MAX_LISTED
    ending = f" and {more} more" if more > 0 else ""
    return f"{title}: {', '.join(map(shown, names[:MAX_LISTED]))}{ending}."


def _feature(
    summary: RowSummary,
    differences: FloatArray,
    cluster: int,
    feature: int,
    rows: IntArray,
) -> dict[str, Any]:
    profile = summary.profile
    difference, column = differences[cluster, feature], profile.column[feature]
    share = min(abs(difference) / FULL_BAR, 1.0)
    median = ""
    if profile.code[feature] < 0:
        median = profile.text(feature, summary.medians(cluster)[column])
    return {
        "name": profile.name(feature),
        "mean": profile.text(feature, profile.cluster_means[cluster, feature]),
        "median": median,
        "mean_of_all": profile.text(feature, profile.means[feature]),
        "difference": f"{difference:+.2f}",
        "side": "above" if difference >= 0 else "below",
        "width": f"{50 * share:.1f}",
        "cells": _texts(summary, rows, column),
    }


def _texts(summary: RowSummary, rows: IntArray, column: int) -> list[str]:
    columns = summary.profile.columns
    return [columns.text(column, number) for number in summary.cells[rows, column]]


def _doubtful(
    summary: RowSummary, differences: FloatArray, n_features: int, drawn: str
) -> dict[str, Any] | None:
    """Return the rows with the lowest probabilities, if there is a choice."""
    if differences.shape[0] < 2:
        return None
    profile, columns = summary.profile, summary.profile.columns
    ranked = profile.varying(separating_features(differences, summary.counts.sizes))
    # Once each, however many values of a category are among the features.
    chosen = list(dict.fromkeys(profile.column[ranked].tolist()))
    chosen = chosen[: min(n_features, MAX_COLUMNS)] if summary.texts is None else []
    rows = []
    for row in summary.doubtful_rows(N_DOUBTFUL):
        probabilities = summary.probabilities[row]
        first, second = np.argsort(-probabilities, kind="stable")[:2]
        rows.append(
            _row(summary, row)
            | {
                "label": first,
                "confidence": probabilities[first],
                "next": second,
                "next_confidence": probabilities[second],
                "cells": [columns.text(c, summary.cells[row, c]) for c in chosen],
            }
        )
    note = f"Rows are numbered from 0, and chosen from {drawn}."
    if chosen:
        note += " The features are those whose variance the clusters explain best."
    return {
        "rows": rows,
        "features": [columns.names[column] for column in chosen],
        "note": note,
    }
