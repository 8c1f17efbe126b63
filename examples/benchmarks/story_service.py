"""A service: load a pipeline, label rows one by one, raise an alarm when rows change.

    python examples/benchmarks/story_service.py [--seed 0] [--json FILE]

Handwritten digits of scikit-learn stand for the rows: 1,200 to fit, 597 of the days
after. A second process loads the file that the first one wrote, and gets its rows as a
service does. On the day of the alarm the camera has moved: every picture is shifted by
one pixel.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import neuraleig
from neuraleig.metrics import clustering_accuracy

N_FITTED = 1200
# Rows of a day, on which an alarm is decided.
DAY = 250
# An alarm: so many rows more than expected are novel, or labels are so much less
# certain than those of the training rows. One row in a hundred is expected to be novel.
EXPECTED, TOLERANCE = 0.01, 0.1


def fit(path: Path, seed: int) -> None:
    """Fit a pipeline to the first rows, and save it."""
    X, _ = load_digits(return_X_y=True)
    X[::97, ::7] = np.nan
    pipeline = make_pipeline(
        SimpleImputer(strategy="median"),
        StandardScaler(),
        neuraleig.NeuralEigenSpectralClustering(10, random_state=seed),
    )
    neuraleig.save(pipeline.fit(X[:N_FITTED]), path)


def state(pipeline: Pipeline, rows: np.ndarray) -> dict[str, object]:
    """Share of novel rows, mean confidence, and whether they call for an alarm."""
    prepared, model = pipeline[:-1].transform(rows), pipeline[-1]
    novel = float(model.is_novel(prepared).mean())
    confidence = float(model.predict_proba(prepared).max(axis=1).mean())
    fall = model.mean_confidence_ - confidence
    return {
        "novel_share": novel,
        "mean_confidence": confidence,
        "alarm": bool(novel - EXPECTED > TOLERANCE or fall > TOLERANCE),
    }


def serve(path: Path) -> dict[str, object]:
    """Load the pipeline; label later rows one at a time; look at two days."""
    start = time.perf_counter()
    pipeline = neuraleig.load(path)
    loaded = time.perf_counter() - start
    X, y = load_digits(return_X_y=True)
    rows, classes = X[N_FITTED:], y[N_FITTED:]
    start = time.perf_counter()
    pipeline.predict(rows[:1])
    first = time.perf_counter() - start
    labels, seconds = [], []
    for row in rows:
        start = time.perf_counter()
        labels.append(int(pipeline.predict(row[None])[0]))
        seconds.append(time.perf_counter() - start)
    shifted = np.roll(rows.reshape(-1, 8, 8), 1, axis=2).reshape(-1, 64)
    together = pipeline.predict(rows)
    return {
        "load_ms": 1e3 * loaded,
        "first_ms": 1e3 * first,
        "p50_ms": 1e3 * float(np.percentile(seconds, 50)),
        "p99_ms": 1e3 * float(np.percentile(seconds, 99)),
        "equal_in_a_batch": bool((together == labels).all()),
        "accuracy": float(clustering_accuracy(classes, labels)),
        "usual_day": state(pipeline, rows[:DAY]),
        "shifted_day": state(pipeline, shifted[DAY : 2 * DAY]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        print(json.dumps(serve(arguments.serve)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "digits.safetensors")
        fit(path, arguments.seed)
        command = [sys.executable, __file__, "--serve", str(path)]
        served = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    figures = json.loads(served)
    for name, value in figures.items():
        print(
            f"{name}: {value:.3f}" if isinstance(value, float) else f"{name}: {value}"
        )
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
