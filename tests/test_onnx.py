"""ONNX models of estimators of rows say what the estimators say."""

import copy
import json
import logging
import sys
from pathlib import Path

import new_process
import numpy as np
import onnx
import onnxruntime
import pytest
import scipy.sparse as sp
import torch
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_blobs, make_moons
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)
from torch import nn

import neuraleig
from neuraleig import (
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
    export_onnx,
)
from neuraleig._standardize import FARTHEST, Standardization
from neuraleig.eigenfunctions import Eigenfunctions
from neuraleig.onnx import _writer
from neuraleig.onnx._heads import Standardize
from neuraleig.onnx._steps import steps_module
from neuraleig.reading import (
    Argmax,
    Calibration,
    Discretizer,
    Renumbered,
)
from neuraleig.training import Training

# Float32 rounds the functions of both by about this much. Posteriors of close centres
# multiply it, as do the large weights that least squares give to random layers.
CLOSE = 1e-5
SHARP = 1e-4
OUTPUTS = ["labels", "probabilities", "functions"]


class Residual(nn.Module):
    """Network of one's own, with what is fixed in evaluation."""

    def __init__(self, n_features, norm):
        super().__init__()
        self.inner = nn.Linear(n_features, n_features)
        self.norm = norm(n_features)
        self.outer = nn.Sequential(nn.Dropout(0.5), nn.Linear(n_features, 32))

    def forward(self, rows):
        return self.outer(rows + torch.tanh(self.norm(self.inner(rows)))).tanh()


class ByValue(nn.Linear):
    """Network whose operations the values of its rows decide."""

    def forward(self, rows):
        rows = super().forward(rows)
        return rows if bool(rows.sum() > 1e9) else rows.tanh()


class ByNumber(nn.Linear):
    """Network that does something else for another number of rows."""

    def forward(self, rows):
        return super().forward(rows) * float(rows.shape[0] + 1) ** 0.001


def layer_normed(n_features):
    return Residual(n_features, nn.LayerNorm)


def batch_normed(n_features):
    return Residual(n_features, nn.BatchNorm1d)


def by_value(n_features):
    return ByValue(n_features, 16)


def by_number(n_features):
    return ByNumber(n_features, 16)


CONFIGURATIONS = {
    "argmax": {},
    "kmeans": {"assign_labels": "kmeans", "hidden_sizes": (32, 16, 16)},
    "cluster_qr": {"assign_labels": "cluster_qr", "hidden_sizes": (24,)},
    "orthogonal": {
        "training__head": "orthogonal",
        "training__assignment": "gumbel_softmax",
        "training__max_iter": 20,
    },
    "one function": {"assign_labels": "kmeans", "n_components": 2},
    "layer norm": {"network": layer_normed},
    "batch norm": {"network": batch_normed},
}


@pytest.fixture(scope="module")
def rows():
    """Moons, and far from them."""
    X, _ = make_moons(1200, noise=0.1, random_state=0)
    noise = np.random.default_rng(0).normal(size=(3, *X.shape))
    return np.concatenate([X, X + noise[0] / 4, X + noise[1], X + 3 * noise[2]])


@pytest.fixture(scope="module")
def make_model(rows):
    """Maker of clusterings of the moons, each of which is fitted once."""
    found = {}

    def make(name="argmax"):
        if name not in found:
            options = {"hidden_sizes": (32,), "random_state": 0}
            model = NeuralEigenSpectralClustering(3).set_params(
                **{**options, **CONFIGURATIONS[name]}
            )
            found[name] = model.fit(rows[:400])
        return copy.deepcopy(found[name])

    return make


def exported(model, path, **options):
    """Function of rows that runs the model of an estimator, to a dict of outputs."""
    export_onnx(model, path, **options)
    single = onnxruntime.SessionOptions()
    single.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path, single, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    name = session.get_inputs()[0].name
    return lambda X: dict(zip(names, session.run(None, {name: X}), strict=True))


