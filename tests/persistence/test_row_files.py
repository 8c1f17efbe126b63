"""Estimators of rows in files: all configurations come back, bit for bit."""

import pickle
from functools import partial
from pathlib import Path

import new_process
import numpy as np
import pandas as pd
import pytest
import torch
from persistence.own_parts import edited, plain
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.neighbors import kneighbors_graph
from torch import nn

from neuraleig import (
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
    load,
    save,
)
from neuraleig.affinity import (
    Affinity,
    CallableAffinity,
    NeighborAffinity,
    RBFAffinity,
    TokenAffinity,
)
from neuraleig.networks import MLP
from neuraleig.persistence import ModelFileError
from neuraleig.persistence._parameters import COMPONENTS
from neuraleig.plotting import SpectrumDisplay
from neuraleig.reading import Renumbered
from neuraleig.training import BaseCallback

X, _ = make_blobs(90, centers=[[0, 0], [6, 0], [3, 5]], random_state=0)
SMALL = {
    # So wide that the untrained network mostly knows the few rows.
    "hidden_sizes": (64, 32),
    "training__max_iter": 2,
    "random_state": 0,
    "device": "cpu",
}
# Attributes of the training rows, which files do not hold.
OF_TRAINING = {"_fit_id", "labels_", "embedding_", "alignment_", "_stream"}


def kernel(left, right):
    return np.exp(-np.square(left[:, None] - right).sum(axis=2))


def trunk(n_features):
    return nn.Sequential(nn.Linear(n_features, 8), nn.Tanh(), nn.BatchNorm1d(8))


def other_trunk(n_features):
    return nn.Sequential(nn.Linear(n_features, 8), nn.ReLU(), nn.BatchNorm1d(8))


def wide_trunk(n_features):
    return nn.Sequential(nn.Linear(n_features, 9), nn.Tanh(), nn.BatchNorm1d(9))


def clustering(n_clusters=3, **changes):
    return NeuralEigenSpectralClustering(n_clusters).set_params(**SMALL | changes)


def embedding(n_components=2, **changes):
    return NeuralSpectralEmbedding(n_components).set_params(**SMALL | changes)


def round_trip(model, tmp_path, **brought):
    save(model, tmp_path / "m.safetensors")
    return load(tmp_path / "m.safetensors", device="cpu", **brought)


def new_rows(n_features=2, dtype=np.float64):
    rows = np.random.default_rng(1).normal(3, 4, (41, n_features))
    return rows.astype(dtype)


def assert_says_the_same(model, loaded, rows, **matrix):
    for name in ("transform", "predict", "predict_proba"):
        if hasattr(model, name):
            one, other = getattr(model, name)(rows), getattr(loaded, name)(rows)
            assert type(one) is type(other)
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
            assert np.asarray(one).dtype == np.asarray(other).dtype
    if hasattr(model, "score"):
        one, other = (m.score(rows, **matrix) for m in (model, loaded))
        assert one == other
    assert list(model.get_feature_names_out()) == list(loaded.get_feature_names_out())


def parts_of(component):
    """A component, and all components inside of it."""
    inside = component.get_params().values()
    return [component, *(part for part in inside if isinstance(part, BaseEstimator))]


def assert_same_alternatives(mine, theirs):
    """Clusters of other numbers are those that were saved, but for their labels."""
    one, other = mine.get("cluster_curve_"), theirs.get("cluster_curve_")
    assert (one is None) == (other is None)
    if one is not None:
        for values, loaded in zip(
            vars(one).values(), vars(other).values(), strict=True
        ):
            np.testing.assert_array_equal(values, loaded)
            assert values.dtype == loaded.dtype
    one, other = mine.get("_alternatives"), theirs.get("_alternatives")
    assert (one is None) == (other is None)
    if one is None:
        return
    assert other.labels is None
    np.testing.assert_array_equal(one.cuts, other.cuts)
    np.testing.assert_array_equal(one.modularities, other.modularities)
    for reader, loaded in zip(one.readers, other.readers, strict=True):
        assert type(reader) is type(loaded)
        for key, value in reader.state_dict().items():
            assert torch.equal(value, loaded.state_dict()[key])
    assert (one.heads is None) == (other.heads is None)
    if one.heads is not None:
        assert torch.equal(one.heads.weight, other.heads.weight)
        assert torch.equal(one.heads.bias, other.heads.bias)


