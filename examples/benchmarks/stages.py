"""Where the time of a fit goes, stage by stage, and what each costs at least.

    python examples/benchmarks/stages.py [--sizes 1000 10000] [--features 64] ...

Every fit is a process of its own, after small fits that warm up; medians of the
repeats. Times are those of the announcements of the logger ``neuraleig``. Least costs
are measured after the first fit, in its process:

- input: one pass for centre and unit, and one that standardises;
- neighbours: the products of all pairs of rows, or the bare approximate search;
- eigenvectors: as many by ARPACK (scipy) on the same graph, to 1e-6;
- labels: one run of k-means (scikit-learn) on the learned functions;
- warm start, fine-tuning: the products of the steps that were taken, and of one system
  of least squares;
- all rows: the products of one pass over all rows.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys

import children
import compare
import numpy as np
import report
from shapes import Shape, add_shapes
from stages_one import COLUMNS, VECTORS

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
FEATURES, CLUSTERS = (16, 64, 784), (2, 10, 50)


def run_shape(shape: Shape, options: argparse.Namespace) -> list[compare.Cell]:
    """All fits to the same rows."""
    folder = options.work / shape.slug
    shape.write(folder / "data", options.data)
    cells = []
    script = [sys.executable, str(children.HERE / "stages_one.py"), "ours"]
    flags = ["--device", options.device]
    for seed in range(options.repeats):
        where = folder / f"seed-{seed}"
        more = ["--fit-only"] if seed or options.no_floors else []
        command = [*script, str(folder / "data"), str(where), str(seed), *flags, *more]
        found = children.run_once(
            command, where, options.limits, children.environment(options.threads)
        )
        cells.append({"set": shape.slug, "seed": seed, **found})
        said = f"{found.get('fit_seconds', float('nan')):.2f} s"
        print(f"{shape.label}, seed {seed}: {found['failure'] or said}", flush=True)
    shutil.rmtree(folder / "data")
    return cells


def tables(cells: list[compare.Cell], shapes: list[Shape]) -> list[str]:
    """Seconds by stage, of the wall, of the processor, and at least."""
    found = []
    for key, title in (("wall", "seconds"), ("processor", "processor seconds")):
        rows = [[s.label, *texts(medians(cells, s, key))] for s in shapes]
        found.append(report.markdown([title, *COLUMNS, "fit"], rows))
    least = []
    for shape in shapes:
        floors = next((c["floors"] for c in of(cells, shape) if "floors" in c), {})
        line = texts(floors)
        failure = of(cells, shape)[0]["failure"]
        if VECTORS not in floors and failure:
            line[COLUMNS.index(VECTORS)] = children.shortened(failure)
        least.append([shape.label, *line])
    found.append(report.markdown(["at least, seconds", *COLUMNS, "sum"], least))
    return found


def of(cells: list[compare.Cell], shape: Shape) -> list[compare.Cell]:
    """Fits of one shape."""
    return [cell for cell in cells if cell["set"] == shape.slug]


def medians(cells: list[compare.Cell], shape: Shape, key: str) -> dict[str, float]:
    """Median seconds of every column over the fits that ended."""
    runs = [cell[key] for cell in of(cells, shape) if key in cell]
    if not runs:
        return {}
    return {c: float(np.median([run.get(c, 0.0) for run in runs])) for c in COLUMNS}


def texts(seconds: dict[str, float]) -> list[str]:
    """Seconds of every column, and their sum."""
    if not seconds:
        return ["-"] * (len(COLUMNS) + 1)
    known = [f"{seconds[c]:.3f}" if c in seconds else "-" for c in COLUMNS]
    return [*known, f"{sum(seconds.values()):.3f}"]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--features", nargs="*", type=int, default=FEATURES)
    parser.add_argument("--clusters", nargs="*", type=int, default=CLUSTERS)
    add_shapes(parser, "sets in place of --sizes, --features and --clusters")
    parser.add_argument("--repeats", type=int, default=3, help="fits, one per seed")
    parser.add_argument("--no-floors", action="store_true", help="fits alone")
    compare.add_options(parser, "stages")
    parser.set_defaults(limit=900)
    options = parser.parse_args()
    product = itertools.product(options.sizes, options.features, options.clusters)
    options.shapes = sorted(options.shapes or [Shape(*sizes) for sizes in product])
    return options


def main() -> None:
    options = parse()
    compare.complete(options)
    settings = compare.settings_of(options) | {"no_floors": options.no_floors}
    compare.prepare(options.work, settings, resume=options.resume)
    cells = [cell for shape in options.shapes for cell in run_shape(shape, options)]
    machine = f"fits on {report.device_text(options.device)}"
    report.write(
        options.output,
        options.name,
        f"Fits by stage: medians of {options.repeats}",
        ["Sets are rows x features, clusters.", *tables(cells, options.shapes)],
        {"settings": settings, "cells": cells},
        also=machine,
    )


if __name__ == "__main__":
    main()