@pytest.fixture
def run(tmp_path):
    """Exporter and runner of any model."""
    return lambda model, **options: exported(model, tmp_path / "own.onnx", **options)


@pytest.fixture(scope="module")
def run_shared(make_model, tmp_path_factory):
    """Runner of a configuration, exported once."""
    found = {}

    def make(name):
        if name not in found:
            path = tmp_path_factory.mktemp("shared") / "model.onnx"
            found[name] = exported(make_model(name), path)
        return found[name]

    return make


def assert_same(found, model, X, close=CLOSE):
    """Labels equal ties aside, and all else to the rounding of float32."""
    probabilities, functions = model.predict_proba(X), model.transform(X)
    first, second = np.sort(probabilities, axis=1)[:, :-3:-1].T
    clear = first - second > SHARP
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(found["labels"][clear], model.predict(X)[clear])
    np.testing.assert_allclose(found["probabilities"], probabilities, atol=SHARP)
    size = np.maximum(1.0, np.linalg.norm(functions, axis=1, keepdims=True))
    np.testing.assert_allclose(found["functions"] / size, functions / size, atol=close)


# Its exporter fails on it; later ones do not.
NO_BATCH_NORM = pytest.mark.xfail(
    torch.__version__.startswith("2.6."), raises=ValueError, reason="torch 2.6"
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=NO_BATCH_NORM if n == "batch norm" else ())
        for n in CONFIGURATIONS
    ],
)
def test_a_clustering_says_the_same(name, make_model, rows, run_shared):
    model, X = make_model(name), rows.astype(np.float32)
    found = run_shared(name)(X)
    assert list(found) == OUTPUTS
    assert [found[o].dtype for o in OUTPUTS] == [np.int64, np.float32, np.float32]
    assert_same(found, model, X, CLOSE if "norm" not in name else SHARP)


def reordered(known, order):
    """Calibration of some clusters, in an order."""
    return Calibration(
        known.function_centres[order].numpy(),
        known.score_centres[order].numpy(),
        known.slopes.numpy(),
        known.intercept,
    )


def test_a_stream_says_the_same(rows, run):
    X = rows[:400].astype(np.float32)
    model = NeuralEigenSpectralClustering(
        2, hidden_sizes=(16,), assign_labels="kmeans", random_state=0
    )
    for part in np.split(X, 4):
        model.partial_fit(part)
    # Every order is possible; one that moves clusters is to be seen here.
    order = np.array([1, 0])
    model._discretizer = Renumbered(model._discretizer, order)
    model._calibration = reordered(model._calibration, order)
    assert_same(run(model)(X), model, X)


@pytest.mark.parametrize("head", ["linear", "orthogonal"])
def test_an_embedding_gives_what_transform_gives(head, rows, run):
    X = rows[:300].astype(np.float32)
    model = NeuralSpectralEmbedding(
        2, training=Training(head=head, max_iter=5), hidden_sizes=(16,), random_state=0
    ).fit(X)
    found = run(model)(X)
    assert list(found) == ["functions"]
    np.testing.assert_allclose(found["functions"], model.transform(X), atol=CLOSE)


@pytest.mark.parametrize("name", ["argmax", "kmeans", "cluster_qr"])
def test_any_number_of_rows(name, rows, run_shared):
    call, X = run_shared(name), rows.astype(np.float32)
    together = call(X)
    for part in (slice(0, 0), slice(0, 1), slice(7, 9)):
        found = call(X[part])
        for output in OUTPUTS:
            expected = together[output][part]
            assert found[output].shape == expected.shape
            np.testing.assert_allclose(found[output], expected, atol=CLOSE)


def test_dead_clusters_are_left_out(make_model, rows, run):
    model, X = make_model(), rows.astype(np.float32)
    model._discretizer = Argmax(np.array([0, 2]))
    model._calibration = reordered(model._calibration, [0, 2])
    found = run(model)(X)
    assert found["probabilities"].shape[1] == 2
    assert_same(found, model, X)


