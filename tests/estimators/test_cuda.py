"""Run by hand with ``-m gpu``: CI has no CUDA device."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.metrics import clustering_accuracy
from neuraleig.training import BaseCallback, Training

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def test_cuda_finds_the_clusters_that_the_cpu_finds():
    X, y = make_blobs(2_000, n_features=16, centers=6, random_state=0)
    models = {
        device: NeuralEigenSpectralClustering(6, device=device, random_state=0).fit(X)
        for device in ("cpu", "cuda")
    }
    assert models["cuda"].device_.startswith("cuda")
    for model in models.values():
        assert clustering_accuracy(y, model.labels_) == 1.0
    np.testing.assert_allclose(
        models["cuda"].eigenvalues_, models["cpu"].eigenvalues_, atol=1e-3
    )


def test_auto_takes_cuda_and_pickles_there():
    X, _ = make_blobs(500, centers=3, random_state=0)
    model = NeuralEigenSpectralClustering(3, random_state=0).fit(X)
    assert model.device_.startswith("cuda")
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.labels_)


def test_same_seed_same_fit_and_global_state_untouched():
    X, _ = make_blobs(500, centers=3, random_state=0)
    state = torch.cuda.get_rng_state()
    first, second = (
        NeuralEigenSpectralClustering(3, random_state=0).fit(X) for _ in range(2)
    )
    assert torch.equal(torch.cuda.get_rng_state(), state)
    np.testing.assert_array_equal(first.labels_, second.labels_)


class Exchanged:
    """An array of another library on the device, as CuPy's."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("wrap", [lambda tensor: tensor, Exchanged])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_rows_on_the_device_are_those_of_the_cpu(wrap, dtype):
    X, _ = make_blobs(300, centers=3, random_state=0)
    rows = torch.from_numpy(X).to(dtype)
    there = wrap(rows.cuda())
    model = NeuralEigenSpectralClustering(3, device="cpu", random_state=0).fit(there)
    for method in ("predict", "predict_proba", "transform"):
        found = getattr(model, method)(there)
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, getattr(model, method)(rows))
    assert model.score(there) == model.score(rows)
    again = NeuralEigenSpectralClustering(3, device="cpu", random_state=0)
    np.testing.assert_array_equal(again.partial_fit(there).labels_, model.labels_)


def test_the_module_takes_and_gives_tensors_of_the_device():
    X, _ = make_blobs(300, centers=3, random_state=0)
    model = NeuralEigenSpectralClustering(3, device="cuda", random_state=0).fit(X)
    module = model.eigenfunctions_
    for device in ("cpu", "cuda"):
        rows = torch.from_numpy(X).to(device).requires_grad_()
        functions, logits = module(module.standardize(rows))
        assert functions.is_cuda
        functions[:, 1].sum().backward()
        assert rows.grad.device == rows.device
        np.testing.assert_allclose(
            functions.detach().cpu(), model.transform(X), atol=1e-4
        )
        np.testing.assert_array_equal(logits.argmax(dim=1).cpu(), model.labels_)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_fit_on_either_device_leaves_the_state_of_cuda(device):
    X, _ = make_blobs(200, centers=3, random_state=0)
    torch.cuda.manual_seed_all(123)
    torch.rand(3, device="cuda")
    states = torch.cuda.get_rng_state_all()
    NeuralEigenSpectralClustering(3, device=device, random_state=0).fit(X)
    for state, after in zip(states, torch.cuda.get_rng_state_all(), strict=True):
        assert torch.equal(after, state)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_any_precision_finds_the_clusters(precision, optimizer):
    X, y = make_blobs(1_000, n_features=16, centers=4, random_state=0)
    model = NeuralEigenSpectralClustering(
        4,
        training=Training(precision=precision, optimizer=optimizer, max_iter=60),
        random_state=0,
    ).fit(X)
    assert np.isfinite(model.loss_curve_).all()
    assert clustering_accuracy(y, model.labels_) == 1.0


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_an_interrupted_fit_goes_on(tmp_path, precision):
    class Interrupt(BaseCallback):
        def on_batch_end(self, state):
            if (state.phase, state.step) == ("fine_tuning", 70):
                raise KeyboardInterrupt

    X, _ = make_blobs(500, centers=3, random_state=0)
    params = {
        "training__max_iter": 120,
        "training__checkpoint_interval": 50,
        "training__precision": precision,
    }
    params["random_state"] = 0
    model = NeuralEigenSpectralClustering(
        3, checkpoint=tmp_path / "fit", callbacks=[Interrupt()]
    ).set_params(**params)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    model.set_params(callbacks=None).fit(X)
    whole = NeuralEigenSpectralClustering(3).set_params(**params).fit(X)
    # Sums on a GPU may round differently from run to run.
    np.testing.assert_allclose(model.loss_curve_, whole.loss_curve_, rtol=0.05)
    np.testing.assert_array_equal(model.labels_, whole.labels_)