def assert_same_attributes(model, loaded):
    mine, theirs = vars(model), vars(loaded)
    assert mine.keys() - theirs.keys() <= OF_TRAINING
    assert theirs.keys() <= mine.keys()
    assert_same_alternatives(mine, theirs)
    left_out = {
        *("_stream", "_alternatives", "cluster_curve_"),
        *("callbacks", "network"),
    }
    for name in theirs.keys() - left_out:
        one, other = mine[name], theirs[name]
        if isinstance(one, nn.Module):
            states = one.state_dict(), other.state_dict()
            assert states[0].keys() == states[1].keys()
            for key, value in states[0].items():
                assert torch.equal(value, states[1][key])
                strides = value.stride(), states[1][key].stride()
                assert strides[0] == strides[1] or value.numel() <= 1, key
            assert one.training == other.training
        elif isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        elif isinstance(one, BaseEstimator):
            assert type(one) is type(other)
            for mine_in, theirs_in in zip(parts_of(one), parts_of(other), strict=True):
                assert plain(vars(mine_in)) == plain(vars(theirs_in))
        else:
            assert (type(one), one) == (type(other), other), name


CONFIGURATIONS = {
    "argmax": (clustering, {}, X),
    "kmeans": (clustering, {"assign_labels": "kmeans"}, X),
    "cluster_qr": (clustering, {"assign_labels": "cluster_qr"}, X),
    "no steps": (clustering, {"training__max_iter": None}, X),
    "random start": (
        clustering,
        {
            "training__init": "random",
            "assign_labels": "kmeans",
            "training__max_iter": 60,
        },
        X,
    ),
    "orthogonal": (clustering, {"training__head": "orthogonal"}, X),
    "orthogonal, kmeans": (
        clustering,
        {
            "training__head": "orthogonal",
            "assign_labels": "kmeans",
            "hidden_sizes": (16,),
        },
        X,
    ),
    "gumbel": (
        clustering,
        {
            "training__assignment": "gumbel_softmax",
            "training__temperature": (1.0, 0.5),
            "training__objective": "neuralef",
            "training__label_objective": "neuralef",
        },
        X,
    ),
    "rbf": (clustering, {"affinity": "rbf"}, X),
    "rbf, gamma": (clustering, {"affinity": "rbf", "gamma": 0.5}, X),
    "cosine": (clustering, {"affinity": "cosine"}, X),
    "affinity object": (
        clustering,
        {"affinity": NeighborAffinity(8, weights="heat", regularization=0.1)},
        X,
    ),
    "rbf of tokens": (clustering, {"affinity": TokenAffinity(RBFAffinity())}, X),
    "rbf of tokens of tokens": (
        clustering,
        {"affinity": TokenAffinity(TokenAffinity(RBFAffinity(), n_channels=1))},
        X,
    ),
    "rbf object": (clustering, {"affinity": RBFAffinity(n_landmarks=50)}, X),
    "hidden centres": (clustering, {"assign_labels": "kmeans_hidden"}, X),
    "one cluster": (clustering, {"n_clusters": 1}, X),
    "one cluster, kmeans": (
        clustering,
        {"n_clusters": 1, "assign_labels": "kmeans"},
        X,
    ),
    "one cluster, qr": (
        clustering,
        {"n_clusters": 1, "assign_labels": "cluster_qr"},
        X,
    ),
    "one component": (clustering, {"n_components": 1}, X),
    "more components": (clustering, {"n_components": 5}, X),
    "a curve": (clustering, {"n_clusters": "auto", "max_clusters": 5}, X),
    "a curve of kmeans": (
        clustering,
        {"max_clusters": 4, "assign_labels": "kmeans"},
        X,
    ),
    "a curve without other clusters": (
        clustering,
        {"max_clusters": 4, "assign_labels": "cluster_qr"},
        X,
    ),
    "one feature": (clustering, {"n_clusters": 2}, X[:, :1].copy()),
    "float32": (clustering, {}, X.astype(np.float32)),
    "far away": (clustering, {"metric": "manhattan"}, X * 1e7 + 1e9),
    "names": (clustering, {}, pd.DataFrame(X, columns=["größe", "b c"])),
    "drawn": (clustering, {"max_graph_rows": 60}, X),
    "perceptron of ours": (clustering, {"network": partial(MLP, hidden_sizes=(5,))}, X),
    "no layers": (clustering, {"network": partial(MLP, hidden_sizes=())}, X),
    "embedding": (embedding, {}, X),
    "embedding, rbf": (embedding, {"affinity": "rbf"}, X),
    "embedding, random": (
        embedding,
        {"training__init": "random", "hidden_sizes": [12]},
        X,
    ),
    "embedding, one": (embedding, {"n_components": 1}, X[:, :1].copy()),
    "embedding, orthogonal": (
        embedding,
        {"training__head": "orthogonal", "training__objective": "nested_low_rank"},
        X,
    ),
    "embedding, names": (embedding, {}, pd.DataFrame(X, columns=["a", "b"])),
}
pytestmark = pytest.mark.filterwarnings(
    "ignore::neuraleig.GraphWarning",
    "ignore::sklearn.exceptions.ConvergenceWarning",
)


