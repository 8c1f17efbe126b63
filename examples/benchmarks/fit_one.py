"""Fit one method of :mod:`methods` to one split, in a process of its own.

Started by ``compare.py`` and ``peers.py``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

import methods
import torch
import trial

METHODS = {
    "KMeans": methods.kmeans,
    "SC + kNN": methods.spectral_knn,
    "SC lobpcg + kNN": partial(methods.spectral_knn, solver="lobpcg"),
    "SC amg + kNN": partial(methods.spectral_knn, solver="amg"),
    "exact + kNN": methods.exact_knn,
    "exact + kNN by parts": methods.exact_knn_by_parts,
    "Nystroem + KMeans": methods.nystroem,
    "UMAP + k-means": methods.umap_kmeans,
    "UMAP + HDBSCAN": methods.umap_hdbscan,
    "Leiden + kNN": methods.leiden_knn,
}


def method_of(options: argparse.Namespace) -> methods.Method:
    """The method on the device that is asked for."""
    if options.method == "ours":
        return methods.ours(device=options.device)
    return METHODS[options.method]


def main() -> None:
    options = trial.options()
    data = trial.read_split(options.split, memmap=options.memmap)
    record = trial.Record(options.folder)
    record.add(load_mebibytes=trial.peak_mebibytes())
    method = method_of(options)
    method(trial.warm_up_set(), 0)
    one = slice(1)
    short = replace(data, X_test=data.X_test[one], y_test=data.y_test[one])
    result = method(short, options.seed)
    record.add(fit_seconds=result.fit_seconds, fit_mebibytes=trial.peak_mebibytes())
    if options.device != "cpu":
        peak = torch.cuda.max_memory_allocated(options.device)
        record.add(device_mebibytes=peak / 2**20)
    record.add_labels("train_labels", result.train_labels)
    record.add_labels("test_labels", result.predict(data.X_test))
    if not options.fit_only:
        trial.measure_predict(record, result.predict, data.X_test)


if __name__ == "__main__":
    main()
