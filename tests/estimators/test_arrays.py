"""Tensors and arrays of other libraries, into the estimators and out of them."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
import torch
from sklearn.datasets import make_blobs
from sklearn.decomposition import TruncatedSVD
from sklearn.pipeline import make_pipeline
from sklearn.random_projection import SparseRandomProjection
from torch import nn

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.metrics import clustering_accuracy

X, Y = make_blobs(
    60, n_features=3, centers=[[0, 0, 0], [6, 0, 0], [3, 5, 0]], random_state=0
)
KERNEL = np.exp(-np.square(X[:, None] - X).sum(axis=2))
# So wide that the untrained network knows the few rows.
SMALL = {"hidden_sizes": (128,), "training__max_iter": 5, "random_state": 0}
ESTIMATORS = [NeuralEigenSpectralClustering, NeuralSpectralEmbedding]
METHODS = ["predict", "predict_proba", "transform"]


class Exchanged:
    """An array of another library: it hands over its memory, and nothing else."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


KINDS = {
    "tensor": torch.from_numpy,
    "with gradients": lambda rows: torch.from_numpy(rows).requires_grad_(),
    "not contiguous": lambda rows: torch.from_numpy(np.asfortranarray(rows)),
    "dlpack": Exchanged,
    "dlpack of a tensor": lambda rows: Exchanged(torch.from_numpy(rows)),
}


@pytest.fixture(scope="module")
def fitted():
    return NeuralEigenSpectralClustering(3).set_params(**SMALL).fit(X)


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def kind(request):
    return request.param


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_fit_is_that_of_the_same_rows(kind, estimator):
    expected = estimator(2).set_params(**SMALL).fit(X)
    model = estimator(2).set_params(**SMALL).fit(kind(X))
    assert model.n_features_in_ == 3
    np.testing.assert_array_equal(model.eigenvalues_, expected.eigenvalues_)
    np.testing.assert_array_equal(model.transform(kind(X)), expected.transform(X))


@pytest.mark.parametrize("method", METHODS)
def test_answers_are_those_of_the_same_rows(fitted, kind, method):
    found = getattr(fitted, method)(kind(X))
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, getattr(fitted, method)(X))


def test_every_other_door_takes_them(fitted, kind):
    assert fitted.score(kind(X)) == fitted.score(X)
    np.testing.assert_array_equal(next(fitted.iter_predict(kind(X))), fitted.labels_)
    model = NeuralEigenSpectralClustering(3).set_params(**SMALL)
    np.testing.assert_array_equal(model.fit_predict(kind(X)), fitted.labels_)
    np.testing.assert_array_equal(model.fit_transform(kind(X)), fitted.transform(X))
    stream = NeuralEigenSpectralClustering(3).set_params(**SMALL).partial_fit(kind(X))
    np.testing.assert_array_equal(stream.labels_, fitted.labels_)


def test_affinities_may_be_tensors(kind):
    params = SMALL | {"affinity": "precomputed"}
    expected = NeuralEigenSpectralClustering(3).set_params(**params)
    expected.fit(X, affinity_matrix=KERNEL)
    model = NeuralEigenSpectralClustering(3).set_params(**params)
    model.fit(kind(X), affinity_matrix=kind(KERNEL))
    np.testing.assert_array_equal(model.labels_, expected.labels_)
    score = expected.score(X, affinity_matrix=KERNEL)
    assert model.score(kind(X), affinity_matrix=kind(KERNEL)) == score


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (torch.bfloat16, np.float32),
        (torch.float16, np.float64),
        (torch.float32, np.float32),
        (torch.int16, np.float64),
    ],
)
def test_other_types_are_those_of_their_values(given, kept):
    rows = torch.from_numpy(X).to(given)
    plain = rows.to(torch.from_numpy(np.empty(0, kept)).dtype).numpy()
    model = NeuralEigenSpectralClustering(3).set_params(**SMALL).fit(rows)
    expected = NeuralEigenSpectralClustering(3).set_params(**SMALL).fit(plain)
    np.testing.assert_array_equal(model.labels_, expected.labels_)
    assert model.transform(rows).dtype == kept


@pytest.mark.parametrize("method", ["fit", *METHODS])
def test_rows_of_the_right_type_are_not_copied(fitted, kind, method, monkeypatch):
    rows = kind(X)
    seen = []
    model = (
        NeuralEigenSpectralClustering(3).set_params(**SMALL)
        if method == "fit"
        else fitted
    )
    checked = type(model)._checked_parts

    def recorded(self, *args, **kwargs):
        for part in checked(self, *args, **kwargs):
            seen.append(part)
            yield part

    monkeypatch.setattr(type(model), "_checked_parts", recorded)
    getattr(model, method)(rows)
    memory = torch.from_dlpack(rows) if isinstance(rows, Exchanged) else rows
    (part,) = seen
    assert np.shares_memory(part, memory.detach().numpy())


