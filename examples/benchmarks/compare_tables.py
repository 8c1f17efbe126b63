"""Tables of ``compare.py``: one cell for every method, whatever became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import children
import datasets
import numpy as np
import report

Cell = dict[str, Any]

# Measures, their titles and formats.
MEASURES = (
    ("acc", "held-out ACC", ".3f"),
    ("train_acc", "training ACC", ".3f"),
    ("nmi", "held-out NMI", ".3f"),
    ("train_nmi", "training NMI", ".3f"),
    ("ari", "held-out ARI", ".3f"),
    ("train_ari", "training ARI", ".3f"),
    ("fit_seconds", "fit, seconds", ".2f"),
    ("fit_memory", "peak MiB of the fit, less loading", ",.0f"),
    ("rows_per_second", "predict in bulk, rows/s", ",.0f"),
    ("row_milliseconds", "predict one row, ms", ".2f"),
    ("same_twice", "share of labels equal when predicted twice", ".3f"),
    ("same_alone", "share of labels equal when predicted alone", ".3f"),
)
# Measures of fits to the same rows that differ in their seed.
OF_SEEDS = (
    ("stability", "ARI between seeds, held-out labels", ".3f"),
    ("train_stability", "ARI between seeds, training labels", ".3f"),
)
IN_SUMMARY = ("acc", "nmi", "ari", "fit_seconds", "fit_memory")
# Cuts below this are rounding: the graph falls apart into the clusters.
NO_CUT = 1e-6
EXACT = "exact + kNN"


def tables(cells: list[Cell], names: list[str], methods: list[str]) -> list[str]:
    """Everything that ``compare.md`` shows."""
    cells = [cell | memory_of(cell) for cell in cells]
    judged = [cell for cell in cells if of_quality(cell)]
    same_rows = [cell for cell in cells if cell["split"] == 0 and cell["seed"] > 0]
    found = [summary(judged, names, methods)]
    for chosen, measures in ((judged, MEASURES), (same_rows, OF_SEEDS)):
        for key, title, form in measures:
            rows = [
                [name, *(text_of(pick(chosen, name, m), key, form) for m in methods)]
                for name in names
            ]
            found.append(report.markdown([title, *methods], rows))
    rows = [
        [name, *(ratio_text(judged, name, method) for method in methods)]
        for name in names
    ]
    return [*found, report.markdown([f"Ncut of training / {EXACT}", *methods], rows)]


def of_quality(cell: Cell) -> bool:
    """Whether the fit is one of those of which every seed has one."""
    return cell["split"] == cell["seed"] or cell["set"] in datasets.FILE_SETS


def memory_of(cell: Cell) -> Cell:
    """Peak memory of the fit beyond that of loading the data."""
    if "fit_mebibytes" not in cell:
        return {}
    return {"fit_memory": cell["fit_mebibytes"] - cell["load_mebibytes"]}


def pick(cells: list[Cell], name: str, method: str) -> list[Cell]:
    """Cells of one set and method, by seed."""
    return [c for c in cells if c["set"] == name and c["method"] == method]


def text_of(
    cells: list[Cell],
    key: str,
    form: str,
    centre: Callable[[Sequence[float]], float] = np.mean,
) -> str:
    """Mean over the seeds that have a number, and what became of the others."""
    values = [cell.get(key, cell["failure"] or "not measured") for cell in cells]
    return mean_text(values, form, centre)


def mean_text(
    values: list[float | str],
    form: str,
    centre: Callable[[Sequence[float]], float] = np.mean,
) -> str:
    """Mean of numbers; the commonest reason where numbers lack."""
    numbers = [value for value in values if not isinstance(value, str)]
    reasons = Counter(value for value in values if isinstance(value, str))
    if not values:
        return "not run"
    if not reasons:
        return f"{centre(numbers):{form}}"
    reason = children.shortened(reasons.most_common(1)[0][0])
    if not numbers:
        return reason
    return f"{centre(numbers):{form}} ({len(numbers)} of {len(values)}: {reason})"


def ratio_text(cells: list[Cell], name: str, method: str) -> str:
    """Cut ratio over the seeds of which both methods have labels."""
    mine, exact = pick(cells, name, method), pick(cells, name, EXACT)
    cuts = {cell["seed"]: cell["ncut"] for cell in exact if "ncut" in cell}
    pairs = [
        (c["ncut"], cuts[c["seed"]]) for c in mine if "ncut" in c and c["seed"] in cuts
    ]
    if not pairs:
        mute = [cell for cell in mine if "ncut" not in cell]
        return text_of(mute, "ncut", ".3f") if mute else f"no {EXACT}"
    return cut_ratio(*(np.mean(values) for values in zip(*pairs, strict=True)))


def cut_ratio(cut: float, exact: float) -> str:
    """Ratio of two cuts, or the first alone where the second is none."""
    if exact > NO_CUT:
        return f"{cut / exact:.3f}"
    return "1.000 (no cut)" if cut <= NO_CUT else f"{cut:.3f} / 0"


def summary(cells: list[Cell], names: list[str], methods: list[str]) -> str:
    """Means over the sets of which every method that ran has every number."""
    ran = [m for m in methods if any("acc" in c for c in cells if c["method"] == m)]
    common = [
        name
        for name in names
        if all(has_all(pick(cells, name, method)) for method in ran)
    ]
    titles = {key: (title, form) for key, title, form in MEASURES}
    rows = []
    for method in ran:
        chosen = [c for name in common for c in pick(cells, name, method)]
        texts = [text_of(chosen, key, titles[key][1]) for key in IN_SUMMARY]
        rows.append([method, str(len(common)), *texts])
    header = ["means over sets", "sets", *(titles[key][0] for key in IN_SUMMARY)]
    return report.markdown(header, rows)


def has_all(cells: list[Cell]) -> bool:
    """Whether every seed has what the summary shows."""
    return all(isinstance(c.get(key), float) for c in cells for key in IN_SUMMARY)
