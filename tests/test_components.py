"""Parts of estimators are scikit-learn estimators: parameters, copies, grids."""

import importlib
import inspect
import pickle
import threading

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

import neuraleig
from neuraleig import (
    DenseSegmenter,
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
)
from neuraleig.affinity import (
    Affinity,
    CallableAffinity,
    CosineAffinity,
    KernelAffinity,
    NeighborAffinity,
    PrecomputedAffinity,
    PrecomputedNeighborAffinity,
    RBFAffinity,
    TokenAffinity,
    make_affinity,
)
from neuraleig.training import Training

PACKAGES = ["affinity", "networks", "segmentation.backbones", "training"]
ROW_ESTIMATORS = [NeuralEigenSpectralClustering, NeuralSpectralEmbedding]
X, Y = make_blobs(
    90, n_features=4, centers=3, center_box=(-8, 8), cluster_std=0.5, random_state=3
)
SMALL = {"hidden_sizes": (16,), "n_neighbors": 5, "random_state": 0}
FOLDS = KFold(2, shuffle=True, random_state=0)


def gaussian(left, right):
    return np.exp(-np.square(left[:, None] - right).sum(axis=2) / 8)


# What has no default.
REQUIRED = {"function": gaussian, "name": "vit_small_patch14_reg4_dinov2"}


def made(kind):
    """A component of a class, with its defaults."""
    wanted = inspect.signature(kind).parameters
    return kind(**{name: REQUIRED[name] for name in REQUIRED.keys() & wanted.keys()})


def found():
    """A component of every public class that is one."""
    kinds = set()
    for package in PACKAGES:
        module = importlib.import_module(f"neuraleig.{package}")
        for name in module.__all__:
            value = getattr(module, name)
            if not inspect.isclass(value) or inspect.isabstract(value):
                continue
            if issubclass(value, BaseEstimator):
                kinds.add(value)
    return [made(kind) for kind in sorted(kinds, key=lambda kind: kind.__name__)]


COMPONENTS = found()
# Another value of some parameters; numbers are doubled.
OTHER = {
    "init": "random",
    "objective": "neuralef",
    "label_objective": "neuralef",
    "sampling": "nodes",
    "head": "orthogonal",
    "assignment": "gumbel_softmax",
    "optimizer": "adam",
    "precision": "float32",
    "metric": "cosine",
    "weights": "binary",
    "backend": "torch",
    "name": "vit_base_patch14_dinov2",
    "layers": (1, 2),
    "temperature": (2.0, 1.0),
    "function": np.dot,
}


def another(name, value):
    if name in OTHER:
        return OTHER[name]
    if isinstance(value, bool):
        return not value
    return 3 if value is None else 2 * value + 1


@pytest.fixture(params=COMPONENTS, ids=lambda part: type(part).__name__)
def component(request):
    return clone(request.param)


def test_every_kind_of_component_is_found():
    kinds = {type(component) for component in COMPONENTS}
    assert kinds >= {
        CallableAffinity,
        CosineAffinity,
        NeighborAffinity,
        PrecomputedAffinity,
        PrecomputedNeighborAffinity,
        RBFAffinity,
        Training,
    }
    assert neuraleig.Training is Training


# The contract of scikit-learn, as far as it needs no fit


@pytest.mark.parametrize(
    "name",
    [
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_valid_tag_types",
    ],
)
def test_contract(component, name):
    getattr(estimator_checks, name)(type(component).__name__, component)


def test_every_parameter_is_checked_and_described(component):
    parameters = component.get_params(deep=False)
    assert component._parameter_constraints.keys() == parameters.keys()
    documentation = inspect.getdoc(type(component))
    # Some refer to their base.
    documentation += inspect.getdoc(type(component).__mro__[1]) or ""
    assert [name for name in parameters if name not in documentation] == []