@pytest.mark.parametrize(
    ("make", "changes"),
    [
        (clustering, {"n_clusters": np.int64(3)}),
        (clustering, {"n_components": np.int64(4), "assign_labels": "kmeans"}),
        (clustering, {"n_clusters": np.int32(2), "assign_labels": "cluster_qr"}),
        (clustering, {"hidden_sizes": (np.int64(8), np.int16(4))}),
        (clustering, {"n_neighbors": np.int64(5), "training__lr": np.float64(1e-3)}),
        (embedding, {"n_components": np.int64(2), "training__max_iter": np.int64(1)}),
    ],
)
def test_sizes_may_be_integers_of_numpy(make, changes, tmp_path):
    # As a grid search over np.arange sets them.
    model = make(**changes).fit(X)
    assert_says_the_same(model, round_trip(model, tmp_path), new_rows())


@pytest.mark.parametrize(
    "kind", [kind for kind in COMPONENTS.values() if issubclass(kind, Affinity)]
)
def test_affinities_keep_nothing_of_a_fit_but_their_width(kind):
    affinity = kind(kernel) if kind is CallableAffinity else kind()
    # Files hold the parameters and this one.
    affinity.build(X, matrix=kneighbors_graph(X, 20, mode="distance"))
    assert vars(affinity).keys() - affinity.get_params(deep=False).keys() <= {"gamma_"}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_every_configuration_says_the_same_and_has_the_same_attributes(name, tmp_path):
    make, changes, rows = CONFIGURATIONS[name]
    model = make(**changes).fit(rows)
    loaded = round_trip(model, tmp_path)
    assert_same_attributes(model, loaded)
    if "network" not in changes:
        assert plain(loaded.get_params()) == plain(model.get_params())
        kinds = [list(map(type, m.get_params().values())) for m in (model, loaded)]
        assert kinds[0] == kinds[1]
    asked = new_rows(rows.shape[1], np.asarray(rows).dtype)
    if isinstance(rows, pd.DataFrame):
        asked = pd.DataFrame(asked, columns=rows.columns)
    assert_says_the_same(model, loaded, asked)
    # What is saved again is the same file, to the byte.
    first = (tmp_path / "m.safetensors").read_bytes()
    save(loaded, tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == first


def test_in_a_later_process_they_do_too(tmp_path):
    models = {
        "a": clustering(assign_labels="kmeans").fit(X),
        "b": clustering(training__head="orthogonal").fit(X),
        "c": embedding().fit(X),
    }
    for name, model in models.items():
        save(model, tmp_path / f"{name}.safetensors")
    np.save(tmp_path / "rows.npy", new_rows())
    code = (
        "import sys, numpy as np; from pathlib import Path; "
        "from neuraleig import load; folder = Path(sys.argv[1]); "
        "rows = np.load(folder / 'rows.npy'); found = {}\n"
        "for path in folder.glob('*.safetensors'):\n"
        "    model = load(path, device='cpu')\n"
        "    found[path.stem + 'transform'] = model.transform(rows)\n"
        "    if path.stem != 'c':\n"
        "        found[path.stem + 'predict'] = model.predict(rows)\n"
        "        found[path.stem + 'predict_proba'] = model.predict_proba(rows)\n"
        "        found[path.stem + 'score'] = model.score(rows)\n"
        "np.savez(folder / 'found.npz', **found)"
    )
    new_process.run(["-c", code, tmp_path], check=True)
    found = np.load(tmp_path / "found.npz")
    assert len(found.files) == 9
    for key in found.files:
        expected = getattr(models[key[0]], key[1:])(new_rows())
        np.testing.assert_array_equal(found[key], expected, err_msg=key)


def test_precomputed_affinities_are_passed_to_score_as_before(tmp_path):
    matrix = kneighbors_graph(X, 8, mode="distance")
    model = clustering(affinity="precomputed_nearest_neighbors", n_neighbors=8)
    model.fit(X, affinity_matrix=matrix)
    loaded = round_trip(model, tmp_path)
    assert_says_the_same(model, loaded, X, affinity_matrix=matrix)


def test_fitted_parts_are_those_of_the_fit_whatever_parameters_say_now(tmp_path):
    model = clustering(assign_labels="kmeans").fit(X)
    before = model.predict_proba(X)
    model.set_params(
        hidden_sizes=(99,), assign_labels="argmax", max_clusters=9, n_clusters=7
    )
    loaded = round_trip(model, tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(X), before)
    assert loaded.n_clusters == 7


def test_iterators_outputs_and_displays_work_after_loading(tmp_path):
    model = clustering().fit(pd.DataFrame(X, columns=["a", "b"]))
    model.set_output(transform="pandas")
    loaded = round_trip(model, tmp_path)
    frame = pd.DataFrame(X, columns=["a", "b"])
    pd.testing.assert_frame_equal(loaded.transform(frame), model.transform(frame))
    parts = list(loaded.iter_predict(part for part in (frame[:50], frame[50:])))
    np.testing.assert_array_equal(np.concatenate(parts), model.predict(frame))
    shown = SpectrumDisplay.from_estimator(loaded)
    expected = SpectrumDisplay.from_estimator(model)
    np.testing.assert_array_equal(shown.eigenvalues, expected.eigenvalues)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.rename(columns={"a": "z"}))
    plain = round_trip(model.set_output(transform="default"), tmp_path)
    assert isinstance(plain.transform(frame), np.ndarray)


