"""Time, memory and accuracy of fits from a thousand to a million rows.

    python examples/benchmarks/scaling.py --spectralnet-env FOLDER [--sizes ...]

Clusters of which the difficulty does not change with their number of rows, with 64
features. Every fit is a process of its own with a time limit; a method that was over
the limit is not tried on more rows. ``--memmap`` fits 32 features through a map of a
file instead. ``--resume`` goes on after an interruption.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import compare
import compare_tables
import datasets
import methods
import numpy as np
import report
import scaling_plot
from numpy.lib.format import open_memmap

METHODS = (
    "KMeans",
    "SC + kNN",
    "exact + kNN by parts",
    "Nystroem + KMeans",
    "SpectralNet",
    "ours",
)
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
HELD_OUT = 10_000
N_FEATURES, N_MAPPED_FEATURES = 64, 32
MEASURES = (
    ("fit_seconds", "fit, seconds", ",.2f"),
    ("fit_memory", "peak MiB of the fit, less loading", ",.0f"),
    ("acc", "held-out ACC", ".3f"),
    ("train_acc", "training ACC", ".3f"),
)
WITH_EXPONENT = ("fit_seconds", "fit_memory")


def write_rows(folder: Path, n: int, n_features: int, seed: int) -> None:
    """Write rows to fit and held-out ones, never holding more than a chunk."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for part, count in (("train", n), ("test", HELD_OUT)):
        for name, shape, kind in (
            (f"X_{part}", (count, n_features), np.float32),
            (f"y_{part}", (count,), np.int64),
        ):
            path = folder / f"{name}.npy"
            arrays[name] = open_memmap(path, "w+", dtype=kind, shape=shape)
    start = 0
    for X, y in datasets.cluster_chunks(n + HELD_OUT, n_features, seed):
        stop = start + len(X)
        fitted = min(max(n - start, 0), len(X))
        train = slice(start, start + fitted)
        test = slice(start + fitted - n, stop - n)
        if fitted > 0:
            arrays["X_train"][train], arrays["y_train"][train] = X[:fitted], y[:fitted]
        if fitted < len(X):
            arrays["X_test"][test], arrays["y_test"][test] = X[fitted:], y[fitted:]
        start = stop
    for array in arrays.values():
        array.flush()


def run_size(
    n: int, gave_up: dict[str, str], options: argparse.Namespace
) -> list[compare.Cell]:
    """All fits of all methods to ``n`` rows."""
    cells = []
    for seed in range(options.seeds):
        folder = options.work / f"{n}" / f"seed-{seed}"
        write_rows(folder / "data", n, options.n_features, seed)
        classes = {
            part: np.load(folder / "data" / f"y_{part}.npy")
            for part in ("train", "test")
        }
        for method in options.methods:
            where = folder / compare.slug(method)
            found = compare.found_of(
                method, folder / "data", where, seed, gave_up, options
            )
            cell = {"n": n, "seed": seed, "method": method, **found}
            for part, prefix in (("train", "train_"), ("test", "")):
                path = where / f"{part}_labels.npy"
                if path.exists():
                    scores = methods.agreement(classes[part], np.load(path))
                    cell |= {f"{prefix}{key}": scores[key] for key in scores}
            cells.append(cell | compare_tables.memory_of(cell))
            print(n, seed, method, cell["failure"] or cell["fit_seconds"], flush=True)
        shutil.rmtree(folder / "data")
    return cells


def table(
    cells: list[compare.Cell], key: str, title: str, form: str, names: list[str]
) -> str:
    """One measure by size and method, with its exponent where it has one."""
    sizes = sorted({cell["n"] for cell in cells})
    rows = []
    for n in sizes:
        of_size = [cell for cell in cells if cell["n"] == n]
        texts = [
            compare_tables.text_of([c for c in of_size if c["method"] == m], key, form)
            for m in names
        ]
        rows.append([f"{n:,}", *texts])
    if key in WITH_EXPONENT:
        found = (scaling_plot.exponent(*curve(cells, key, name)) for name in names)
        rows.append(["exponent", *("-" if a is None else f"{a:.2f}" for a in found)])
    return report.markdown([title, *names], rows)


def curve(
    cells: list[compare.Cell], key: str, method: str
) -> tuple[list[int], list[float]]:
    """Sizes that a method finished, and medians over their seeds."""
    by_size: dict[int, list[float]] = {}
    for cell in cells:
        if cell["method"] == method and key in cell:
            by_size.setdefault(cell["n"], []).append(cell[key])
    sizes = sorted(by_size)
    return sizes, [float(np.median(by_size[n])) for n in sizes]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--memmap", action="store_true")
    compare.add_limits(parser, "scaling")
    options = parser.parse_args()
    if options.memmap and options.name == "scaling":
        options.name = "scaling_memmap"
    options.n_features = N_MAPPED_FEATURES if options.memmap else N_FEATURES
    options.flags = ["--fit-only", *(["--memmap"] if options.memmap else [])]
    return options


def main() -> None:
    options = parse()
    compare.complete(options)
    settings = {
        "limit": options.limit,
        "memory": options.memory,
        "memmap": options.memmap,
    }
    compare.prepare(options.work, settings, resume=options.resume)
    cells: list[compare.Cell] = []
    gave_up: dict[str, str] = {}
    for n in sorted(options.sizes):
        cells += run_size(n, gave_up, options)
        for method, reason in gave_up.items():
            if not reason.startswith("not run"):
                gave_up[method] = f"not run: {reason} at {n:,}"
    names = list(options.methods)
    title = f"Scaling: {options.n_features} features, {options.seeds} seeds, at most "
    report.write(
        options.output,
        options.name,
        f"{title}{options.limit:g} s a process",
        [table(cells, *measure, names) for measure in MEASURES],
        {"settings": settings, "cells": cells},
    )
    for key, kind, unit in (
        ("fit_seconds", "time", "Fit time, seconds"),
        ("fit_memory", "memory", "Peak memory of the fit, MiB"),
    ):
        curves = {name: curve(cells, key, name) for name in names}
        path = options.output / f"{options.name}_{kind}.png"
        scaling_plot.save(path, curves, unit)


if __name__ == "__main__":
    main()