def test_copies_have_the_same_parameters(component):
    for name, value in component.get_params().items():
        component.set_params(**{name: another(name, value)})
    expected = component.get_params()
    usual = made(type(component)).get_params()
    assert all(expected[name] != value for name, value in usual.items())
    for copied in (clone(component), pickle.loads(pickle.dumps(component))):
        assert copied is not component
        assert copied.get_params() == expected


def test_the_repr_shows_what_differs(component):
    kind = type(component).__name__
    usual = repr(component)
    assert usual.startswith(f"{kind}(")
    for name, value in component.get_params().items():
        assert (f"{name}=" in usual) == (name in REQUIRED)
        changed = another(name, value)
        shown = repr(clone(component).set_params(**{name: changed}))
        assert f"{name}={changed!r}" in shown.replace("\n", "")
        # And nothing else.
        assert shown.count("=") == usual.count("=") + (name not in REQUIRED)


def test_names_that_do_not_exist_are_refused(component):
    with pytest.raises(ValueError, match="Invalid parameter 'toaster' for estimator"):
        component.set_params(toaster=1)


# Inside estimators


@pytest.fixture(params=ROW_ESTIMATORS)
def estimator(request):
    return request.param().set_params(**SMALL)


def parts_of(component):
    """Parameter of an estimator that holds a component."""
    return "affinity" if isinstance(component, Affinity) else "training"


ROW_COMPONENTS = [c for c in COMPONENTS if isinstance(c, Affinity | Training)]


@pytest.mark.parametrize(
    ("component", "name"),
    [(c, name) for c in ROW_COMPONENTS for name in c.get_params()],
    ids=lambda value: (
        getattr(type(value), "__name__", "")
        if isinstance(value, BaseEstimator)
        else value
    ),
)
def test_invalid_values_are_named_by_their_path(component, name):
    part = parts_of(component)
    model = NeuralEigenSpectralClustering(**{part: clone(component)})
    model.set_params(**{f"{part}__{name}": b"toaster"})
    message = rf"The '{part}__{name}' parameter of NeuralEigen.* Got b'toaster' instead"
    with pytest.raises(ValueError, match=message):
        model.fit(X)
    assert not hasattr(model, "n_features_in_")


def test_training_is_made_where_it_is_none(estimator):
    assert estimator.training is None
    assert estimator.set_params(training__lr=0.1) is estimator
    assert repr(estimator.training) == "Training(lr=0.1)"
    assert estimator.get_params()["training__lr"] == 0.1
    # And kept where it is not.
    training = estimator.training
    estimator.set_params(training__max_iter=3)
    assert estimator.training is training
    assert repr(training) == "Training(lr=0.1, max_iter=3)"


@pytest.mark.parametrize(
    ("affinity", "changes", "expected"),
    [
        (
            "nearest_neighbors",
            {"affinity__weights": "heat"},
            NeighborAffinity(5, "l1", weights="heat"),
        ),
        ("rbf", {"affinity__regularization": 0.5}, RBFAffinity(2, regularization=0.5)),
        ("cosine", {"affinity__n_landmarks": 9}, CosineAffinity(n_landmarks=9)),
        (
            "precomputed",
            {"affinity__regularization": 1},
            PrecomputedAffinity(regularization=1),
        ),
        (
            "precomputed_nearest_neighbors",
            {"affinity__weights": "binary"},
            PrecomputedNeighborAffinity(5, weights="binary"),
        ),
        (
            gaussian,
            {"affinity__n_landmarks": 9},
            CallableAffinity(gaussian, n_landmarks=9),
        ),
    ],
)
def test_affinities_by_name_are_made_with_what_stands_beside(
    estimator, affinity, changes, expected
):
    estimator.set_params(affinity=affinity, metric="l1", gamma=2, **changes)
    assert type(estimator.affinity) is type(expected)
    assert estimator.affinity.get_params() == expected.get_params()


def test_parameters_of_one_call_may_come_in_any_order(estimator):
    estimator.set_params(affinity__n_landmarks=9, gamma=3.0, affinity="rbf")
    assert repr(estimator.affinity) == "RBFAffinity(gamma=3.0, n_landmarks=9)"