def test_files_hold_no_training_rows_and_no_labels_of_them(tmp_path):
    rows = np.random.default_rng(0).normal(size=(3_000, 2))
    for make in (clustering, embedding):
        model = make(hidden_sizes=(8, 4), training__max_iter=0)
        save(model.fit(rows), tmp_path / "m")
        assert (tmp_path / "m").stat().st_size < 8_000
    stream = clustering().partial_fit(X)
    save(stream, tmp_path / "m")
    content = (tmp_path / "m").read_bytes()
    for row in X.astype(np.float32), X:
        assert not any(part.tobytes() in content for part in row)
    loaded = load(tmp_path / "m", device="cpu")
    assert not hasattr(loaded, "labels_")


def test_a_loaded_model_goes_on_with_a_stream_as_after_fit(tmp_path):
    model = clustering().fit(X)
    loaded = round_trip(model, tmp_path)
    more = new_rows()
    for one in (model, loaded):
        one.partial_fit(more)
    assert loaded.n_samples_seen_ == len(X)
    np.testing.assert_array_equal(loaded.labels_, model.labels_)
    for one in (model, loaded):
        one.partial_fit(np.concatenate([X, more]) + 0.1)
    assert loaded.n_samples_seen_ == len(X) + 2 * len(more) > len(X) * 1.1
    np.testing.assert_array_equal(loaded.labels_, model.labels_)
    assert_says_the_same(model, loaded, more)


def test_what_a_stream_has_renumbered_comes_back(tmp_path):
    model = clustering(assign_labels="kmeans").partial_fit(X)
    model.partial_fit(X[::-1] + 0.1)
    # Every order is possible; one that moves clusters is to be seen here.
    model._discretizer = Renumbered(model._discretizer, np.array([1, 2, 0]))
    loaded = round_trip(model, tmp_path)
    np.testing.assert_array_equal(
        loaded._discretizer.order, model._discretizer.order, strict=True
    )
    assert_says_the_same(model, loaded, new_rows())
    assert loaded.n_samples_seen_ == model.n_samples_seen_


def test_a_stream_goes_on_after_loading_once_it_is_longer_than_what_was_seen(tmp_path):
    loaded = round_trip(clustering().partial_fit(X), tmp_path)
    loaded.partial_fit(X[:50] + 0.1)
    assert loaded.n_samples_seen_ == 90
    before = loaded.predict(X)
    loaded.partial_fit(X[:60] + 0.1)
    assert loaded.n_samples_seen_ == 110
    # Clusters keep their numbers.
    assert np.mean(loaded.predict(X) == before) > 0.9


