"""Fit SpectralNet to one split, by the interpreter of its own environment.

Started by ``compare.py`` and ``peers.py``. Parameters are its defaults, but for the
width of the last layer, which must be the number of clusters. Training labels are those
of ``predict``, which is timed with the fit: ``fit`` makes none.
"""

from __future__ import annotations

import time

import numpy as np
import torch
import trial
from spectralnet import SpectralNet


def main() -> None:
    options = trial.options()
    data = trial.read_split(options.split, memmap=options.memmap)
    record = trial.Record(options.folder)
    record.add(load_mebibytes=trial.peak_mebibytes())
    small = torch.from_numpy(trial.warm_up_set().X_train)
    SpectralNet(n_clusters=3, spectral_hiddens=[8, 3], spectral_epochs=1).fit(small)
    # It has no random_state, and its k-means draws from numpy's global generator.
    torch.manual_seed(options.seed)
    np.random.seed(options.seed)  # noqa: NPY002
    widths = [1024, 1024, 512, data.n_classes]

    def predict(X: np.ndarray) -> np.ndarray:
        return model.predict(torch.from_numpy(X))

    start = time.perf_counter()
    model = SpectralNet(n_clusters=data.n_classes, spectral_hiddens=widths)
    model.fit(torch.from_numpy(data.X_train))
    train_labels = predict(data.X_train)
    seconds = time.perf_counter() - start
    record.add(fit_seconds=seconds, fit_mebibytes=trial.peak_mebibytes())
    record.add_labels("train_labels", train_labels)
    record.add_labels("test_labels", predict(data.X_test))
    if not options.fit_only:
        trial.measure_predict(record, predict, data.X_test)


if __name__ == "__main__":
    main()
