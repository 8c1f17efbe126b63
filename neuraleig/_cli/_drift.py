"""Drift of rows: what a model finds in them, against what it found before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuraleig._typing import FloatArray, IntArray
from neuraleig.estimators._novelty import NOVELTY_SHARE

# Status of a command that has found drift: neither success nor an error.
DRIFTED = 3


@dataclass(frozen=True)
class Findings:
    """What a model finds in some rows.

    Parameters
    ----------
    shares : ndarray of shape (n_clusters,)
        Share of the rows in every cluster.
    confidence : float
        Mean probability of the labels.
    novel_share : float
        Share of rows below the threshold of novelty.
    sizes : ndarray of shape (n_clusters,), int64, or None
        Rows of every cluster, where they are counted.
    """

    shares: FloatArray
    confidence: float
    novel_share: float
    sizes: IntArray | None = None

    @classmethod
    def of(cls, estimator: Any, parts: Iterable[Any]) -> Findings:  # noqa: ANN401
        """Findings in rows that come part by part; one part at least."""
        sizes = np.zeros(1, dtype=np.int64)
        total, n_novel = 0.0, 0
        for rows in parts:
            probabilities = estimator.predict_proba(rows)
            labels = probabilities.argmax(axis=1)
            sizes = sizes + np.bincount(labels, minlength=probabilities.shape[1])
            total += float(probabilities.max(axis=1).sum())
            n_novel += int(np.count_nonzero(estimator.is_novel(rows)))
        n_rows = int(sizes.sum())
        return cls(sizes / n_rows, total / n_rows, n_novel / n_rows, sizes)

    @classmethod
    def of_fit(cls, estimator: Any, path: Path) -> Findings:  # noqa: ANN401
        """Findings in the training rows, which the model of a file keeps."""
        if not hasattr(estimator, "cluster_shares_"):
            raise ValueError(
                f"{path} keeps no shares of its clusters (it was saved by an earlier "
                "version, or with another number of clusters); pass rows to --reference"
            )
        shares, confidence = estimator.cluster_shares_, estimator.mean_confidence_
        return cls(shares, confidence, NOVELTY_SHARE)


def size_scores(sizes: IntArray) -> dict[str, Any]:
    """Numbers of rows and of clusters."""
    return {
        "n_rows": int(sizes.sum()),
        "n_clusters": sizes.size,
        "n_clusters_used": int(np.count_nonzero(sizes)),
        "sizes": sizes.tolist(),
    }


def drift_scores(now: Findings, then: Findings, tolerance: float) -> dict[str, Any]:
    """Scores of rows beside those of a reference, and which of them have drifted.

    Parameters
    ----------
    now, then : Findings
        In the rows in question, which are counted, and in the reference.
    tolerance : float
        How much higher the share of novel rows may be, how much lower the mean
        probability, and which share of the rows may have changed clusters.

    Returns
    -------
    scores : dict
        Numbers by name, and under ``drift`` the names of those beyond the tolerance.
    """
    shift = float(np.abs(now.shares - then.shares).sum() / 2)
    beyond = {
        "novel_share": now.novel_share - then.novel_share > tolerance,
        "mean_confidence": then.confidence - now.confidence > tolerance,
        "cluster_shift": shift > tolerance,
    }
    counted = {} if now.sizes is None else size_scores(now.sizes)
    return counted | {
        "novel_share": now.novel_share,
        "expected_novel_share": then.novel_share,
        "mean_confidence": now.confidence,
        "expected_confidence": then.confidence,
        "cluster_shift": shift,
        "drift": [name for name, is_beyond in beyond.items() if is_beyond],
    }