def test_a_loaded_model_can_be_cloned_fitted_and_pickled(tmp_path):
    model = clustering(affinity=kernel).fit(X)
    loaded = round_trip(model, tmp_path, affinity=kernel)
    np.testing.assert_array_equal(clone(loaded).fit(X).labels_, model.labels_)
    again = pickle.loads(pickle.dumps(loaded))
    np.testing.assert_array_equal(again.predict(X), model.labels_)


def test_an_affinity_of_ones_own_is_needed_by_what_builds_graphs_alone(tmp_path):
    model = clustering(affinity=kernel).fit(X)
    loaded = round_trip(model, tmp_path)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    message = r"affinity.* was '.*kernel'.*load as affinity="
    for method in (loaded.score, loaded.fit, clone(loaded).fit):
        with pytest.raises(ValueError, match=message):
            method(X)
    with pytest.raises(ValueError, match=message):
        loaded.partial_fit(np.repeat(X, 2, axis=0))
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    # It may be saved again, and be given then.
    again = round_trip(pickle.loads(pickle.dumps(loaded)), tmp_path, affinity=kernel)
    assert again.score(X) == model.score(X)
    assert_says_the_same(model, again, new_rows())


def test_the_function_of_an_affinity_object_is_passed(tmp_path):
    model = clustering(affinity=CallableAffinity(kernel, n_landmarks=60)).fit(X)
    loaded = round_trip(model, tmp_path, affinity=kernel)
    assert loaded.affinity.function is kernel
    assert loaded.affinity.n_landmarks == 60
    assert loaded.score(X) == model.score(X)
    again = round_trip(loaded, tmp_path)
    message = r"affinity__function was '.*kernel'.*load as affinity="
    with pytest.raises(ValueError, match=message):
        again.score(X)


def test_a_network_of_ones_own_is_passed_again(tmp_path):
    model = clustering(network=trunk).fit(X)
    save(model, tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"Sequential.*pass what makes it as netw"):
        load(tmp_path / "m", device="cpu")
    state = torch.get_rng_state()
    loaded = load(tmp_path / "m", network=trunk, device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    assert loaded.network is trunk
    assert_same_attributes(model, loaded)
    assert_says_the_same(model, loaded, new_rows())
    assert clone(loaded).fit(X).ncut_ == model.ncut_


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (other_trunk, "other outputs"),
        (wide_trunk, "shape"),
        (partial(MLP, hidden_sizes=(8,)), "without"),
        (lambda n: 1 / 0, "ZeroDivisionError"),
        (lambda n: "x", "AttributeError"),
    ],
)
def test_another_network_is_refused(tmp_path, other, message):
    save(embedding(network=trunk).fit(X), tmp_path / "m")
    with pytest.raises(ModelFileError, match=f"{message}.*pass the one of the fit"):
        load(tmp_path / "m", network=other, device="cpu")


def test_a_perceptron_that_a_function_made_needs_no_function_to_predict(tmp_path):
    model = clustering(network=partial(MLP, hidden_sizes=(8,))).fit(X)
    loaded = round_trip(model, tmp_path)
    assert_says_the_same(model, loaded, X)
    with pytest.raises(ValueError, match=r"network was 'functools.partial'.*network="):
        loaded.fit(X)


def test_a_function_set_after_the_fit_does_not_change_what_is_loaded(tmp_path):
    model = clustering(network=trunk).fit(X).set_params(network="mlp")
    loaded = round_trip(model, tmp_path, network=trunk)
    assert loaded.network == "mlp"
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


class Masked(nn.Module):
    """Keeps an infinity, half precision, integers, bools, and a weight twice."""

    def __init__(self, n_features):
        super().__init__()
        self.first = nn.Linear(n_features, 6)
        self.tied = self.first
        self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
        self.register_buffer("kept", torch.tensor([True, False]))
        self.register_buffer("halves", torch.ones(2, dtype=torch.bfloat16))
        self.register_buffer("count", torch.tensor(3))

    def forward(self, rows):
        weights = self.mask.softmax(0)[0] * self.halves[0].float()
        return torch.tanh(self.tied(rows)) * weights * self.count * self.kept[0]