@pytest.mark.parametrize("name", ["training__toaster", "affinity__toaster"])
def test_unknown_names_of_parts_are_refused(estimator, name):
    with pytest.raises(ValueError, match="Invalid parameter 'toaster' for estimator"):
        estimator.set_params(**{name: 1})
    with pytest.raises(ValueError, match="Invalid parameter 'toaster' for estimator"):
        estimator.set_params(**{f"toaster__{name}": 1})


def test_unknown_affinities_have_no_parameters(estimator):
    with pytest.raises(ValueError, match="affinity='toaster' must be one of nearest"):
        estimator.set_params(affinity="toaster", affinity__weights="heat")
    with pytest.raises(TypeError, match=r"is a class; pass an instance, such as Neigh"):
        make_affinity(NeighborAffinity)
    with pytest.raises(TypeError, match="is a class"):
        clone(estimator).set_params(affinity=NeighborAffinity).fit(X)


def test_parts_of_another_kind_are_refused(estimator):
    with pytest.raises(
        ValueError, match=r"'training' parameter .* instance of .*Train"
    ):
        estimator.set_params(training={"lr": 0.1}).fit(X)


def test_a_clone_has_parts_of_its_own(estimator):
    estimator.set_params(training__lr=0.1, affinity__weights="heat")
    copied = clone(estimator).set_params(training__lr=0.2, affinity__weights="binary")
    assert (estimator.training.lr, estimator.affinity.weights) == (0.1, "heat")
    assert (copied.training.lr, copied.affinity.weights) == (0.2, "binary")


def test_a_fit_leaves_its_parts_alone(estimator):
    estimator.set_params(affinity=RBFAffinity(), n_neighbors=None)
    estimator.set_params(training__max_iter=0)
    if hasattr(estimator, "n_clusters"):
        estimator.set_params(n_clusters=3)
    before = dict(vars(estimator.affinity))
    estimator.fit(X)
    assert vars(estimator.affinity) == before
    assert estimator.affinity_ is not estimator.affinity
    assert estimator.affinity_.gamma_ > 0


def test_parts_are_shown_where_they_differ():
    model = NeuralEigenSpectralClustering(
        3, affinity=NeighborAffinity(5), training=Training(lr=0.1)
    )
    shown = (
        "NeuralEigenSpectralClustering(affinity=NeighborAffinity(n_neighbors=5), "
        "n_clusters=3, training=Training(lr=0.1))"
    )
    assert " ".join(repr(model).split()) == shown
    assert "NeighborAffinity" in model._repr_html_()


# n_neighbors, metric and gamma beside an affinity


@pytest.mark.parametrize(
    ("affinity", "beside"),
    [
        (NeighborAffinity(5), {"n_neighbors": 7}),
        (NeighborAffinity(), {"n_neighbors": 7}),
        # What an object would have by itself counts as well.
        (NeighborAffinity(5), {"n_neighbors": 10}),
        (NeighborAffinity(metric="l1"), {"metric": "euclidean"}),
        (NeighborAffinity(metric="l1"), {"metric": "l2"}),
        (PrecomputedNeighborAffinity(5), {"n_neighbors": 7}),
        (RBFAffinity(1.0), {"gamma": 2.0}),
    ],
)
@pytest.mark.parametrize("kind", ROW_ESTIMATORS)
def test_what_contradicts_the_affinity_is_refused(kind, affinity, beside):
    ((name, value),) = beside.items()
    message = rf"{name}={value!r} contradicts affinity={type(affinity).__name__}\(.*\);"
    with pytest.raises(ValueError, match=rf"{message} set affinity__{name} instead"):
        kind(affinity=affinity, **beside).fit(X)


