"""Pipelines in files: every step comes back, and transforms alike, bit for bit."""

import new_process
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from persistence.own_parts import BROUGHT, edited
from sklearn import config_context
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from neuraleig import (
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
    load,
    save,
)
from neuraleig._tree import load_tree, save_tree
from neuraleig.cli import main
from neuraleig.persistence import ModelFileError, describe
from neuraleig.persistence._pipelines import ALL, packed_step, step_of
from neuraleig.persistence._transformers import Inputs

SMALL = {"hidden_sizes": (32,), "random_state": 0, "device": "cpu"}
N_ROWS = 90
NAN = float("nan")
pytestmark = pytest.mark.filterwarnings(
    "ignore::neuraleig.GraphWarning",
    "ignore:Skipping features without any observed values",
    "ignore:Found unknown categories",
    "ignore:The format of the columns of the 'remainder':FutureWarning",
)


def numbers(n_features=4, seed=0, missing=0.0, dtype=np.float64):
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(N_ROWS, n_features)) * 3 ** np.arange(n_features)
    rows[: N_ROWS // 2] += 9
    rows[draw.random(rows.shape) < missing] = np.nan
    return rows.astype(dtype)


def table(seed=0):
    """Frame with numbers, texts, counts, truth values and missing cells."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(numbers(2, seed, missing=0.1), columns=["width", "height"])
    frame["kind"] = draw.choice(["a", "b", "c", None], N_ROWS, p=[0.6, 0.3, 0.05, 0.05])
    frame["count"] = draw.integers(0, 4, N_ROWS)
    frame["is new"] = draw.random(N_ROWS) < 0.5
    frame["größe"] = draw.normal(size=N_ROWS)
    return frame


def texts(*columns):
    return np.array(columns, dtype=object).T


RARE = ["a"] * 20 + ["b"] * 12 + ["c"] * 2 + ["d"]
MIXED = ["a", "b", None, NAN] * 5
# Transformers, the rows of their fit and other rows.
STEPS = {
    "standard": (StandardScaler(), numbers(), numbers(seed=1)),
    "standard, missing": (StandardScaler(), numbers(missing=0.1), numbers(seed=1)),
    "standard, float32": (
        StandardScaler(),
        numbers(dtype=np.float32),
        numbers(seed=1, dtype=np.float32),
    ),
    "standard, no mean": (StandardScaler(with_mean=False), numbers(), numbers(seed=1)),
    "standard, sparse": (
        StandardScaler(with_mean=False),
        sp.csr_array(numbers()),
        sp.csr_array(numbers(seed=1)),
    ),
    "standard, nothing": (
        StandardScaler(with_mean=False, with_std=False),
        numbers(),
        numbers(seed=1),
    ),
    "standard, names": (
        StandardScaler(),
        pd.DataFrame(numbers()).add_prefix("c"),
        None,
    ),
    "robust": (RobustScaler(), numbers(), numbers(seed=1)),
    "robust, options": (
        RobustScaler(quantile_range=(5, 90.0), unit_variance=True),
        numbers(),
        numbers(seed=1),
    ),
    "robust, no centre": (RobustScaler(with_centering=False), numbers(), None),
    "robust, no scale": (RobustScaler(with_scaling=False), numbers(), None),
    "min max": (MinMaxScaler(), numbers(), numbers(seed=1)),
    "min max, clip": (MinMaxScaler((-1, 3), clip=True), numbers(), numbers(seed=1)),
    "normalizer": (Normalizer(), numbers(), numbers(seed=1)),
    "normalizer, max": (Normalizer("max"), numbers(), numbers(seed=1)),
    "pca": (PCA(), numbers(), numbers(seed=1)),
    "svd": (TruncatedSVD(2), numbers(), numbers(seed=1)),
    "pca, whitened": (PCA(2, whiten=True), numbers(), numbers(seed=1)),
    "pca, share": (PCA(0.9, svd_solver="full"), numbers(), numbers(seed=1)),
    "pca, randomized": (
        PCA(np.int64(2), svd_solver="randomized", random_state=0),
        numbers(dtype=np.float32),
        numbers(seed=1, dtype=np.float32),
    ),
    "pca, generator": (
        PCA(2, svd_solver="randomized", random_state=np.random.RandomState(0)),
        numbers(),
        None,
    ),
    "mean": (SimpleImputer(), numbers(missing=0.2), numbers(seed=1, missing=0.4)),
    "mean, float32": (
        SimpleImputer(keep_empty_features=True),
        numbers(missing=0.2, dtype=np.float32),
        numbers(seed=1, missing=0.4),
    ),
    "mean, an empty column": (
        SimpleImputer(),
        np.c_[numbers(2), np.full(N_ROWS, np.nan)],
        numbers(3, missing=0.2),
    ),
    "mean, an empty column kept": (
        SimpleImputer(keep_empty_features=True),
        np.c_[numbers(2), np.full(N_ROWS, np.nan)],
        numbers(3, missing=0.2),
    ),
    "median, indicator": (
        SimpleImputer(strategy="median", add_indicator=True),
        np.c_[numbers(2), numbers(2, missing=0.2)],
        numbers(missing=0.3),
    ),
    "median of integers": (
        SimpleImputer(strategy="median", missing_values=-1, add_indicator=True),
        np.array([[1, -1], [2, 3], [7, 5]]),
        np.array([[-1, -1], [2, -1]]),
    ),
    "constant, integers": (
        SimpleImputer(strategy="constant", missing_values=0, fill_value=9),
        np.array([[1, 0], [2, 3]]),
        np.array([[0, 0], [2, 0]]),
    ),
    "constant": (
        SimpleImputer(strategy="constant", fill_value=np.float64(-1)),
        numbers(missing=0.2),
        numbers(missing=0.4, seed=1),
    ),
    "most frequent number": (
        SimpleImputer(strategy="most_frequent"),
        np.array([[1.0, 2], [1, 3], [NAN, 3]]),
        np.array([[NAN, NAN]]),
    ),
    "most frequent text": (
        SimpleImputer(strategy="most_frequent", add_indicator=True),
        texts(["a", "a", NAN], ["x", "y", "y"]),
        texts([NAN, "b"], ["z", NAN]),
    ),
    "missing None": (
        SimpleImputer(strategy="most_frequent", missing_values=None),
        texts(["a", "a", None]),
        texts([None, "b"]),
    ),
    "missing text": (
        SimpleImputer(strategy="constant", missing_values="x", fill_value="?"),
        texts(["a", "x", "b"]),
        texts(["x", "b"]),
    ),
    "missing text by default": (
        SimpleImputer(strategy="constant"),
        texts(["a", NAN, "b"]),
        texts([NAN, "b"]),
    ),
    "one hot": (OneHotEncoder(), texts(["b", "a", "c"]), None),
    "one hot, unknown": (
        OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32),
        texts(["b", "a", "c"], [1, 2, 2], [True, False, False]),
        texts(["z", "a"], [2, 9], [True, None]),
    ),
    "one hot, refused": (OneHotEncoder(drop="first"), texts(["b", "a"]), None),
    "one hot, binary": (
        OneHotEncoder(drop="if_binary", handle_unknown="ignore"),
        texts(["b", "a", "c"], ["x", "y", "x"]),
        texts(["z", "c"], ["y", "q"]),
    ),
    "one hot, dropped": (
        OneHotEncoder(drop=np.array(["a", 2], dtype=object)),
        texts(["b", "a", "c"], [1, 2, 2]),
        None,
    ),
    "one hot, missing": (
        OneHotEncoder(handle_unknown="ignore"),
        texts(MIXED),
        texts(["b", None, NAN, "q"]),
    ),
    "one hot, strings": (
        OneHotEncoder(handle_unknown="ignore"),
        np.array([["a", "bb"], ["c", "d"]]),
        np.array([["abc", "bb"], ["c", "ddddd"]]),
    ),
    "one hot, floats": (
        OneHotEncoder(handle_unknown="ignore"),
        np.array([[1.5, 2], [NAN, 7], [3, 2]]),
        np.array([[3, NAN], [NAN, 8], [1.5, 7]]),
    ),
    "one hot, truth values": (OneHotEncoder(), np.array([[True], [False]]), None),
    "one hot, given": (
        OneHotEncoder(categories=[["c", "b", "a"], np.array([3, 5])]),
        texts(["a", "b"], [5, 3]),
        None,
    ),
    "one hot, infrequent": (
        OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist"),
        texts(RARE, RARE[::-1], ["a"] * 35, [str(number) for number in range(35)]),
        texts(["a", "d", "q"], ["c", "b", "q"], ["a", "q", "a"], ["1", "q", "2"]),
    ),
    "one hot, few categories": (
        OneHotEncoder(max_categories=2, drop="first"),
        texts(RARE, RARE[::-1]),
        None,
    ),
    "one hot, frame": (
        OneHotEncoder(handle_unknown="ignore"),
        table()[["kind", "count", "is new"]],
        table(seed=1)[["kind", "count", "is new"]],
    ),
    "one hot, categorical": (
        OneHotEncoder(),
        pd.DataFrame({"a": pd.Categorical(["x", "y", "x", None])}),
        None,
    ),
    "ordinal": (OrdinalEncoder(), texts(["b", "a", "c"], [3, 1, 2]), None),
    "ordinal, unknown": (
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-2, dtype=np.int32
        ),
        texts(["b", "a", "c"]),
        texts(["z", "c"]),
    ),
    "ordinal, missing": (
        OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=NAN,
            encoded_missing_value=-1,
        ),
        texts(MIXED),
        texts(["b", None, NAN, "q"]),
    ),
    "ordinal, infrequent": (
        OrdinalEncoder(
            min_frequency=5, handle_unknown="use_encoded_value", unknown_value=99
        ),
        texts([*RARE, NAN], ["x"] * 36),
        texts(["a", "d", NAN, "q"], ["x", "x", "q", "x"]),
    ),
    "pipeline": (
        make_pipeline(SimpleImputer(), "passthrough", StandardScaler(), PCA(2)),
        numbers(missing=0.1),
        numbers(seed=1, missing=0.2),
    ),
    "columns by names": (
        ColumnTransformer(
            [
                (
                    "n",
                    make_pipeline(SimpleImputer(), StandardScaler()),
                    ["width", "height"],
                ),
                ("c", OneHotEncoder(handle_unknown="ignore"), ["kind"]),
                ("twice", RobustScaler(), ["größe"]),
                ("same", "passthrough", ["größe"]),
                ("none", StandardScaler(), []),
                ("out", "drop", ["is new"]),
            ],
            remainder=MinMaxScaler(),
            sparse_threshold=0,
            transformer_weights={"twice": 0.5},
        ),
        table(),
        table(seed=1)[table().columns[::-1]],
    ),
    "columns by selectors": (
        ColumnTransformer(
            [
                ("n", SimpleImputer(), make_column_selector(dtype_include="number")),
                ("c", OneHotEncoder(handle_unknown="ignore"), slice("kind", "kind")),
            ],
            verbose_feature_names_out=False,
        ),
        table(),
        table(seed=1),
    ),
    "columns of a frame by numbers": (
        ColumnTransformer(
            [("a", StandardScaler(), [0, -1]), ("b", "passthrough", slice(1, 2))]
        ),
        table(),
        table(seed=1),
    ),
    "columns by numbers": (
        ColumnTransformer(
            [
                ("a", StandardScaler(), [3, 0]),
                ("b", PCA(1), np.array([False, True, True, False])),
            ],
            remainder="passthrough",
            n_jobs=1,
        ),
        numbers(),
        numbers(seed=1),
    ),
    "columns, remaining": (
        ColumnTransformer([("a", StandardScaler(), [1])], remainder="passthrough"),
        numbers(),
        numbers(seed=1),
    ),
    "sparse columns": (
        ColumnTransformer(
            [("c", OneHotEncoder(), ["kind"]), ("d", OneHotEncoder(), ["count"])],
            sparse_threshold=1.0,
        ),
        table(),
        None,
    ),
    "columns, all dropped": (
        ColumnTransformer([("a", "drop", [0])]),
        numbers(),
        None,
    ),
    "columns in columns": (
        ColumnTransformer(
            [
                (
                    "a",
                    ColumnTransformer([("b", StandardScaler(), ["width"])]),
                    ["height", "width"],
                )
            ]
        ),
        table(),
        table(seed=1),
    ),
    "columns, polars": (
        ColumnTransformer(
            [("a", StandardScaler(), ["x"]), ("b", OneHotEncoder(), ["y"])]
        ),
        pl.DataFrame({"x": [1.0, 2, 4], "y": ["a", "b", "a"]}),
        None,
    ),
    "frames": (
        make_pipeline(StandardScaler(), PCA(2)).set_output(transform="pandas"),
        numbers(),
        numbers(seed=1),
    ),
    "frames of columns": (
        ColumnTransformer(
            [
                ("n", StandardScaler(), ["width"]),
                ("c", OneHotEncoder(sparse_output=False), ["kind"]),
            ],
            remainder="passthrough",
        ).set_output(transform="pandas"),
        table(),
        table(seed=1),
    ),
}


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
        return
    if sp.issparse(one):
        one, other = one.toarray(), other.toarray()
    one, other = np.asarray(one), np.asarray(other)
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(one, other)


def restored(step, n_features, folder):
    """Step of a file, which is the same when it is saved again."""
    for name in ("first", "second"):
        with (folder / name).open("wb") as file:
            save_tree(file, {"step": packed_step(step, "step")}, {})
        tree, _ = load_tree(folder / name, {})
        step, width = step_of(tree["step"], Inputs(n_features))
    assert (folder / "first").read_bytes() == (folder / "second").read_bytes()
    return step, width


def test_all_kinds_of_steps_are_tested():
    made = [step for step, *_ in STEPS.values()]
    assert {type(step).__name__ for step in made} == set(ALL)


@pytest.mark.parametrize("name", STEPS)
def test_steps_transform_alike_and_have_the_same_values(name, tmp_path):
    step, rows, asked = STEPS[name]
    if isinstance(rows, pl.DataFrame) and not hasattr(rows, "__dataframe__"):
        pytest.importorskip("sklearn", minversion="1.9", reason="needs the protocol")
    step.fit(rows)
    loaded, width = restored(step, np.shape(rows)[1], tmp_path)
    for some in (rows, rows if asked is None else asked):
        expected = step.transform(some)
        assert_same(expected, loaded.transform(some))
        assert width == expected.shape[1]
    assert_same(step.get_feature_names_out(), loaded.get_feature_names_out())
    assert loaded.n_features_in_ == step.n_features_in_
    assert vars(loaded).keys() == vars(step).keys()
    for attribute, value in vars(step).items():
        if isinstance(value, np.ndarray) and attribute.endswith("_"):
            assert_same(value, getattr(loaded, attribute))


def test_categories_that_are_not_known_are_refused_as_before(tmp_path):
    step = OneHotEncoder().fit(texts(["a", "b"]))
    loaded, _ = restored(step, 1, tmp_path)
    for made in (step, loaded):
        with pytest.raises(ValueError, match="Found unknown categories"):
            made.transform(texts(["q"]))


def clustering(**changes):
    return NeuralEigenSpectralClustering(2).set_params(**SMALL | changes)


def prepared():
    """Steps for the table."""
    numeric = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore", min_frequency=10)
    return ColumnTransformer(
        [("n", numeric, ["width", "height"]), ("c", encoder, ["kind"])],
        sparse_threshold=0,
    )


@pytest.fixture(scope="module")
def fitted():
    return Pipeline([("prepare", prepared()), ("model", clustering())]).fit(table())


def test_pipelines_predict_bit_for_bit_and_are_equal_files(fitted, tmp_path):
    save(fitted, tmp_path / "m")
    loaded = load(tmp_path / "m", device="cpu")
    for name in ("predict", "predict_proba", "transform", "score_samples", "score"):
        for rows in (table(), table(seed=1)):
            assert_same(getattr(fitted, name)(rows), getattr(loaded, name)(rows))
    assert list(loaded.feature_names_in_) == list(table().columns)
    assert loaded.n_features_in_ == fitted.n_features_in_ == 6
    assert_same(fitted.get_feature_names_out(), loaded.get_feature_names_out())
    assert list(loaded.named_steps) == ["prepare", "model"]
    assert loaded["model"].device == "cpu"
    save(loaded, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()
    # It may be fitted again.
    assert_same(fitted[:-1].transform(table()), loaded[:-1].fit_transform(table()))


def test_in_a_later_process_they_do_too(fitted, tmp_path):
    save(fitted, tmp_path / "m")
    table(seed=1).to_pickle(tmp_path / "rows")
    code = (
        "import sys, numpy as np, pandas as pd; from pathlib import Path; "
        "from neuraleig import load; folder = Path(sys.argv[1]); "
        "model = load(folder / 'm', device='cpu'); "
        "found = model.predict_proba(pd.read_pickle(folder / 'rows')); "
        "np.save(folder / 'found.npy', found)"
    )
    new_process.run(["-c", code, tmp_path], check=True)
    expected = fitted.predict_proba(table(seed=1))
    assert_same(expected, np.load(tmp_path / "found.npy"))


@pytest.mark.parametrize(
    "before",
    [
        [],
        [("a", "passthrough")],
        [("a", Normalizer()), ("b", "passthrough"), ("c", RobustScaler())],
    ],
)
def test_embeddings_and_steps_without_values(before, tmp_path):
    model = NeuralSpectralEmbedding(2).set_params(**SMALL)
    pipeline = Pipeline([*before, ("model", model)], memory=str(tmp_path / "cache"))
    pipeline.fit(numbers())
    save(pipeline, tmp_path / "m")
    loaded = load(tmp_path / "m", device="cpu")
    assert_same(pipeline.transform(numbers()), loaded.transform(numbers()))
    assert loaded.memory is None
    assert not hasattr(loaded, "predict")
    found = describe(tmp_path / "m")
    assert len(found.steps) == len(before)
    assert (found.n_features, found.feature_names, found.n_clusters) == (4, None, None)


def test_settings_of_the_user_do_not_matter(fitted, tmp_path):
    save(fitted, tmp_path / "m")
    expected = fitted.predict(table())
    with config_context(transform_output="pandas", enable_metadata_routing=True):
        save(fitted, tmp_path / "m")
        loaded = load(tmp_path / "m", device="cpu")
    assert_same(expected, loaded.predict(table()))


def test_a_network_of_ones_own_is_passed(tmp_path):
    pipeline = make_pipeline(StandardScaler(), clustering(network=BROUGHT["network"]))
    pipeline.fit(numbers())
    save(pipeline, tmp_path / "m")
    with pytest.raises(ModelFileError, match="network="):
        load(tmp_path / "m", device="cpu")
    loaded = load(tmp_path / "m", device="cpu", network=BROUGHT["network"])
    assert_same(pipeline.predict(numbers()), loaded.predict(numbers()))


def test_pipelines_are_described(fitted, tmp_path, capsys):
    save(fitted, tmp_path / "m")
    found = describe(tmp_path / "m")
    assert found.class_name == "NeuralEigenSpectralClustering"
    assert found.steps == [
        "ColumnTransformer(n: Pipeline(SimpleImputer, StandardScaler), "
        "c: OneHotEncoder, remainder: drop)"
    ]
    assert (found.n_features, found.n_clusters) == (6, 2)
    assert found.feature_names == list(table().columns)
    assert main(["info", str(tmp_path / "m")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"steps {found.steps[0]}, {found.class_name}" in shown
    assert "features 6: width, height, kind, count, is new, größe" in shown


def test_a_pipeline_is_no_former_model(fitted, tmp_path):
    save(fitted, tmp_path / "m")
    with pytest.raises(ValueError, match="it holds a Pipeline"):
        clustering().fit(numbers(), align_to=tmp_path / "m")


class Scaler(StandardScaler):
    """Subclass, which may do something else."""


def log(rows):
    return np.log(np.abs(rows))


@pytest.mark.parametrize(
    ("step", "rows", "message"),
    [
        (FunctionTransformer(log), numbers(), "'step' is a FunctionTransformer.*alone"),
        (Scaler(), numbers(), "'step' is a Scaler, which files cannot hold"),
        (
            make_pipeline(StandardScaler(), FunctionTransformer(log)),
            numbers(),
            "'step__functiontransformer' is a FunctionTransformer",
        ),
        (
            ColumnTransformer([("a", FunctionTransformer(log), [0, 1])]),
            numbers(),
            "'step__a' is a FunctionTransformer",
        ),
        (
            make_pipeline(
                OneHotEncoder(feature_name_combiner=log, sparse_output=False)
            ),
            numbers(),
            "feature_name_combiner is of type function",
        ),
        (
            OneHotEncoder(sparse_output=False),
            texts([pd.Timestamp(0), pd.Timestamp(1)] * 45),
            "categories_ has a value of type Timestamp",
        ),
        (
            ColumnTransformer(
                [("a", StandardScaler(), [0, 1])], verbose_feature_names_out="{x}"
            ),
            numbers(),
            "verbose_feature_names_out is '{x}'; expected true or false",
        ),
    ],
)
def test_steps_that_files_cannot_hold_are_refused(step, rows, message, tmp_path):
    pipeline = Pipeline([("step", step), ("model", clustering())]).fit(rows)
    with pytest.raises((TypeError, ValueError), match=message):
        save(pipeline, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_pipelines_that_end_otherwise_are_refused(fitted, tmp_path):
    with pytest.raises(TypeError, match="last step of the pipeline is a PCA; only"):
        save(make_pipeline(StandardScaler(), PCA()).fit(numbers()), tmp_path / "m")
    with pytest.raises(NotFittedError):
        save(make_pipeline(StandardScaler(), clustering()), tmp_path / "m")
    with pytest.raises(NotFittedError):
        save(Pipeline([("a", StandardScaler()), *fitted.steps]), tmp_path / "m")
    with pytest.raises(ValueError, match=r"include_backbone=True.*no backbone"):
        save(fitted, tmp_path / "m", include_backbone=True)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def every_kind():
    columns = ColumnTransformer(
        [
            ("impute", SimpleImputer(add_indicator=True), [0, 1]),
            ("scale", StandardScaler(), [2]),
            ("hot", OneHotEncoder(min_frequency=3), [3]),
        ],
        remainder="passthrough",
        sparse_threshold=0,
    )
    rows = np.c_[numbers(2, missing=0.1), numbers(1), np.arange(N_ROWS) % 3, numbers(1)]
    pipeline = Pipeline([("c", columns), ("p", PCA(3)), ("m", clustering())])
    return pipeline.fit(rows)


def steps(tree):
    return [part["step"] for part in tree["before"]["learned"]["steps"]]


def columns(tree):
    return steps(tree)[0]["learned"]


def part(tree, place):
    return columns(tree)["parts"][place]["step"]


def pca(tree):
    return steps(tree)[1]["learned"]


WRONG = {
    "features": (lambda t: t.update(n_features=2**40), "n_features is"),
    "no features": (lambda t: t.update(n_features=0), "n_features is 0"),
    "more features": (lambda t: t.update(n_features=7), "remaining columns"),
    "fewer features": (lambda t: t.update(n_features=4), "columns beyond 4"),
    "last": (lambda t: t.update({"class": "DenseSegmenter"}), "class is"),
    "no pipeline": (lambda t: t.update(before=steps(t)[1]), "not those of a pipeline"),
    "kind": (lambda t: steps(t)[1].update(kind="os.system"), "kind is 'os.system'"),
    "kinds": (lambda t: steps(t)[1].update(kind="Normalizer"), "no parameter"),
    "no step": (lambda t: columns(t)["parts"][0].update(step="drip"), "step is 'drip'"),
    "parameter": (lambda t: steps(t)[1]["parameters"].update(speed=1), "'speed'"),
    "value": (
        lambda t: steps(t)[1]["parameters"].update(whiten="so"),
        "'whiten' parameter",
    ),
    "steps": (
        lambda t: t["before"]["parameters"].update(memory="/tmp"),
        "no parameter 'memory'",
    ),
    "callable": (
        lambda t: part(t, 2)["parameters"].update(dtype={"dtype": "void"}),
        "dtype is 'void'",
    ),
    "components": (lambda t: pca(t).update(components_=np.ones((3, 4))), "components_"),
    "mean": (lambda t: pca(t).update(mean_=np.ones(3)), "mean_ is of shape"),
    "text": (lambda t: pca(t).update(mean_="x"), "mean_ is 'x'"),
    "width": (
        lambda t: pca(t).update(
            components_=np.ones((2, 9)),
            explained_variance_=np.ones(2),
            explained_variance_ratio_=np.ones(2),
            singular_values_=np.ones(2),
        ),
        "return 2 features",
    ),
    "columns": (
        lambda t: columns(t)["parts"][1].update(columns=np.array([-1])),
        "columns beyond",
    ),
    "fewer columns": (
        lambda t: columns(t)["parts"][1].update(columns=np.arange(0)),
        "mean_ is of shape",
    ),
    "names": (lambda t: columns(t)["parts"][1].update(named=True), "by names"),
    "no names": (
        lambda t: steps(t)[1].update(feature_names=["a"]),
        "not one name for each",
    ),
    "names twice": (
        lambda t: steps(t)[0].update(feature_names=["a"] * 5),
        "not one name for each",
    ),
    "two parts": (
        lambda t: columns(t)["parts"][1].update(name="impute"),
        "Names provided are not unique",
    ),
    "output": (lambda t: steps(t)[1].update(transform_output="dask"), "'dask'"),
    "statistics": (
        lambda t: part(t, 0)["learned"].update(statistics=np.ones(3)),
        "statistics are not those of 2",
    ),
    "indicator": (
        lambda t: part(t, 0)["learned"].update(indicator=np.array([1, 0])),
        "indicator is not",
    ),
    "far indicator": (
        lambda t: part(t, 0)["learned"].update(indicator=np.array([9])),
        "out of bounds",
    ),
    "no indicator": (
        lambda t: part(t, 0)["learned"].update(indicator=None),
        "statistics are not those of 2",
    ),
    "dtype": (lambda t: part(t, 0)["learned"].update(dtype="U999"), "dtype is 'U999'"),
    "categories": (
        lambda t: part(t, 2)["learned"].update(categories=[]),
        "not those of 1 features",
    ),
    "no categories": (
        lambda t: part(t, 2)["learned"].update(categories=[[]]),
        "has no categories",
    ),
    "order": (
        lambda t: part(t, 2)["learned"].update(categories=[np.array([2.0, 1, 3])]),
        "not in ascending order",
    ),
    "cells": (
        lambda t: part(t, 2)["learned"].update(categories=[[{}]]),
        "categories has the cell",
    ),
    "infrequent": (
        lambda t: part(t, 2)["learned"].update(infrequent=None),
        "not those of its parameters",
    ),
    "far infrequent": (
        lambda t: part(t, 2)["learned"].update(infrequent=[np.array([7])]),
        "out of bounds",
    ),
    "many categories": (
        lambda t: part(t, 2)["learned"].update(
            categories=[np.arange(2.0**23)], infrequent=[np.array([0])]
        ),
        "8388607 categories",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_states_that_no_save_wrote_are_refused(every_kind, tmp_path, name):
    change, message = WRONG[name]
    save(every_kind, tmp_path / "m")
    edited(tmp_path / "m", change)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(tmp_path / "m", device="cpu")
    assert str(tmp_path / "m") in str(caught.value)
    assert len(str(caught.value)) < 1_000
    assert "\n" not in str(caught.value)


def test_files_that_are_not_described_are_refused(every_kind, tmp_path):
    save(every_kind, tmp_path / "m")
    edited(tmp_path / "m", lambda tree: columns(tree).update(parts=3))
    with pytest.raises(ModelFileError, match="parts is 3"):
        describe(tmp_path / "m")