def test_networks_of_users_may_keep_anything_but_objects(tmp_path):
    model = clustering(network=Masked).fit(X)
    loaded = round_trip(model, tmp_path, network=Masked)
    assert_says_the_same(model, loaded, new_rows())

    class WithExtra(Masked):
        def get_extra_state(self):
            return {"a": 1}

        def set_extra_state(self, state):
            pass

    class Complex(Masked):
        def __init__(self, n_features):
            super().__init__(n_features)
            self.register_buffer("phase", torch.ones(1, dtype=torch.complex64))

    for network in (WithExtra, Complex):
        with pytest.raises(TypeError, match=r"network keeps '.*', which is"):
            save(clustering(network=network).fit(X), tmp_path / "m")


@pytest.mark.parametrize(
    ("brought", "message"),
    [
        ({"affinity": kernel}, "no use for affinity=.*leave affinity out"),
        ({"network": trunk}, "no use for network=.*leave network out"),
        ({"network": "mlp"}, "only functions are passed"),
        ({"backbone": trunk}, "no use for backbone="),
        ({"weights": "w.pth"}, "no use for weights='w.pth'"),
    ],
)
def test_what_a_model_does_not_need_is_refused(tmp_path, brought, message):
    save(clustering().fit(X), tmp_path / "m")
    with pytest.raises(ModelFileError, match=message):
        load(tmp_path / "m", device="cpu", **brought)


