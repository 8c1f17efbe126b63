"""Ours beside its peers from a thousand to a million rows: fit, predict, memory.

    python examples/benchmarks/peers.py [--shapes 1000x64 ...] [--methods ...]

Every fit is a process of its own with limits of time and memory, after a small fit that
warms up; methods take turns. Clusters are long and bent, and as hard at a thousand rows
as at a million. Methods whose packages are absent are skipped, by name: ``pip install
umap-learn hdbscan leidenalg igraph pyamg`` has all but SpectralNet, for which
``--spectralnet-env`` makes an environment. A method that was over the limit is not
tried on more rows. ``--device cuda`` fits ours on a GPU, and SpectralNet, which takes
whatever it finds. ``--memmap`` fits through a map of a file. ``--resume`` goes on after
an interruption.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from typing import NamedTuple

import children
import compare
import compare_tables
import numpy as np
import peers_plot
import report
import trial
from shapes import Shape, add_shapes

Cell = compare.Cell

OURS = "ours"
SPECTRAL, UMAP = "SC + kNN", "UMAP + k-means"
METHODS = (
    "KMeans",
    SPECTRAL,
    "SC lobpcg + kNN",
    "SC amg + kNN",
    "exact + kNN by parts",
    "Nystroem + KMeans",
    UMAP,
    "UMAP + HDBSCAN",
    "Leiden + kNN",
    "SpectralNet",
    OURS,
)
# Left out unless asked for: what other rows of the table stand for.
ALSO = ("exact + kNN by parts", "Nystroem + KMeans")
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
SHAPES = (Shape(1_000, 64), Shape(1_000, 784), *(Shape(n, 64) for n in SIZES[1:]))
MAPPED_SHAPES = (Shape(10_000_000, 32),)
# Most time of a fit, as a multiple of the time of a peer. Keys are rows and features.
AIMS = {
    SPECTRAL: {
        (1_000, 64): 5.0,
        (1_000, 784): 8.0,
        (10_000, 64): 2.0,
        (30_000, 64): 1.0,
        (100_000, 64): 0.4,
    },
    UMAP: {(shape.n_rows, shape.n_features): 1.0 for shape in SHAPES},
}


class Measure(NamedTuple):
    """A table: what it shows, and how fits of one shape are put together."""

    key: str
    title: str
    form: str
    centre: Callable[[Sequence[float]], float] = np.median
    first_only: bool = False


MEASURES = (
    Measure("fit_seconds", "fit, seconds", ",.2f"),
    Measure("fit_memory", "peak MiB of the fit, less loading", ",.0f"),
    Measure("device_mebibytes", "peak MiB on the GPU", ",.0f"),
    Measure("acc", "held-out ACC", ".3f", np.mean),
    Measure("train_acc", "training ACC", ".3f", np.mean),
    Measure("stability", "ARI between seeds, held-out labels", ".3f", np.mean),
    Measure("rows_per_second", "predict in bulk, rows/s", ",.0f", first_only=True),
    Measure("row_milliseconds", "predict one row, ms", ".2f", first_only=True),
)
WITH_EXPONENT = ("fit_seconds", "fit_memory")


def run_shape(
    shape: Shape, gave_up: dict[str, str], options: argparse.Namespace
) -> list[Cell]:
    """All fits of all methods to the same rows."""
    folder = options.work / shape.slug / "split-0"
    split = folder / "data"
    shape.write(split, options.data)
    data = trial.read_split(split, memmap=True)
    cells: list[Cell] = []
    spent = dict.fromkeys(options.methods, 0.0)
    for seed in range(options.repeats):
        # The speed of predictions is that of the first fit.
        options.flags = [*options.same_flags, *(["--fit-only"] if seed else [])]
        for method in options.methods:
            if spent[method] > options.budget or (seed and method in gave_up):
                continue
            where = folder / f"{compare.slug(method)}-{seed}"
            found = compare.found_of(method, split, where, seed, gave_up, options)
            spent[method] += found.get("fit_seconds", 0.0)
            cell = {"set": shape.slug, "split": 0, "seed": seed, "method": method}
            cell |= found | compare.scores(where, data, None)
            cell |= compare_tables.memory_of(cell)
            cell |= compare.agreement_of_seeds(cell, options.work)
            cells.append(cell)
            said = cell["failure"] or f"{cell['fit_seconds']:.2f} s"
            print(f"{shape.label}, seed {seed}, {method}: {said}", flush=True)
    shutil.rmtree(split)
    return cells


def chosen(cells: list[Cell], shape: Shape, method: str, measure: Measure) -> list:
    """Fits that a cell of a table is about."""
    found = compare_tables.pick(cells, shape.slug, method)
    if measure.key == "stability":
        found = [c for c in found if c["seed"] > 0] or found
    return [c for c in found if c["seed"] == 0] if measure.first_only else found


def table(
    cells: list[Cell], measure: Measure, shapes: list[Shape], names: list[str]
) -> str:
    """One measure by shape and method, with its exponent where it has one."""
    rows = []
    for shape in shapes:
        parts = [chosen(cells, shape, method, measure) for method in names]
        texts = [
            compare_tables.text_of(part, measure.key, measure.form, measure.centre)
            for part in parts
        ]
        rows.append([shape.label, *texts])
    if measure.key in WITH_EXPONENT:
        curves = curves_of(cells, measure.key, shapes, names)
        found = [peers_plot.exponent(*curves[name]) for name in names]
        rows.append(["exponent", *("-" if a is None else f"{a:.2f}" for a in found)])
    return report.markdown([measure.title, *names], rows)


def ratios(cells: list[Cell], shapes: list[Shape], names: list[str]) -> str:
    """Seconds of our fit over those of every peer, with the aims."""
    peers = [name for name in names if name != OURS]
    rows = []
    for shape in shapes:
        mine = seconds_of(cells, shape, OURS)
        texts = []
        for peer in peers:
            theirs = seconds_of(cells, shape, peer)
            ratio = None if mine is None or theirs is None else mine / theirs
            aim = AIMS.get(peer, {}).get((shape.n_rows, shape.n_features))
            texts.append(ratio_text(ratio, aim))
        rows.append([shape.label, *texts])
    return report.markdown([f"fit, {OURS} / peer", *peers], rows)


def ratio_text(ratio: float | None, aim: float | None) -> str:
    """A ratio, and whether it is at most its aim."""
    if ratio is None:
        return "-"
    if aim is None:
        return f"{ratio:.2f}"
    return f"{ratio:.2f} (aim {aim:g}: {'met' if ratio <= aim else 'not met'})"


def seconds_of(cells: list[Cell], shape: Shape, method: str) -> float | None:
    """Median seconds of the fits of a method that ended."""
    found = compare_tables.pick(cells, shape.slug, method)
    seconds = [cell["fit_seconds"] for cell in found if "fit_seconds" in cell]
    return float(np.median(seconds)) if seconds else None


def curves_of(
    cells: list[Cell], key: str, shapes: list[Shape], names: list[str]
) -> dict[str, peers_plot.Curve]:
    """Sizes that a method finished, and medians, of the features of most shapes."""
    kinds = [(s.source, s.n_features, s.n_clusters) for s in shapes]
    kind = max(kinds, key=kinds.count)
    curves: dict[str, peers_plot.Curve] = {}
    for name in names:
        points = []
        for shape, own in zip(shapes, kinds, strict=True):
            found = compare_tables.pick(cells, shape.slug, name)
            values = [cell[key] for cell in found if key in cell]
            if own == kind and values:
                points.append((shape.n_rows, float(np.median(values))))
        curves[name] = ([n for n, _ in points], [value for _, value in points])
    return curves


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_shapes(parser, "sets, such as 1000x64, blobs:1000x64x10 or mnist:1000x784x10")
    named = [name for name in METHODS if name not in ALSO]
    parser.add_argument("--methods", nargs="*", default=named, choices=METHODS)
    parser.add_argument("--repeats", type=int, default=5, help="fits, one per seed")
    parser.add_argument(
        "--budget",
        type=float,
        default=600,
        help="seconds of fits of a method to a set after which it is not repeated",
    )
    parser.add_argument("--memmap", action="store_true")
    compare.add_options(parser, None)
    parser.set_defaults(limit=3600)
    options = parser.parse_args()
    default = MAPPED_SHAPES if options.memmap else SHAPES
    options.shapes = sorted(options.shapes or default)
    kinds = (("memmap", options.memmap), ("cuda", options.device != "cpu"))
    suffix = "".join(f"_{name}" for name, is_on in kinds if is_on)
    options.name = options.name or f"peers{suffix}"
    options.same_flags = ["--device", options.device]
    options.same_flags += ["--memmap", "--fit-only"] if options.memmap else []
    return options


def write_report(cells: list[Cell], options: argparse.Namespace) -> None:
    """Tables, numbers and plots."""
    names, shapes = list(options.methods), options.shapes
    has_gpu = any("device_mebibytes" in cell for cell in cells)
    measures = [m for m in MEASURES if has_gpu or m.key != "device_mebibytes"]
    settings = compare.settings_of(options) | {"repeats": options.repeats}
    report.write(
        options.output,
        options.name,
        f"Peers: medians of {options.repeats} fits, at most {options.limit:g} s each",
        [
            "Sets are rows x features, clusters.",
            ratios(cells, shapes, names),
            *(table(cells, measure, shapes, names) for measure in measures),
        ],
        {"settings": settings, "machine": machine(options), "cells": cells},
        also=machine(options),
    )
    for key, kind, unit in (
        ("fit_seconds", "time", "Fit time, seconds"),
        ("fit_memory", "memory", "Peak memory of the fit, MiB"),
    ):
        path = options.output / f"{options.name}_{kind}.png"
        peers_plot.save(path, curves_of(cells, key, shapes, names), unit)


def machine(options: argparse.Namespace) -> str:
    """Versions of the peers, and the device of ours."""
    needed = sorted({n for m in options.methods for n in compare.NEEDS.get(m, ())})
    found = [report.version_text(name) for name in needed]
    if "SpectralNet" in options.methods and options.spectralnet_python:
        found.append(children.SPECTRALNET.replace("==", " "))
    return ", ".join([*found, f"ours on {report.device_text(options.device)}"])


def main() -> None:
    options = parse()
    compare.complete(options)
    settings = compare.settings_of(options) | {"memmap": options.memmap}
    compare.prepare(options.work, settings, resume=options.resume)
    cells: list[Cell] = []
    gave_up: dict[str, str] = {}
    for shape in options.shapes:
        cells += run_shape(shape, gave_up, options)
        for method, reason in gave_up.items():
            if not reason.startswith("not run"):
                gave_up[method] = f"not run: {reason} at {shape.n_rows:,}"
    write_report(cells, options)


if __name__ == "__main__":
    main()
