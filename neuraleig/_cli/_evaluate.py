"""``neuraleig evaluate``: scores of a model on the rows of a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from neuraleig._cli._columns import Columns
from neuraleig._cli._command import UsageError
from neuraleig._cli._drift import DRIFTED, Findings, drift_scores, size_scores
from neuraleig._cli._models import RowModel, load_row_model
from neuraleig._cli._readers import Reader
from neuraleig._tables import STANDARD_INPUT, TableError, read_labels
from neuraleig._terminal import live_bar
from neuraleig._typing import IntArray
from neuraleig.metrics import clustering_accuracy

# Names of scores on a terminal.
TITLES = {
    "n_rows": "rows",
    "n_clusters": "clusters",
    "n_clusters_used": "clusters used",
    "sizes": "sizes",
    "modularity": "modularity",
    "accuracy": "accuracy",
    "normalized_mutual_info": "normalised mutual information",
    "adjusted_rand": "adjusted Rand index",
    "novel_share": "novel rows",
    "expected_novel_share": "novel rows expected",
    "mean_confidence": "mean confidence",
    "expected_confidence": "mean confidence expected",
    "cluster_shift": "shift of cluster shares",
    "drift": "drift",
}


def evaluate(
    model: Path,
    data: str,
    *,
    labels: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    reference: str | None = None,
    tolerance: Annotated[float, Reader("share")] = 0.1,
    json_: bool = False,
    columns: Columns,
    device: str = "auto",
) -> int:
    """Score the labels of rows.

    Without classes, by the modularity on a graph of these rows. With classes, by the
    agreement with them. With --reference, whether the rows have drifted; the exit
    status is 3 if so.

    Parameters
    ----------
    labels : FILE
        Classes of the rows: a file like DATA, with a header only where --label-column
        names its column.
    label_column : NAME
        Column of the classes, or key of a .npz file; in DATA without --labels.
    reference : FILE
        Rows to compare with, such as those of last month, or MODEL for those of its
        fit.
    tolerance : SHARE
        Drift is a share of novel rows higher by more, a mean confidence lower by more,
        or a larger share of rows in other clusters.

    Examples
    --------
    neuraleig evaluate model.safetensors rows.npy
    neuraleig evaluate flowers.safetensors flowers.csv --label-column species
    neuraleig evaluate model.safetensors rows.npy --labels classes.npy --json
    neuraleig evaluate model.safetensors rows.npy --reference model.safetensors
    """
    if STANDARD_INPUT in (data, labels, reference):
        raise UsageError(
            "DATA, --labels and --reference are read more than once; pass files"
        )
    is_labelled = labels is not None or label_column is not None
    if reference is not None and is_labelled:
        raise UsageError("--reference compares rows, and takes no classes")
    without = (group_column, label_column if labels is None else None)
    loaded = load_row_model(model, device, columns, data, *without, with_clusters=True)
    if reference is not None:
        then = _reference(loaded, model, device, columns, reference, group_column)
        scores = drift_scores(
            Findings.of(loaded.estimator, loaded.parts()), then, tolerance
        )
    elif is_labelled:
        classes = (
            columns.classes(data, str(label_column))
            if labels is None
            else read_labels(labels, label_column)
        )
        found = _labels(loaded)
        scores = size_scores(np.bincount(found, minlength=loaded.n_clusters))
        scores |= _agreement(classes, found, labels, data)
    else:
        scores = _modularity(loaded, columns, data, group_column)
    sys.stdout.write(json_text(scores) if json_ else _lines(scores))
    return DRIFTED if scores.get("drift") else 0


def _labels(loaded: RowModel) -> IntArray:
    return np.concatenate(list(loaded.estimator.iter_predict(loaded.parts())))


def _modularity(
    loaded: RowModel, columns: Columns, data: str, group_column: str | None
) -> dict[str, Any]:
    """Scores without classes."""
    groups = columns.groups(data, group_column, loaded.estimator.affinity_)
    sizes = np.bincount(_labels(loaded), minlength=loaded.n_clusters)
    mapped = loaded.table.on_disk()
    rows = loaded.table if mapped is None else mapped
    with live_bar("neuraleig: modularity"):
        score = loaded.estimator.score(rows, groups=groups)
    return size_scores(sizes) | {"modularity": float(score)}


def _reference(
    loaded: RowModel,
    model: Path,
    device: str,
    columns: Columns,
    reference: str,
    group_column: str | None,
) -> Findings:
    """Findings in rows of a file, or those that the model keeps of its fit."""
    if Path(reference).exists() and model.samefile(reference):
        return Findings.of_fit(loaded.estimator, model)
    then = load_row_model(
        model, device, columns, reference, group_column, with_clusters=True
    )
    return Findings.of(then.estimator, then.parts("neuraleig: reference"))


def json_text(scores: dict[str, Any]) -> str:
    """Scores as JSON."""
    return json.dumps(scores, indent=1) + "\n"


def _agreement(
    classes: IntArray, found: IntArray, labels: str | None, data: str
) -> dict[str, float]:
    if classes.size != found.size:
        hint = "; a name above the labels must be given to --label-column"
        raise TableError(
            f"{labels or data} has {classes.size} labels, and {data} {found.size} "
            f"rows; there must be one per row{hint if labels else ''}"
        )
    return {
        "accuracy": clustering_accuracy(classes, found),
        "normalized_mutual_info": float(normalized_mutual_info_score(classes, found)),
        "adjusted_rand": float(adjusted_rand_score(classes, found)),
    }


def _lines(scores: dict[str, Any]) -> str:
    width = max(len(TITLES[name]) for name in scores) + 2
    return "".join(
        f"{TITLES[name]:{width}}{_shown(value)}\n" for name, value in scores.items()
    )


def _shown(value: Any) -> str:  # noqa: ANN401 - a number, or several
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
