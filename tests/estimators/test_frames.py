"""Data frames into the estimators and out of them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.datasets import make_blobs

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.training import Training

X, _ = make_blobs(
    60, n_features=3, centers=[[0, 0, 0], [6, 0, 0], [3, 5, 0]], random_state=0
)
NAMES = ["east", "north", "up"]
FRAME = pd.DataFrame(X, columns=NAMES, index=np.arange(100, 160))
# So wide that the untrained network knows the few rows.
SMALL = {"hidden_sizes": (128,), "training": Training(max_iter=5), "random_state": 0}
METHODS = ["predict", "predict_proba", "transform", "score"]
OUTPUTS = {
    NeuralEigenSpectralClustering: [f"neuraleigenspectralclustering{i}" for i in "012"],
    NeuralSpectralEmbedding: ["neuralspectralembedding0", "neuralspectralembedding1"],
}
KINDS = {
    "pandas": lambda frame: frame,
    "polars": lambda frame: pl.DataFrame({n: frame[n].to_numpy() for n in frame}),
    "nullable": lambda frame: frame.astype("Float64"),
    "arrow": lambda frame: frame.astype("float64[pyarrow]"),
    "objects": lambda frame: frame.astype(object),
}


def small(estimator):
    return estimator(len(OUTPUTS[estimator]), **SMALL)


@pytest.fixture(scope="module")
def fitted():
    return NeuralEigenSpectralClustering(3, **SMALL).fit(FRAME)


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def kind(request):
    return request.param


@pytest.mark.parametrize("estimator", OUTPUTS)
def test_a_fit_is_that_of_the_values_and_keeps_the_names(kind, estimator):
    model = small(estimator).fit(kind(FRAME))
    assert model.feature_names_in_.tolist() == NAMES
    np.testing.assert_array_equal(
        model.transform(kind(FRAME)), small(estimator).fit(X).transform(X)
    )


@pytest.mark.parametrize("method", METHODS)
def test_columns_must_be_those_of_the_fit(fitted, kind, method):
    answer = getattr(fitted, method)
    np.testing.assert_array_equal(answer(kind(FRAME)), answer(FRAME))
    with pytest.raises(ValueError, match="must be in the same order"):
        answer(kind(FRAME[["north", "east", "up"]]))
    with pytest.raises(ValueError, match=r"missing:\n- up"):
        answer(kind(FRAME[["east", "north"]]))
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- down"):
        answer(kind(FRAME.rename(columns={"up": "down"})))


def test_a_stream_of_frames_keeps_to_its_columns(kind):
    model = NeuralEigenSpectralClustering(3, **SMALL).partial_fit(kind(FRAME))
    assert model.feature_names_in_.tolist() == NAMES
    with pytest.raises(ValueError, match="must be in the same order"):
        model.partial_fit(kind(FRAME[["north", "east", "up"]]))


@pytest.mark.parametrize("method", ["fit", *METHODS])
@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME.astype("Float64").mask(FRAME < -1), "Input X contains NaN"),
        (FRAME.round().astype("Int64").mask(FRAME < -1), "Input X contains NaN"),
        (FRAME.astype("float64[pyarrow]").mask(FRAME < -1), "Input X contains NaN"),
        (KINDS["polars"](FRAME).with_columns(up=None), "Input X contains NaN"),
        (FRAME.astype(object).assign(up="high"), "could not convert string to float"),
        (KINDS["polars"](FRAME).with_columns(up=pl.lit("high")), "could not convert"),
        (KINDS["polars"](FRAME).lazy(), r"type LazyFrame.*such as X.collect\(\)"),
    ],
)
def test_frames_without_usable_numbers_are_refused(fitted, method, frame, message):
    model = NeuralEigenSpectralClustering(3, **SMALL) if method == "fit" else fitted
    with pytest.raises((TypeError, ValueError), match=message):
        getattr(model, method)(frame)


def test_names_that_are_not_all_text_are_refused():
    frame = FRAME.rename(columns={"up": 3})
    with pytest.raises(TypeError, match="only supported if all input features have"):
        NeuralEigenSpectralClustering(3, **SMALL).fit(frame)


@pytest.mark.parametrize("estimator", OUTPUTS)
@pytest.mark.parametrize(("container", "kind"), [("pandas", pd), ("polars", pl)])
@pytest.mark.parametrize("everywhere", [False, True])
def test_transform_gives_the_frames_that_are_asked_for(
    estimator, container, kind, everywhere
):
    model = small(estimator)
    if not everywhere:
        model.set_output(transform=container)
    with sklearn.config_context(transform_output=container if everywhere else None):
        found = model.fit_transform(FRAME)
        again = model.transform(FRAME)
    assert isinstance(found, kind.DataFrame)
    assert list(found.columns) == OUTPUTS[estimator]
    assert model.get_feature_names_out().tolist() == OUTPUTS[estimator]
    np.testing.assert_array_equal(found.to_numpy(), again.to_numpy())
    np.testing.assert_array_equal(found.to_numpy(), small(estimator).fit_transform(X))
    if container == "pandas":
        assert again.index.equals(FRAME.index)


def test_labels_and_probabilities_stay_arrays(fitted):
    with sklearn.config_context(transform_output="pandas"):
        assert type(fitted.predict(FRAME)) is np.ndarray
        assert type(fitted.predict_proba(FRAME)) is np.ndarray
        assert type(next(fitted.iter_transform(FRAME))) is np.ndarray


def test_streams_can_come_out_as_frames():
    model = NeuralEigenSpectralClustering(3, **SMALL).fit(X)
    expected = model.transform(X)
    model.set_output(transform="polars")
    found = model.transform(iter([X[:20], X[20:]]))
    assert isinstance(found, pl.DataFrame)
    np.testing.assert_array_equal(found.to_numpy(), expected)


def test_a_column_may_have_the_name_of_an_attribute():
    frame = pd.DataFrame(X, columns=["dtype", "shape_", "up"])
    model = NeuralEigenSpectralClustering(3, **SMALL).fit(frame)
    assert list(model.feature_names_in_) == list(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["up", "dtype", "shape_"]])