def test_float64_holds_rows_far_from_zero(rows, run):
    # Steps of float32 are as wide as the moons there.
    X = 1e7 + rows[:400]
    model = NeuralEigenSpectralClustering(2, hidden_sizes=(32,), random_state=0).fit(X)
    labels = model.predict(X)
    assert (model.predict(X.astype(np.float32)) != labels).mean() > 0.05
    found = run(model, dtype="float64")(X)
    assert_same(found, model, X)


def standardizing(shift, scale, bound=FARTHEST):
    """Eigenfunctions that standardise so, and their standardisation."""
    standardization = Standardization(np.asarray(shift, dtype=np.float64), scale, bound)
    nothing = torch.zeros(1)
    module = Eigenfunctions(
        nn.Linear(2, 2), standardization, nothing, nothing[None], nothing
    )
    return module, standardization


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-20, 0.3, 1e9])
def test_rows_are_standardised_to_the_same_bits(dtype, scale):
    X = np.random.default_rng(0).normal(size=(50, 2)).astype(dtype) * 10
    X[0], X[1] = 1e30, -1e30
    module, standardization = standardizing([3.0, 1e6], scale)
    expected = standardization.apply(X)
    assert torch.equal(Standardize(module)(torch.from_numpy(X)), expected)
    assert float(expected.abs().max()) <= np.float32(FARTHEST)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_rows_are_bounded_to_the_same_bits(dtype):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(500, 2)) * np.logspace(0, 37, 500)[:, None]
    X = X.astype(dtype)
    module, standardization = standardizing([3.0, 0.5], 1.7, 12.5)
    expected = standardization.apply(X)
    assert float(expected.abs().max()) < 10 * 12.5
    assert torch.equal(Standardize(module)(torch.from_numpy(X)), expected)
    assert torch.equal(module.standardize(torch.from_numpy(X)), expected)


@pytest.mark.parametrize("assign_labels", ["argmax", "kmeans"])
def test_far_rows_have_the_labels_of_predict(rows, run, assign_labels):
    X = rows[:400].astype(np.float32)
    X[:3] = [[1e3, -1e3], [-9999, 0], [3.4e38, 3.4e38]]
    model = NeuralEigenSpectralClustering(
        2, assign_labels=assign_labels, hidden_sizes=(32,), random_state=0
    ).fit(X)
    asked = np.concatenate([X, 1e5 * X[3:], np.eye(2, dtype=np.float32) * 1e30])
    assert_same(run(model)(asked), model, asked)


def test_every_discretiser_is_exported_above(make_model):
    exported = {type(make_model(name)._discretizer) for name in CONFIGURATIONS}
    # Tests have discretisers of their own.
    own = {
        kind
        for kind in Discretizer.__subclasses__()
        if kind.__module__.startswith("neuraleig.")
    }
    # That of former numbers.
    assert exported | {Renumbered} == own


def test_distinct_points_have_no_spread(run):
    # Probabilities are then exponentials of huge numbers.
    X = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    model = NeuralEigenSpectralClustering(
        3, assign_labels="kmeans", n_neighbors=2, hidden_sizes=(8,), random_state=0
    )
    labels = model.fit(X).predict(X)
    assert np.unique(labels).size == 3
    np.testing.assert_array_equal(run(model)(X)["labels"], labels)


def test_the_file_says_what_it_is(make_model, tmp_path):
    pandas = pytest.importorskip("pandas")
    X, _ = make_blobs(100, centers=2, random_state=0)
    model = NeuralEigenSpectralClustering(2, hidden_sizes=(8,), random_state=0)
    model.fit(pandas.DataFrame(X, columns=["width", "größe"]))
    model.name_clusters({1: "groß"})
    export_onnx(model, str(tmp_path / "model.onnx"))
    proto = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(proto, full_check=True)
    properties = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(properties.pop("feature_names")) == ["width", "größe"]
    assert json.loads(properties.pop("cluster_names")) == {"1": "groß"}
    assert properties == {
        "class": "NeuralEigenSpectralClustering",
        "neuraleig_version": neuraleig.__version__,
        "torch_version": torch.__version__,
        "n_features": "2",
    }
    shapes = {
        value.name: [
            d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim
        ]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    assert shapes == {
        "X": ["n_rows", 2],
        "labels": ["n_rows"],
        "probabilities": ["n_rows", 2],
        "functions": ["n_rows", model.eigenvalues_.size],
    }
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 18)]