def test_what_is_no_plain_parameter_is_dropped_or_refused(tmp_path):
    model = clustering(
        callbacks=[BaseCallback()],
        random_state=np.random.RandomState(0),
        training__tol=np.float32(0.5),
        checkpoint=tmp_path / "folder",
    ).fit(X)
    loaded = round_trip(model, tmp_path)
    assert (loaded.callbacks, loaded.random_state) == (None, None)
    assert (loaded.training.tol, type(loaded.training.tol)) == (0.5, float)
    assert loaded.checkpoint == str(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    before = (tmp_path / "m.safetensors").read_bytes()
    for name, value, error in (
        ("training__lr", torch.tensor(0.1), TypeError),
        ("training__lr", np.inf, ValueError),
        ("training__lr", -1.0, ValueError),
        ("n_neighbors", "many", ValueError),
        ("verbose", print, TypeError),
    ):
        wrong = clone(model).fit(X).set_params(**{name: value})
        with pytest.raises(error, match=name):
            save(wrong, tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == before


def test_only_fitted_estimators_of_known_classes_are_saved(tmp_path):
    class Mine(NeuralEigenSpectralClustering):
        pass

    for estimator in (clustering(), embedding()):
        with pytest.raises(NotFittedError):
            save(estimator, tmp_path / "m")
    with pytest.raises(TypeError, match="Mine"):
        save(Mine(), tmp_path / "m")
    with pytest.raises(ValueError, match=r"include_backbone=True.*no backbone"):
        save(clustering().fit(X), tmp_path / "m", include_backbone=True)
    assert list(tmp_path.iterdir()) == []


def test_names_of_features_beyond_what_is_read_are_refused_at_once(tmp_path):
    model = clustering().fit(pd.DataFrame(X, columns=["a" * 2**24, "b"]))
    with pytest.raises(ValueError, match="shorten the names of the features"):
        save(model, tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_a_precision_of_another_device_does_not_hinder_loading(tmp_path):
    # As after a fit on CUDA, where it could be trained in.
    model = clustering().fit(X).set_params(training__precision="float16", device="cuda")
    loaded = round_trip(model, tmp_path)
    assert (loaded.training.precision, loaded.device) == ("float16", "cpu")
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.fixture(scope="module")
def fitted():
    return {
        kind: clustering(assign_labels=kind).partial_fit(pd.DataFrame({"a": X[:, 0]}))
        for kind in ("argmax", "kmeans", "cluster_qr")
    }


FIRST = "network.trunk.layers.0.weight"


def weights(tree):
    return tree["network"]["weights"]


def trunk_of(tree):
    return tree["network"]["trunk"]


def training(tree):
    return tree["parameters"]["training"]


def calibration(tree):
    return tree["calibration"]


def read(tree):
    return tree["discretizer"]


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("argmax", lambda t: weights(t).pop(FIRST), f"without '{FIRST}'"),
        ("argmax", lambda t: t.update(more=np.ones(1)), "unknown 'more'"),
        ("argmax", lambda t: weights(t).update(x=torch.ones(1)), "unknown 'x'"),
        ("argmax", lambda t: weights(t)[FIRST].fill_(torch.inf), "not finite"),
        ("argmax", lambda t: weights(t).update({FIRST: torch.ones(1).half()}), "16"),
        ("argmax", lambda t: weights(t).update({FIRST: 3}), "tensors by name"),
        ("argmax", lambda t: read(t).pop("clusters"), "clusters"),
        ("argmax", lambda t: read(t)["clusters"].__iadd__(9), "none of 3 scores"),
        ("argmax", lambda t: read(t)["clusters"].fill(0), "none of 3 scores"),
        ("argmax", lambda t: read(t).update(clusters=np.arange(0)), "none of 3"),
        ("kmeans", lambda t: read(t)["centres"].fill(np.nan), "finite"),
        ("kmeans", lambda t: read(t).update(centres=np.ones((3, 99))), "99.* for 9"),
        ("kmeans", lambda t: read(t).update(centres=np.ones((0, 2))), "shape"),
        ("kmeans", lambda t: read(t).pop("spread"), "no 'spread'"),
        ("kmeans", lambda t: read(t).update(spread="x"), "spread is 'x'"),
        ("cluster_qr", lambda t: read(t).pop("rotation"), "rotation"),
        ("cluster_qr", lambda t: read(t).update(diffusion_time=-1), "diffusion_time"),
        ("cluster_qr", lambda t: read(t).update(kind="dbscan"), "dbscan"),
        ("argmax", lambda t: read(t).update(kind="renumbered"), "unknown|order"),
        ("argmax", lambda t: read(t).update(more=1), "unknown 'more'"),
        ("argmax", lambda t: calibration(t).pop("slopes"), "no 'slopes'"),
        ("kmeans", lambda t: calibration(t)["slopes"].fill(-1), "two slopes"),
        ("argmax", lambda t: calibration(t).update(slopes=np.ones(3)), "two slopes"),
        ("argmax", lambda t: calibration(t).update(intercept=np.inf), "finite"),
        (
            "argmax",
            lambda t: calibration(t).update(score_centres=np.ones((3, 9))),
            r"of shapes .*\(3, 9\)",
        ),
        (
            "argmax",
            lambda t: t["reference"].update(cluster_shares_=np.ones(9)),
            "not those of 3 clusters",
        ),
        ("argmax", lambda t: t.update(cluster_names={3: "x"}), "names of clusters bey"),
        ("argmax", lambda t: t.update(cluster_names={"0": "x"}), "numbers of clusters"),
        ("argmax", lambda t: t.update(cluster_names={0: 1}), "numbers of clusters"),
        (
            "argmax",
            lambda t: t.update(projection=np.ones((9, 200), np.float32)),
            "its projection is not one onto",
        ),
        ("argmax", lambda t: t.update(projection=np.ones((9, 2))), "projection is fl"),
        ("argmax", lambda t: t["density"].pop("means"), "no 'means'"),
        ("argmax", lambda t: t["density"].update(floor=-1.0), "floor is -1"),
        ("argmax", lambda t: t["density"]["factors"].fill(0), "not positive"),
        (
            "argmax",
            lambda t: t["density"].update(centre=np.ones(7, np.float32)),
            r"centre is of shape \(7,\)",
        ),
        (
            "argmax",
            lambda t: t["density"].update(quantiles=np.arange(9.0)[::-1].copy()),
            "ascending",
        ),
        ("argmax", lambda t: t.pop("fit"), "no 'fit'"),
        ("argmax", lambda t: t["fit"].pop("ncut_"), "no 'ncut_'"),
        ("argmax", lambda t: t["fit"].update(n_iter_=-1), "at least 0"),
        ("argmax", lambda t: t["fit"].update(n_iter_=10**400), "n_iter_ is 1000"),
        ("argmax", lambda t: t["fit"].update(ncut_=np.inf), "finite"),
        ("argmax", lambda t: t["feature_names"].append("b"), "names of features"),
        ("argmax", lambda t: t.update(feature_names=[1]), r"feature_names\[0\] is 1"),
        ("argmax", lambda t: t.update(transform_output="dask"), "'dask'"),
        ("argmax", lambda t: t["parameters"].update(gamma=-1), "gamma"),
        ("argmax", lambda t: t["parameters"].update(gamma=np.nan), "gamma is nan"),
        ("argmax", lambda t: t["parameters"].update(gamma=np.ones(1)), "is float64"),
        ("argmax", lambda t: t["parameters"].update(speed=1), "'speed'"),
        ("argmax", lambda t: t["parameters"].update(gamma={"function": "a"}), "func"),
        ("argmax", lambda t: t["parameters"].update(gamma={"more": 1}), "'more'"),
        ("argmax", lambda t: training(t)["parameters"].update(lr=-1), "training__lr"),
        ("argmax", lambda t: training(t)["parameters"].update(speed=1), "'speed'"),
        ("argmax", lambda t: training(t).update({"class": "os.system"}), "one of "),
        (
            "argmax",
            lambda t: training(t).update({"class": "RBFAffinity", "parameters": {}}),
            "'training' parameter",
        ),
        ("argmax", lambda t: training(t).update(parameters=3), "parameters is 3"),
        (
            "argmax",
            lambda t: t["affinity"].update(component=training(t)),
            "its affinity is a Training",
        ),
        ("argmax", lambda t: t["parameters"].update(network="resnet"), "network"),
        # Networks beyond what the file has weights for are never made.
        (
            "argmax",
            lambda t: trunk_of(t)["sizes"].update(hidden_sizes=[10**15]),
            "damaged",
        ),
        (
            "argmax",
            lambda t: trunk_of(t)["sizes"].update(hidden_sizes=[1] * 10**5),
            "100000 layers of",
        ),
        ("argmax", lambda t: trunk_of(t)["sizes"].update(n_features=2), "1 centres"),
        ("argmax", lambda t: t["network"].update(n_clusters=10**12), "damaged"),
        ("argmax", lambda t: t["network"].update(n_functions=2**62), "damaged"),
        ("argmax", lambda t: t["network"].update(n_components=0), "at least 1"),
        ("argmax", lambda t: t["network"].update(label_head="cubic"), "'cubic'"),
        ("argmax", lambda t: t["network"].update(noise=1), "expected true or false"),
        ("argmax", lambda t: weights(t).update(shift=torch.empty(0)), "no features"),
    ],
)
def test_states_that_no_save_wrote_are_refused(fitted, tmp_path, kind, change, message):
    save(fitted[kind], tmp_path / "m")
    edited(tmp_path / "m", change)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(tmp_path / "m", device="cpu")
    assert str(tmp_path / "m") in str(caught.value)
    assert len(str(caught.value)) < 1_000
    assert "\n" not in str(caught.value)


def test_files_of_versions_without_a_calibration_are_read(fitted, tmp_path):
    model = fitted["argmax"]
    save(model, tmp_path / "m")

    def former(tree):
        for name in ("calibration", "density", "reference"):
            del tree[name]

    edited(tmp_path / "m", former)
    loaded = load(tmp_path / "m", device="cpu")
    rows = pd.DataFrame({"a": X[:, 0]})
    np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))
    probabilities = loaded.predict_proba(rows)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), loaded.predict(rows))
    with pytest.raises(ValueError, match="no density of rows"):
        loaded.score_samples(rows)
    # It may be saved again.
    save(loaded, tmp_path / "again")
    again = load(tmp_path / "again", device="cpu")
    np.testing.assert_array_equal(again.predict_proba(rows), probabilities)


