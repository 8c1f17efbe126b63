"""Results do not depend on what a program has done to torch, whose state stays."""

import threading
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

import neuraleig
from neuraleig import (
    DenseSegmenter,
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
    export_onnx,
)
from neuraleig._device import ordinary_torch
from neuraleig.report import write_report

# Clusters that overlap, so that a fit has steps of training.
X = make_blobs(90, n_features=5, centers=4, center_box=(-4, 4), random_state=0)[0]
IMAGE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
SMALL = {"hidden_sizes": (16,), "training__max_iter": 3, "random_state": 0}


@contextmanager
def changed(get, change, value):
    before = get()
    change(value)
    try:
        yield
    finally:
        change(before)


@contextmanager
def default_device(name):
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


STATES = {
    "no_grad": torch.no_grad,
    "set_grad_enabled": lambda: torch.set_grad_enabled(False),
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64": lambda: changed(
        torch.get_default_dtype, torch.set_default_dtype, torch.float64
    ),
    # Stands for a GPU: whatever lands there was made without a device.
    "meta": lambda: default_device("meta"),
    "inside meta": lambda: torch.device("meta"),
    "cpu": lambda: default_device("cpu"),
    "deterministic": lambda: changed(
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
        True,
    ),
}
# Tests of what takes seconds have them all at once.
TOGETHER = ["inference_mode", "autocast", "float64", "meta", "deterministic"]


@contextmanager
def together():
    with ExitStack() as states:
        for name in TOGETHER:
            states.enter_context(STATES[name]())
        yield


def state():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_num_threads(),
    )


def clustering(**parameters):
    return NeuralEigenSpectralClustering(3).set_params(**SMALL, **parameters)


def segmenter():
    small = clustering().set_params(random_state=None)
    return DenseSegmenter(
        3, backbone="color_texture", clusterer=small, random_state=0
    ).fit(IMAGE)


def weights(model):
    values = model.eigenfunctions_.state_dict().values()
    return np.concatenate([value.double().flatten().numpy() for value in values])


def written(write, model, path, **options):
    write(model, path, **options)
    return path.read_bytes()


def embedded():
    model = NeuralSpectralEmbedding(2).set_params(affinity__regularization=0.1, **SMALL)
    return model.fit(X).embedding_


def other_number():
    model = clustering(n_clusters="auto", max_clusters=5).fit(X)
    return model.with_n_clusters(2).predict(X)


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    rows, images = clustering().fit(X), segmenter()
    rows_file, images_file = folder / "rows", folder / "images"
    neuraleig.save(rows, rows_file)
    neuraleig.save(images, images_file)
    onnx, new = folder / "model.onnx", folder / "new"
    parts = [X[:40], X[40:]]
    return {
        "fit": lambda: weights(clustering().fit(X)),
        "random start": lambda: weights(clustering(training__init="random").fit(X)),
        "embedding": embedded,
        "partial_fit": lambda: weights(clustering().partial_fit(X)),
        "other number": other_number,
        "predict": lambda: rows.predict(X),
        "iter_predict": lambda: np.concatenate(list(rows.iter_predict(parts))),
        "predict_proba": lambda: rows.predict_proba(X),
        "transform": lambda: rows.transform(X),
        "score": lambda: rows.score(X),
        "score_samples": lambda: rows.score_samples(X),
        "save": lambda: written(neuraleig.save, rows, new),
        "load": lambda: neuraleig.load(rows_file).predict_proba(X),
        "export": lambda: written(export_onnx, rows, onnx),
        "report": lambda: written(lambda m, to: write_report(m, X, to), rows, new),
        "fit images": lambda: weights(segmenter()),
        "predict images": lambda: images.predict(IMAGE),
        "probabilities": lambda: np.asarray(next(images.predict_proba(IMAGE))),
        "transform images": lambda: images.transform(IMAGE),
        "score images": lambda: images.score(IMAGE),
        "load images": lambda: neuraleig.load(images_file).predict(IMAGE),
        "export images": lambda: written(
            export_onnx, images, onnx, include_backbone=True
        ),
    }


NAMES = [
    *["random start", "embedding", "partial_fit", "other number", "iter_predict"],
    *["predict_proba", "transform", "score", "score_samples", "save", "load"],
    *["export", "report", "fit images", "predict images", "probabilities"],
    *["transform images", "score images", "load images"],
    pytest.param("export images", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("name", NAMES)
def test_results_are_those_of_an_ordinary_state(calls, name):
    expected = calls[name]()
    with together():
        before = state()
        found = calls[name]()
        assert state() == before
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("changes", STATES.values(), ids=STATES.keys())
def test_fits_and_labels_are_those_of_an_ordinary_state(calls, changes):
    expected = calls["fit"](), calls["predict"]()
    with changes():
        before = state()
        found = calls["fit"](), calls["predict"]()
        assert state() == before
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_number_of_threads_changes_no_label(calls):
    expected = calls["predict"](), calls["predict images"]()
    two = 3 - min(torch.get_num_threads(), 2)
    with changed(torch.get_num_threads, torch.set_num_threads, two):
        found = calls["predict"](), calls["predict images"]()
        assert torch.get_num_threads() == two
    for left, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(left, right)


def test_errors_leave_the_state_as_it_was():
    with together():
        before = state()
        with pytest.raises(FloatingPointError):
            clustering(training__lr=1e30, training__init="random").fit(X)
        assert state() == before


def test_the_default_type_is_back_when_the_last_thread_is_done():
    entered, leave = threading.Event(), threading.Event()

    def stay():
        with ordinary_torch():
            entered.set()
            leave.wait(30)
            types.append(torch.get_default_dtype())

    types = []
    other = threading.Thread(target=stay)
    with changed(torch.get_default_dtype, torch.set_default_dtype, torch.float64):
        with ordinary_torch():
            other.start()
            assert entered.wait(30)
        leave.set()
        other.join()
        assert torch.get_default_dtype() == torch.float64
    assert types == [torch.float32]
