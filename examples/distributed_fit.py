"""One fit by several processes, and the same model from all of them.

    torchrun --standalone --nproc-per-node=2 examples/distributed_fit.py

On two machines, of which the first is reached as HOST, run on each of them

    torchrun --nnodes=2 --nproc-per-node=2 --rdzv-backend=c10d \
        --rdzv-endpoint=HOST:29500 examples/distributed_fit.py

It runs in an ordinary process as well. Nothing in it is about processes but the last
lines: all of them have the model, and one is enough to print.
"""

from __future__ import annotations

import os

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.metrics import clustering_accuracy


def main() -> None:
    X, y = load_digits(return_X_y=True)
    X = np.asarray(X / X.std(), dtype=np.float32)
    # Every process splits alike: all must pass the same rows to fit.
    train, test, _, y_test = train_test_split(
        X, y, test_size=0.3, random_state=0, stratify=y
    )
    model = NeuralEigenSpectralClustering(10, random_state=0).fit(train)
    if int(os.environ.get("RANK", 0)) == 0:  # torchrun sets it
        accuracy = clustering_accuracy(y_test, model.predict(test))
        n_processes = os.environ.get("WORLD_SIZE", 1)
        print(f"{n_processes} processes, held-out accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