@pytest.mark.parametrize("method", ["fit", "partial_fit", *METHODS, "score"])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (torch.tensor(1.0), "Expected 2D array, got scalar"),
        (torch.zeros(3), "Expected 2D array, got 1D"),
        (torch.zeros(3, 3, 3), "dim 3"),
        (torch.full((5, 3), torch.nan), "contains NaN"),
        (torch.zeros(5, 3, dtype=torch.complex64), "Complex data not supported"),
        (torch.zeros(5, 3, device="meta"), "X is a tensor of .* on meta"),
        (torch.full((5, 3), torch.nan).to_sparse(), "Input X contains NaN"),
        (sp.csr_array(np.full((5, 3), np.inf)), "Input X contains infinity"),
        (sp.coo_array(X[:, 0]), "Expected 2D"),
    ],
)
def test_unusable_arrays_are_refused(fitted, method, rows, message):
    model = (
        NeuralEigenSpectralClustering(3).set_params(**SMALL)
        if "fit" in method
        else fitted
    )
    with pytest.raises((TypeError, ValueError), match=message):
        getattr(model, method)(rows)


@pytest.mark.parametrize(
    "reduction",
    [
        TruncatedSVD(4, random_state=0),
        SparseRandomProjection(60, dense_output=True, random_state=0),
    ],
)
def test_the_pipeline_for_sparse_rows_clusters_them(reduction):
    generator = np.random.default_rng(0)
    # Three topics of 200 words each, of which every text has half.
    topics = np.arange(300) % 3
    texts = generator.random((300, 600)) * (generator.random((300, 600)) < 0.5)
    texts[np.arange(600) // 200 != topics[:, None]] = 0
    sparse = sp.csr_array(texts)
    model = NeuralEigenSpectralClustering(3, hidden_sizes=(32,), random_state=0)
    pipeline = make_pipeline(reduction, model).fit(sparse[:200])
    assert clustering_accuracy(topics[200:], pipeline.predict(sparse[200:])) > 0.95


# Out again, as tensors


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_module_gives_tensors_with_gradients(fitted, dtype):
    module = fitted.eigenfunctions_
    rows = torch.from_numpy(X).to(dtype).requires_grad_()
    functions, logits = module(module.standardize(rows))
    expected = fitted.transform(rows)
    np.testing.assert_allclose(functions.detach(), expected, atol=1e-6)
    np.testing.assert_array_equal(logits.argmax(dim=1), fitted.predict(rows))
    # The derivative along a direction, by differences.
    (gradient,) = torch.autograd.grad(functions[0, 1], rows)
    step = 1e-2 * np.eye(60, 3, dtype=X.dtype)
    there, back = (fitted.transform(X + sign * step)[0, 1] for sign in (1, -1))
    np.testing.assert_allclose(gradient[0, 0], (there - back) / 2e-2, rtol=0.05)
    assert not gradient[1:].any()


@pytest.mark.parametrize(
    "rows", [X, X * 1e6 - 1e9, np.array([[1e300, -1e300, 0]]), X.astype(np.float32)]
)
def test_tensors_are_standardised_as_arrays_are(fitted, rows):
    module = fitted.eigenfunctions_
    expected = module._standardize(rows)
    assert torch.equal(module.standardize(torch.from_numpy(rows)), expected)


class WithDropout(nn.Module):
    def __init__(self, n_features):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, 16), nn.Tanh(), nn.Dropout(0.5)
        )

    def forward(self, rows):
        return self.layers(rows)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_module_does_not_draw(estimator):
    model = estimator(2, network=WithDropout).set_params(**SMALL).fit(X)
    module = model.eigenfunctions_
    assert not any(part.training for part in module.modules())
    model.transform(X)
    assert not any(part.training for part in module.modules())
    with torch.no_grad():
        functions, _ = module(module.standardize(torch.from_numpy(X)))
    shown = functions[:, -model._n_features_out :]
    np.testing.assert_allclose(shown, model.transform(X), atol=1e-6)