@pytest.mark.parametrize(
    ("affinity", "beside"),
    [
        ("nearest_neighbors", {"gamma": 2.0}),
        ("rbf", {"n_neighbors": 10}),
        ("rbf", {"metric": "euclidean"}),
        ("cosine", {"gamma": 2.0}),
        ("precomputed", {"n_neighbors": 10}),
        ("precomputed_nearest_neighbors", {"metric": "l1"}),
        (gaussian, {"gamma": 2.0}),
        (NeighborAffinity(5), {"gamma": 2.0}),
        (CosineAffinity(), {"n_neighbors": 10}),
        (TokenAffinity(), {"n_neighbors": 10}),
    ],
)
@pytest.mark.parametrize("kind", ROW_ESTIMATORS)
def test_what_the_affinity_does_not_use_is_refused(kind, affinity, beside):
    ((name, value),) = beside.items()
    message = rf"^{name}={value!r} is not used by affinity=.*; leave it at None"
    with pytest.raises(ValueError, match=message):
        kind(affinity=affinity, **beside).fit(X)


@pytest.mark.parametrize(
    ("affinity", "beside"),
    [
        ("nearest_neighbors", {"n_neighbors": 10, "metric": "euclidean"}),
        (NeighborAffinity(), {}),
        (NeighborAffinity(10), {"n_neighbors": 10, "metric": "euclidean"}),
    ],
)
def test_what_is_left_open_is_ten_neighbours_by_distance(affinity, beside):
    open_, named = (
        NeuralSpectralEmbedding(random_state=0, hidden_sizes=(16,), **parameters)
        .set_params(training__max_iter=0)
        .fit_transform(X[Y == 0])
        for parameters in ({}, {"affinity": affinity, **beside})
    )
    np.testing.assert_array_equal(open_, named)


@pytest.mark.parametrize("beside", [{}, {"n_neighbors": 5}, {"metric": "euclidean"}])
def test_what_agrees_with_the_affinity_is_taken(beside):
    given = NeuralSpectralEmbedding(affinity=NeighborAffinity(5), random_state=0)
    named = NeuralSpectralEmbedding(n_neighbors=5, random_state=0)
    for model in (given, named):
        model.set_params(training__max_iter=0, hidden_sizes=(16,))
    X_connected = X[Y == 0]
    np.testing.assert_array_equal(
        given.set_params(**beside).fit_transform(X_connected),
        named.fit_transform(X_connected),
    )


def test_a_parameter_of_the_affinity_takes_the_place_of_what_stands_beside(estimator):
    estimator.set_params(n_neighbors=7, metric="l1").set_params(affinity__n_neighbors=9)
    assert repr(estimator.affinity) == "NeighborAffinity(metric='l1', n_neighbors=9)"
    estimator._check_parameters()
    estimator.set_params(affinity__n_neighbors=11)
    estimator._check_parameters()
    # Unless both are asked for.
    estimator.set_params(n_neighbors=7, affinity__n_neighbors=9)
    with pytest.raises(ValueError, match="n_neighbors=7 contradicts"):
        estimator._check_parameters()


# Searches


def search(grid, **parameters):
    model = NeuralEigenSpectralClustering(3).set_params(
        training__max_iter=0, **SMALL | parameters
    )
    pipeline = Pipeline([("scale", StandardScaler()), ("cluster", model)])
    grid = {f"cluster__{name}": values for name, values in grid.items()}
    return GridSearchCV(pipeline, grid, cv=FOLDS, error_score="raise").fit(X)


