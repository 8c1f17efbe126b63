"""Processes that are forked after a fit: their parent's threads are not there."""

import sys

import new_process
import pytest

PROGRAM = """
import multiprocessing
import numpy as np
import torch
from sklearn.datasets import make_blobs
from neuraleig import NeuralEigenSpectralClustering

torch.set_num_threads(2)
X = make_blobs(600, n_features=40, centers=4, random_state=0)[0]

def fitted():
    return NeuralEigenSpectralClustering(4, random_state=0).fit(X)

model = fitted()

def predict():
    return model.predict(X), torch.get_num_threads()

def fit():
    return fitted().labels_, torch.get_num_threads()

context = multiprocessing.get_context("fork")
for function in (predict, fit):
    results = context.SimpleQueue()
    child = context.Process(target=lambda: results.put(function()), daemon=True)
    child.start()
    child.join(100)
    assert child.exitcode == 0, f"{function}: {child.exitcode}"
    labels, n_threads = results.get()
    assert (labels == model.labels_).mean() > 0.99, function
    assert n_threads == 2, function
assert torch.get_num_threads() == 2
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_forks_predict_and_fit():
    done = new_process.run(["-c", PROGRAM], env={"OMP_NUM_THREADS": "2"}, timeout=200)
    assert done.returncode == 0, done.stderr