def test_an_unknown_class_is_refused(fitted, tmp_path):
    save(fitted["argmax"], tmp_path / "m")
    edited(tmp_path / "m", lambda tree: None, "os.system")
    with pytest.raises(ModelFileError, match=r"'os.system'.*it loads NeuralEigenSp"):
        load(tmp_path / "m")
    # The state of another class is none of this one.
    edited(tmp_path / "m", lambda tree: None, "NeuralSpectralEmbedding")
    with pytest.raises(ModelFileError, match="damaged"):
        load(tmp_path / "m")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize(
    "changes", [{}, {"assign_labels": "kmeans"}, {"network": trunk}]
)
def test_a_model_of_cuda_runs_on_the_cpu_and_back(changes, tmp_path):
    model = clustering(**changes | {"device": "cuda"}).fit(X)
    brought = {key: value for key, value in changes.items() if key == "network"}
    here = round_trip(model, tmp_path, **brought)
    assert here.device_ == "cpu"
    np.testing.assert_allclose(here.transform(X), model.transform(X), atol=1e-3)
    assert np.mean(here.predict(X) == model.predict(X)) > 0.98
    save(here, tmp_path / "m.safetensors")
    there = load(Path(tmp_path, "m.safetensors"), device="cuda", **brought)
    assert there.device_.startswith("cuda")
    assert_says_the_same(model, there, X)