@pytest.mark.skipif(
    sklearn.__version__.startswith("1.6")
    and importlib.util.find_spec("array_api_compat") is None,
    reason="scikit-learn 1.6 dispatches by array_api_compat, which is not installed",
)
def test_dispatch_of_scikit_learn_changes_nothing():
    # scipy reads the variable when it is imported.
    code = """
import numpy as np, sklearn, torch
from neuraleig import NeuralEigenSpectralClustering
rows = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
model = NeuralEigenSpectralClustering(2, random_state=0).fit(rows)
with sklearn.config_context(array_api_dispatch=True):
    again = sklearn.clone(model).fit(rows)
    for method in ("predict", "predict_proba", "transform"):
        found = getattr(again, method)(rows)
        assert type(found) is np.ndarray
        assert (found == getattr(model, method)(rows)).all()
    assert again.score(rows) == model.score(rows)
"""
    environment = os.environ | {"SCIPY_ARRAY_API": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


# Masked arrays


@pytest.mark.parametrize("mask", [np.ma.nomask, False, np.zeros(X.shape, bool)])
def test_masked_arrays_without_masked_entries_are_arrays(fitted, mask):
    rows = np.ma.masked_array(X, mask=mask)
    model = NeuralEigenSpectralClustering(3).set_params(**SMALL).fit(rows)
    np.testing.assert_array_equal(model.labels_, fitted.labels_)
    assert type(fitted.transform(rows)) is np.ndarray


@pytest.mark.parametrize("method", ["fit", "partial_fit", *METHODS, "score"])
@pytest.mark.parametrize("in_parts", [False, True])
def test_masked_entries_are_refused(fitted, method, in_parts):
    rows = np.ma.masked_array(X, mask=np.arange(X.size).reshape(X.shape) == 7)
    model = (
        NeuralEigenSpectralClustering(3).set_params(**SMALL)
        if "fit" in method
        else fitted
    )
    with pytest.raises(ValueError, match=r"X has masked entries \(1 of"):
        getattr(model, method)([rows[:30], rows[30:]] if in_parts else rows)


# Matrices of affinities in the types and containers of rows


FORMATS = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]
MATRICES = {
    **{
        f"{form}_{kind}": getattr(sp, f"{form}_{kind}")
        for form in FORMATS
        for kind in ("array", "matrix")
    },
    **{
        np.dtype(dtype).str: lambda matrix, dtype=dtype: matrix.astype(dtype)
        for dtype in (">f4", ">f8", np.longdouble, object, str)
    },
    "frame": pd.DataFrame,
    "frame with missing values": lambda matrix: pd.DataFrame(matrix).convert_dtypes(),
    "sparse frame": lambda matrix: pd.DataFrame.sparse.from_spmatrix(
        sp.csr_matrix(matrix)
    ),
    "polars": pl.DataFrame,
    "tensor": torch.from_numpy,
    "masked": np.ma.masked_array,
    "list": np.ndarray.tolist,
    "fortran": np.asfortranarray,
}
# Few numbers, which every type has.
LEVELS = np.round(4 * KERNEL**0.1)


def fit_to_matrix(matrix):
    model = NeuralEigenSpectralClustering(3, affinity="precomputed")
    return model.set_params(**SMALL).fit(X, affinity_matrix=matrix)


@pytest.mark.filterwarnings("ignore:Constructing a DIA matrix")
@pytest.mark.parametrize("convert", MATRICES.values(), ids=MATRICES.keys())
def test_affinities_have_the_containers_of_rows(convert, tmp_path):
    expected = fit_to_matrix(LEVELS)
    given = convert(LEVELS.copy())
    model = fit_to_matrix(given)
    np.testing.assert_array_equal(model.labels_, expected.labels_)
    assert model.score(X, affinity_matrix=given) == model.score(
        X, affinity_matrix=LEVELS
    )
    again = model.set_params(checkpoint=tmp_path / "state")
    again.fit(X, affinity_matrix=given)
    np.testing.assert_array_equal(again.labels_, expected.labels_)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.float16, np.float32])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_affinities_have_the_types_of_rows(dtype, is_sparse):
    given = LEVELS.astype(dtype)
    expected = fit_to_matrix(given.astype(np.float64))
    if is_sparse:
        if dtype is np.float16:
            pytest.skip("scipy has no sparse matrix of float16")
        given = sp.coo_array(given)
    np.testing.assert_array_equal(fit_to_matrix(given).labels_, expected.labels_)


def test_masked_affinities_are_refused():
    masked = np.ma.masked_array(KERNEL, mask=np.eye(60, k=1) + np.eye(60, k=-1))
    with pytest.raises(ValueError, match=r"affinity_matrix has masked entries \(118"):
        fit_to_matrix(masked)