def test_the_file_is_one_and_says_nothing_of_this_machine(make_model, tmp_path):
    model = make_model()
    export_onnx(model, tmp_path / "one.onnx")
    export_onnx(model, tmp_path / "two.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.onnx", "two.onnx"]
    content = (tmp_path / "one.onnx").read_bytes()
    assert content == (tmp_path / "two.onnx").read_bytes()
    places = [Path(neuraleig.__file__).parent, Path(torch.__file__).parent, Path.home()]
    assert not [place for place in places if str(place).encode() in content]
    assert b".py" not in content


def test_nothing_is_changed_and_nothing_is_said(make_model, rows, tmp_path, capfd):
    model = make_model("orthogonal")
    model.eigenfunctions_.train()
    modes = [module.training for module in model.eigenfunctions_.modules()]
    before = copy.deepcopy(model.eigenfunctions_.state_dict())
    labels, drawn = model.predict(rows), torch.get_rng_state()
    export_onnx(model, tmp_path / "model.onnx")
    assert modes == [m.training for m in model.eigenfunctions_.modules()]
    assert all(p.requires_grad for p in model.eigenfunctions_.parameters())
    for name, value in model.eigenfunctions_.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(torch.get_rng_state(), drawn)
    np.testing.assert_array_equal(model.predict(rows), labels)
    assert logging.root.manager.disable == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("network", [by_value, by_number])
