"""Fit one method of :mod:`methods` to one split, in a process of its own.

Started by ``compare.py`` and ``scaling.py``.
"""

from __future__ import annotations

from dataclasses import replace

import methods
import trial

METHODS = {
    "KMeans": methods.kmeans,
    "SC + kNN": methods.spectral_knn,
    "exact + kNN": methods.exact_knn,
    "exact + kNN by parts": methods.exact_knn_by_parts,
    "Nystroem + KMeans": methods.nystroem,
    "ours": methods.ours(),
}
# Easy rows need no steps of training: torch's first optimiser, which imports for more
# than a second, is made by a fit that does.
ALSO_WARMS_UP = {"ours": methods.ours(training__init="random", training__max_iter=2)}


def main() -> None:
    options = trial.options()
    data = trial.read_split(options.split, memmap=options.memmap)
    record = trial.Record(options.folder)
    record.add(load_mebibytes=trial.peak_mebibytes())
    method = METHODS[options.method]
    for first in (method, ALSO_WARMS_UP.get(options.method, method)):
        first(trial.warm_up_set(), 0)
    one = slice(1)
    short = replace(data, X_test=data.X_test[one], y_test=data.y_test[one])
    result = method(short, options.seed)
    record.add(fit_seconds=result.fit_seconds, fit_mebibytes=trial.peak_mebibytes())
    record.add_labels("train_labels", result.train_labels)
    record.add_labels("test_labels", result.predict(data.X_test))
    if not options.fit_only:
        trial.measure_predict(record, result.predict, data.X_test)


if __name__ == "__main__":
    main()
