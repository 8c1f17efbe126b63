"""``neuraleig evaluate``: scores of a model on the rows of a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from neuraleig._cli._command import UsageError
from neuraleig._cli._models import load_row_model
from neuraleig._cli._options import Columns
from neuraleig._tables import STANDARD_INPUT, TableError, read_labels
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
}


def evaluate(
    model: Path,
    data: str,
    *,
    labels: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    json_: bool = False,
    columns: Columns,
    device: str = "auto",
) -> None:
    """Score the labels of rows.

    Without classes, by the modularity on a graph of these rows. With classes, by the
    agreement with them.

    Parameters
    ----------
    labels : FILE
        Classes of the rows: a file like DATA, with a header only where --label-column
        names its column.
    label_column : NAME
        Column of the classes, or key of a .npz file; in DATA without --labels.

    Examples
    --------
    neuraleig evaluate model.safetensors rows.npy
    neuraleig evaluate flowers.safetensors flowers.csv --label-column species
    neuraleig evaluate model.safetensors rows.npy --labels classes.npy --json
    """
    if STANDARD_INPUT in (data, labels):
        raise UsageError("DATA and --labels are read more than once; pass files")
    without = (group_column, label_column if labels is None else None)
    loaded = load_row_model(model, device, columns, data, *without, with_clusters=True)
    classes = groups = None
    if labels is not None:
        classes = read_labels(labels, label_column)
    elif label_column is not None:
        classes = columns.classes(data, label_column)
    else:
        groups = columns.groups(data, group_column, loaded.estimator.affinity_)
    found = np.concatenate(list(loaded.estimator.iter_predict(loaded.table)))
    sizes = np.bincount(found, minlength=loaded.n_clusters)
    scores: dict[str, Any] = {
        "n_rows": found.size,
        "n_clusters": sizes.size,
        "n_clusters_used": int(np.count_nonzero(sizes)),
        "sizes": sizes.tolist(),
    }
    if classes is None:
        mapped = loaded.table.on_disk()
        rows = loaded.table if mapped is None else mapped
        score = loaded.estimator.score(rows, groups=groups)
        scores["modularity"] = float(score)
    else:
        scores |= _agreement(classes, found, labels, data)
    text = json.dumps(scores, indent=1) + "\n" if json_ else _lines(scores)
    sys.stdout.write(text)


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
        return " ".join(map(str, value))
    return f"{value:.4f}" if isinstance(value, float) else str(value)