def test_networks_that_no_graph_can_be_are_refused(
    network, rows, make_model, tmp_path, capfd
):
    path = tmp_path / "model.onnx"
    export_onnx(make_model(), path)
    before = path.read_bytes()
    model = NeuralEigenSpectralClustering(2, network=network, random_state=0)
    model.fit(rows[:200])
    with pytest.raises(ValueError, match=r"torch .* cannot export the network"):
        export_onnx(model, path)
    # The old file, and nothing beside it.
    assert [found.name for found in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_bytes() == before
    assert logging.root.manager.disable == 0
    assert capfd.readouterr() == ("", "")


def test_what_is_no_fitted_estimator_is_refused(make_model, tmp_path):
    path = tmp_path / "model.onnx"
    with pytest.raises(NotFittedError):
        export_onnx(NeuralEigenSpectralClustering(), path)
    with pytest.raises(TypeError, match="estimator is a KMeans; only NeuralEigen"):
        export_onnx(KMeans(), path)

    class Own(NeuralEigenSpectralClustering):
        pass

    with pytest.raises(TypeError, match="no class derived from them"):
        export_onnx(Own(), path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "float16"}, "dtype='float16' .* 'float32', 'float64'"),
        ({"dtype": "uint8"}, "dtype='uint8' is not supported for the input"),
        ({"include_backbone": True}, "include_backbone=True is for DenseSegmenter"),
        ({"image_size": (8, 8)}, r"image_size=\(8, 8\) is for models whose input"),
    ],
)
def test_options_that_do_not_suit_are_refused(options, message, make_model, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_onnx(make_model(), tmp_path / "model.onnx", **options)


def test_paths_are_checked_before_any_work(make_model, tmp_path, monkeypatch):
    monkeypatch.setattr(_writer, "_exported", None)
    with pytest.raises(FileNotFoundError, match="in a folder that does not exist"):
        export_onnx(make_model(), tmp_path / "nowhere" / "model.onnx")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        export_onnx(make_model(), tmp_path)


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_extra_is_named(package, make_model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match="extra 'onnx'"):
        export_onnx(make_model(), tmp_path / "model.onnx")


def test_what_one_file_cannot_hold_is_refused(make_model, tmp_path, monkeypatch):
    monkeypatch.setattr(_writer, "LARGEST_FILE", 1000)
    with pytest.raises(ValueError, match="one file of ONNX holds less than 2 GB"):
        export_onnx(make_model(), tmp_path / "model.onnx")


def test_the_library_imports_no_onnx():
    source = (
        "import sys, neuraleig, neuraleig.onnx\n"
        "sys.exit(bool({'onnx', 'onnxscript', 'onnxruntime'} & set(sys.modules)))"
    )
    assert new_process.run(["-c", source]).returncode == 0


@pytest.mark.gpu
def test_a_fit_on_a_gpu_is_exported_from_the_cpu(rows, run):
    X = rows[:400].astype(np.float32)
    model = NeuralEigenSpectralClustering(
        2, hidden_sizes=(16,), device="cuda", random_state=0
    ).fit(X)
    found = run(model)(X)
    assert next(model.eigenfunctions_.parameters()).is_cuda
    assert (found["labels"] == model.predict(X)).mean() > 0.99


def mixed(n_rows=400, seed=0, missing=0.1):
    """Rows of two clusters whose features differ in their units; some are missing."""
    draw = np.random.default_rng(seed)
    X = draw.normal(size=(n_rows, 5)) * [1, 10, 0.1, 3, 1]
    X[::2] += [6, 60, 0.6, 0, 0]
    X[:, 3] = X[:, 3].round()
    X[draw.random(X.shape) < missing] = np.nan
    return X


PIPELINES = {
    "scaled": [SimpleImputer(), StandardScaler()],
    "robust": [
        SimpleImputer(strategy="median", add_indicator=True),
        RobustScaler(quantile_range=(10, 90)),
    ],
    "bounded": [
        SimpleImputer(strategy="most_frequent"),
        MinMaxScaler((-1, 2), clip=True),
        StandardScaler(with_mean=False),
    ],
    "projected": [SimpleImputer(), StandardScaler(), PCA(3, whiten=True)],
    "svd": [SimpleImputer(), TruncatedSVD(3, random_state=0)],
    "plain projection": [
        SimpleImputer(strategy="constant", fill_value=-1),
        RobustScaler(with_centering=False),
        PCA(4),
        "passthrough",
    ],
    **{
        f"norm {norm}": [SimpleImputer(), StandardScaler(), Normalizer(norm)]
        for norm in ("l1", "l2", "max")
    },
    "columns": [
        ColumnTransformer(
            [
                ("n", make_pipeline(SimpleImputer(), StandardScaler()), [1, 0]),
                ("w", make_pipeline(SimpleImputer(), RobustScaler()), slice(2, 4)),
                ("out", "drop", [4]),
                ("none", StandardScaler(), []),
            ],
            transformer_weights={"w": 0.5},
        ),
        PCA(3),
    ],
    "remaining columns": [
        SimpleImputer(),
        ColumnTransformer(
            [("s", StandardScaler(with_std=False), [1])], remainder="passthrough"
        ),
        StandardScaler(),
    ],
    "scaled remainder": [
        ColumnTransformer(
            [("i", SimpleImputer(), [0, 2])],
            remainder=make_pipeline(SimpleImputer(), StandardScaler()),
        )
    ],
}


def pipeline_of(steps, X):
    model = NeuralEigenSpectralClustering(2, hidden_sizes=(32,), random_state=0)
    return make_pipeline(*steps, model).fit(X)


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_return_the_same(name, dtype):
    X = mixed().astype(dtype)
    pipeline = make_pipeline(*PIPELINES[name]).fit(X)
    module = steps_module(pipeline.steps, torch.from_numpy(X).dtype)
    zeros = np.zeros((3, 5), dtype)
    for rows in (X, mixed(300, seed=1, missing=0.3).astype(dtype), zeros):
        found = module(torch.from_numpy(rows).double()).numpy()
        close = 100 * np.finfo(dtype).eps
        np.testing.assert_allclose(found, pipeline.transform(rows), close, 10 * close)


def test_a_loaded_pipeline_of_frames_says_the_same(run, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(mixed(), columns=list("abcde"))
    # No float32 is equal to it.
    frame["e"] = frame["e"].fillna(0.1)
    numeric = make_pipeline(SimpleImputer(), MinMaxScaler(clip=True))
    other = make_pipeline(
        SimpleImputer(missing_values=0.1, add_indicator=True), StandardScaler()
    )
    columns = ColumnTransformer([("n", numeric, ["d", "a", "b"]), ("o", other, ["e"])])
    pipeline = pipeline_of([columns, PCA(3), Normalizer()], frame)
    neuraleig.save(pipeline, tmp_path / "m")
    call = run(neuraleig.load(tmp_path / "m", device="cpu"), dtype="float64")
    for rows in (frame, frame[:1]):
        assert_same(call(rows.to_numpy()), pipeline, rows, SHARP)
    metadata = {p.key: p.value for p in onnx.load(tmp_path / "own.onnx").metadata_props}
    assert metadata["n_features"] == "5"
    assert json.loads(metadata["feature_names"]) == list("abcde")
    assert metadata["class"] == "NeuralEigenSpectralClustering"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_stand_for_missing_ones(dtype):
    X = np.nan_to_num(mixed(), nan=0.1).astype(dtype)
    step = SimpleImputer(missing_values=0.1, add_indicator=True).fit(X)
    module = steps_module([("i", step)], torch.from_numpy(X).dtype)
    found = module(torch.from_numpy(X).double())
    np.testing.assert_allclose(found.numpy(), step.transform(X), rtol=1e-6)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.filterwarnings("ignore:Skipping features")
def test_a_column_without_values(kept):
    X = mixed()
    X[:, 2] = np.nan
    step = SimpleImputer(keep_empty_features=kept).fit(X)
    found = steps_module([("i", step)], torch.float64)(torch.from_numpy(X))
    np.testing.assert_array_equal(found.numpy(), step.transform(X))


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        (
            [SimpleImputer(), OneHotEncoder(sparse_output=False, max_categories=3)],
            TypeError,
            "'onehotencoder' is a OneHotEncoder, which cannot.*rows of numbers",
        ),
        (
            [
                ColumnTransformer(
                    [
                        (
                            "t",
                            make_pipeline(
                                SimpleImputer(strategy="most_frequent"),
                                StandardScaler(),
                            ),
                            [0, 1],
                        )
                    ]
                )
            ],
            ValueError,
            "'columntransformer__t__simpleimputer' imputes texts",
        ),
    ],
)
def test_steps_of_texts_are_refused(steps, error, message, tmp_path):
    X = mixed()
    if error is ValueError:
        X = X.astype(object)
    pipeline = pipeline_of(steps, X)
    with pytest.raises(error, match=message):
        export_onnx(pipeline, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_pipelines_that_end_otherwise_are_refused(tmp_path):
    pipeline = make_pipeline(StandardScaler(), PCA(2)).fit(mixed(missing=0))
    with pytest.raises(TypeError, match="estimator ends in a PCA; only NeuralEigenS"):
        export_onnx(pipeline, tmp_path / "m.onnx")
    unfitted = make_pipeline(StandardScaler(), NeuralSpectralEmbedding(2))
    with pytest.raises(NotFittedError):
        export_onnx(unfitted, tmp_path / "m.onnx")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_models_of_sparse_rows_take_dense_ones(run, dtype):
    generator = np.random.default_rng(0)
    counts = generator.poisson(0.1, (200, 300)).astype(dtype)
    counts[:100, :100] += generator.poisson(0.3, (100, 100))
    counts[0] = 0
    model = NeuralEigenSpectralClustering(2, hidden_sizes=(32,), random_state=0)
    model.fit(sp.csr_array(counts))
    assert model.projection_ is not None
    assert_same(run(model, dtype=dtype)(counts), model, counts, SHARP)
