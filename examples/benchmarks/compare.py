"""Ours beside its peers: every fit in a process of its own, with a time limit.

    python examples/benchmarks/compare.py --data FOLDER --spectralnet-env FOLDER

Every method sees the same rows, split and seeds. A method that fails, exceeds a limit
or was not run says so in the tables. SpectralNet may not share our environment: one
is made in the folder named, or ``--spectralnet-python`` names its interpreter.
Findings are saved after every fit: after an interruption, the same command with
``--resume`` goes on from there.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import children
import compare_tables
import datasets
import methods
import numpy as np
import report
import torch
import trial

from neuraleig.affinity import Graph, NeighborAffinity

METHODS = (
    "KMeans",
    "SC + kNN",
    "exact + kNN",
    "Nystroem + KMeans",
    "SpectralNet",
    "ours",
)
# Modules of other packages that methods need.
NEEDS = {
    "SC amg + kNN": ("pyamg",),
    "UMAP + k-means": ("umap",),
    "UMAP + HDBSCAN": ("umap", "hdbscan"),
    "Leiden + kNN": ("leidenalg", "igraph"),
}
Cell = dict[str, Any]


def plan(name: str, n_seeds: int) -> list[tuple[int, int]]:
    """Seeds of the split and of the fit: one split per seed, and one seed per fit.

    The pairs ``(s, s)`` measure quality; ``(0, s)``, where the rows are the same, how
    much labels depend on the seed. A set with a fixed split has but one.
    """
    fixed = name in datasets.FILE_SETS
    seeds = range(n_seeds)
    return sorted({(0 if fixed else s, s) for s in seeds} | {(0, s) for s in seeds})


def run_set(name: str, options: argparse.Namespace) -> list[Cell]:
    """All fits of all methods on one set."""
    cells: list[Cell] = []
    gave_up: dict[str, str] = {}
    pairs = plan(name, options.seeds)
    for split in sorted({split for split, _ in pairs}):
        data = datasets.load(name, split, options.data)
        folder = options.work / name / f"split-{split}"
        trial.write_split(folder / "data", data)
        # Cuts are compared on a graph that no method was tuned to.
        graph = NeighborAffinity(weights="binary").build(data.X_train, seed=0)
        for seed in [seed for s, seed in pairs if s == split]:
            for method in options.methods:
                where = folder / f"{slug(method)}-{seed}"
                cell = {"set": name, "split": split, "seed": seed, "method": method}
                cell |= found_of(method, folder / "data", where, seed, gave_up, options)
                cells.append(cell | scores(where, data, graph))
                print(name, split, seed, method, cell["failure"] or "done", flush=True)
        shutil.rmtree(folder / "data")
    return [cell | agreement_of_seeds(cell, options.work) for cell in cells]


def found_of(
    method: str,
    split: Path,
    folder: Path,
    seed: int,
    gave_up: dict[str, str],
    options: argparse.Namespace,
) -> Cell:
    """Findings of one fit. A method whose fit was over a limit is not tried again."""
    if method == "SpectralNet" and options.spectralnet_python is None:
        return {"failure": "not run: no environment"}
    lacking = [name for name in NEEDS.get(method, ()) if find_spec(name) is None]
    if lacking:
        return {"failure": f"not run: needs {' and '.join(lacking)}"}
    if method in gave_up:
        return {"failure": gave_up[method]}
    command, env = children.command_of(
        method,
        split,
        folder,
        seed,
        *options.flags,
        python=options.spectralnet_python,
        threads=options.threads,
    )
    found = children.run_once(command, folder, options.limits, env)
    over = (found["failure"] or "").startswith("over")
    if over and "fit_seconds" not in found:
        gave_up[method] = found["failure"]
    return found


def scores(folder: Path, data: datasets.Dataset, graph: Graph | None) -> Cell:
    """Agreement with the classes, and the cut if there is a graph, of the labels."""
    found: Cell = {}
    if (folder / "train_labels.npy").exists():
        labels = np.load(folder / "train_labels.npy")
        train = methods.agreement(data.y_train, labels)
        found |= {f"train_{key}": value for key, value in train.items()}
        if graph is not None:
            found["ncut"] = methods.cut(graph, labels)
    if (folder / "test_labels.npy").exists():
        labels = np.load(folder / "test_labels.npy")
        found |= methods.agreement(data.y_test, labels)
    return found


def agreement_of_seeds(cell: Cell, work: Path) -> Cell:
    """ARI of the labels with those of seed 0, fitted to the same rows."""
    if cell["split"] != 0 or cell["seed"] == 0:
        return {}
    method, folder = slug(cell["method"]), work / cell["set"] / "split-0"
    found: Cell = {}
    for part, key in (("test", "stability"), ("train", "train_stability")):
        paths = [
            folder / f"{method}-{seed}" / f"{part}_labels.npy"
            for seed in (0, cell["seed"])
        ]
        if all(path.exists() for path in paths):
            found[key] = methods.agreement(*map(np.load, paths))["ari"]
    return found


def slug(method: str) -> str:
    """Name of a folder."""
    return re.sub(r"\W+", "-", method).lower()


def prepare(work: Path, settings: Cell, *, resume: bool) -> None:
    """Empty the folder of the findings, or check that they were made alike."""
    path = work / "settings.json"
    if not resume:
        # Nothing is deleted but what an earlier run of these scripts had made.
        if work.exists() and not path.exists() and any(work.iterdir()):
            raise SystemExit(f"--work: {work} holds other files; name another folder.")
        if work.exists():
            shutil.rmtree(work)
    elif path.exists() and trial.read_json(path) != settings:
        raise SystemExit(
            f"--resume: {work} was made with {trial.read_json(path)}, not {settings}; "
            "use the same options, or leave out --resume."
        )
    work.mkdir(parents=True, exist_ok=True)
    trial.write_json(path, settings)


def settings_of(options: argparse.Namespace) -> Cell:
    """Options that results of one folder have in common."""
    return {
        name: vars(options)[name] for name in ("limit", "memory", "threads", "device")
    }


def add_options(parser: argparse.ArgumentParser, name: str | None) -> None:
    """Options that this script shares with ``peers.py`` and ``stages.py``."""
    parser.add_argument("--limit", type=float, default=300, help="seconds of a process")
    parser.add_argument("--data", type=Path, default=None, help="folder of .npz files")
    parser.add_argument("--threads", type=int, default=1, help="of every method")
    parser.add_argument("--device", default="cpu", help="of ours, such as cuda")
    parser.add_argument("--memory", type=float, default=None, help="MiB of a process")
    parser.add_argument("--spectralnet-env", type=Path, default=None)
    parser.add_argument("--spectralnet-python", type=Path, default=None)
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("docs/figures"))
    parser.add_argument("--name", default=name)


def complete(options: argparse.Namespace) -> None:
    """Add what follows from the options of :func:`add_options`."""
    options.limits = children.Limits(options.limit, options.memory)
    # The tables name the threads of this process.
    torch.set_num_threads(options.threads)
    if options.device == "cpu":
        # SpectralNet takes a GPU that it sees.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    options.work = (options.work or Path("build/benchmarks") / options.name).resolve()
    options.spectralnet_python = children.spectralnet_python(
        options.spectralnet_python, options.spectralnet_env
    )


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=None)
    parser.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS)
    parser.add_argument("--seeds", type=int, default=3)
    add_options(parser, "compare")
    options = parser.parse_args()
    options.sets = options.sets or datasets.available(options.data)
    options.flags = ["--device", options.device]
    return options


def main() -> None:
    options = parse()
    complete(options)
    # Sets, methods and seeds may be added to a run; what a cell means may not change.
    settings = settings_of(options)
    prepare(options.work, settings, resume=options.resume)
    cells = [cell for name in options.sets for cell in run_set(name, options)]
    report.write(
        options.output,
        options.name,
        f"Comparison: {len(options.sets)} sets, {options.seeds} seeds, at most "
        f"{options.limit:g} s a process",
        compare_tables.tables(cells, options.sets, list(options.methods)),
        {"settings": settings, "cells": cells},
    )


if __name__ == "__main__":
    main()