# The clusters are far apart, but for two rows in three.
@pytest.mark.filterwarnings("ignore::neuraleig.GraphWarning")
@pytest.mark.parametrize(
    "grid",
    [
        {"training__lr": [1e-3, 1e-2], "training__max_iter": [2]},
        {"affinity__metric": ["euclidean", "cosine"]},
        {"affinity__n_neighbors": [4, 6]},
        {"n_neighbors": [4, 6]},
        {"n_neighbors": [4, 6], "affinity__weights": ["binary"]},
        {"affinity": [NeighborAffinity(4), NeighborAffinity(6), "rbf", gaussian]},
        {"training": [None, Training(max_iter=2)]},
    ],
    ids=lambda grid: "-".join(grid),
)
def test_grids_over_parts(grid):
    # An affinity of four neighbours contradicts any other number.
    beside = {"n_neighbors": None} if "affinity" in grid else {}
    found = search(grid, **beside)
    assert np.all(found.cv_results_["mean_test_score"] > 0)
    best = found.best_estimator_
    for name, value in found.best_params_.items():
        chosen = best.get_params()[name]
        if isinstance(value, BaseEstimator):
            chosen, value = chosen.get_params(), value.get_params()
        assert chosen == value
    # What was searched is what was used: neighbours of the fit on all rows.
    if "affinity__n_neighbors" in grid:
        used = best[-1].affinity_.n_neighbors
        assert used == found.best_params_["cluster__affinity__n_neighbors"]
    # The estimator that was given is as it was.
    assert found.estimator[-1].get_params(deep=False)["affinity"] == "nearest_neighbors"


def test_settings_of_training_that_were_searched_are_used():
    found = search({"training__max_iter": [2, 4]}, affinity__regularization=0.1)
    steps = found.best_params_["cluster__training__max_iter"]
    assert len(found.best_estimator_[-1].loss_curve_) == steps


def test_parts_of_parts_are_reached_by_a_longer_path():
    segmenter = DenseSegmenter().set_params(
        clusterer__training__lr=0.1, clusterer__affinity__weights="heat"
    )
    assert segmenter.clusterer.training.lr == 0.1
    assert segmenter.clusterer.affinity.weights == "heat"


class Lazy(KernelAffinity):
    """A kernel of a user, whose width is a parameter without constraints."""

    def __init__(self, width=1.0, regularization=0.0, n_landmarks=50):
        self.width = width
        self.regularization = regularization
        self.n_landmarks = n_landmarks

    def kernel(self, left, right):
        return gaussian(left / self.width, right / self.width)


def test_affinities_of_users_are_parts_as_well():
    grid = {"affinity__width": [0.5, 1.0]}
    found = search(grid, affinity=Lazy(), n_neighbors=None)
    assert found.best_estimator_[-1].affinity_.width in (0.5, 1.0)


def test_a_refused_set_params_changes_nothing():
    model = NeuralEigenSpectralClustering()
    for names in ({"affinity__foo": 1}, {"network__width": 3}, {"n_clusters__a": 1}):
        with pytest.raises(ValueError):
            model.set_params(n_neighbors=20, **names)
        assert model.get_params() == NeuralEigenSpectralClustering().get_params()


def test_callables_are_shared_and_not_copied():
    class Kernel:
        def __init__(self):
            self.lock = threading.Lock()

        def __call__(self, left, right):
            return np.exp(-((left[:, None] - right[None]) ** 2).sum(axis=2))

    kernel, X = (
        Kernel(),
        np.repeat([0.0, 9.0], 20)[:, None] + np.linspace(0, 1, 40)[:, None],
    )
    model = NeuralEigenSpectralClustering(2, affinity=kernel, random_state=0).fit(X)
    assert model.affinity_.function is kernel
    assert model.score(X) > 0.4


def test_derived_estimators_may_have_fewer_parameters():
    class Pairs(NeuralEigenSpectralClustering):
        def __init__(self, n_clusters=2, random_state=None):
            super().__init__(n_clusters, random_state=random_state)

    assert Pairs().set_params(random_state=3).random_state == 3


def test_inner_affinities_of_tokens_are_reached():
    affinity = TokenAffinity().set_params(affinity__n_neighbors=5)
    assert affinity.affinity.get_params() == NeighborAffinity(5).get_params()
    inner = TokenAffinity(RBFAffinity())
    inner.build(np.random.default_rng(0).normal(size=(30, 3)))
    assert inner.as_fitted().affinity.gamma == inner.affinity.gamma_
