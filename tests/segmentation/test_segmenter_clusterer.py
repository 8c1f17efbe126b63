"""What a segmenter makes of its clusterer, and what it refuses, before any work."""

import numpy as np
import pytest
from sklearn.base import clone

from neuraleig import DenseSegmenter, NeuralEigenSpectralClustering
from neuraleig.affinity import (
    Affinity,
    NeighborAffinity,
    RBFAffinity,
    TokenAffinity,
)
from neuraleig.affinity._token_affinity import TOKEN_NEIGHBORS
from neuraleig.networks import TokenAttention
from neuraleig.segmentation._clusterer import clusterer_of_tokens
from neuraleig.training import Training


def clustering(**parameters):
    return NeuralEigenSpectralClustering().set_params(**parameters)


def affinity_of(*changes):
    """Affinity of the tokens of a segmenter, changed step by step."""
    model = DenseSegmenter(backbone="color_texture")
    for parameters in changes:
        model.set_params(**parameters)
    return clusterer_of_tokens(clone(model)).affinity


def refusal(**parameters):
    """Message of the error of a fit, which is raised before images are looked at."""
    model = DenseSegmenter(backbone="color_texture", device="cpu")
    with pytest.raises((ValueError, TypeError)) as found:
        model.set_params(**parameters).fit([])
    return str(found.value)


# Ways to say the weights, and to leave the number of neighbours open.
OPEN = {
    "a name": ({"clusterer__affinity__weights": "heat"},),
    "a name of a clusterer": (
        {"clusterer": clustering()},
        {"clusterer__affinity__weights": "heat"},
    ),
    "a clusterer": ({"clusterer": clustering(affinity__weights="heat")},),
    "an affinity": ({"clusterer__affinity": NeighborAffinity(weights="heat")},),
    "an affinity of tokens": (
        {"clusterer__affinity": TokenAffinity()},
        {"clusterer__affinity__affinity__weights": "heat"},
    ),
    "an affinity of tokens with another": (
        {"clusterer__affinity": TokenAffinity(NeighborAffinity(weights="heat"))},
    ),
}
# Ways to say that there are ten.
TEN = {
    "a name": ({"clusterer__n_neighbors": 10},),
    "a clusterer": ({"clusterer": clustering(n_neighbors=10)},),
    "a clusterer, and a name": (
        {"clusterer": clustering(n_neighbors=10)},
        {"clusterer__affinity__weights": "heat"},
    ),
    "both in one": (
        {"clusterer__n_neighbors": 10, "clusterer__affinity__weights": "heat"},
    ),
    "a name of an affinity": ({"clusterer__affinity__n_neighbors": 10},),
    "an affinity": ({"clusterer__affinity": NeighborAffinity(10)},),
    "an affinity of tokens": (
        {"clusterer__affinity": TokenAffinity(NeighborAffinity(10))},
    ),
}


@pytest.mark.parametrize("changes", OPEN.values(), ids=OPEN)
def test_neighbours_left_open_are_sixty_four(changes):
    tokens = np.random.default_rng(0).normal(size=(200, 3))
    expected = TokenAffinity(NeighborAffinity(64, weights="heat")).build(tokens)
    found = affinity_of(*changes).build(tokens)
    np.testing.assert_array_equal(found.weights.toarray(), expected.weights.toarray())


@pytest.mark.parametrize("changes", TEN.values(), ids=TEN)
def test_neighbours_by_number(changes):
    assert affinity_of(*changes).inner().n_neighbors == 10


def test_other_parts_of_the_affinity_leave_the_neighbours_open():
    affinity = affinity_of({"clusterer__metric": "cosine"})
    assert affinity.inner().metric == "cosine"
    assert affinity.inner().n_neighbors == TOKEN_NEIGHBORS
    assert affinity_of({"clusterer__affinity": "rbf"}).affinity.gamma is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # The backbone settles it.
        ({}, None),
        ({"clusterer__affinity": TokenAffinity()}, None),
        ({"pixel_weight": 0.5}, 0.5),
        ({"clusterer__affinity": TokenAffinity(), "pixel_weight": 0.5}, 0.5),
        ({"clusterer__affinity": TokenAffinity(pixel_weight=0.7)}, 0.7),
        (
            {
                "clusterer__affinity": TokenAffinity(pixel_weight=0.3),
                "pixel_weight": 0.3,
            },
            0.3,
        ),
    ],
)
def test_weight_of_the_pixels(changes, expected):
    assert affinity_of(changes).pixel_weight == expected


def test_what_a_clusterer_has_as_the_segmenter_is_taken():
    clusterer = clustering(n_clusters=5, random_state=3, checkpoint="folder")
    model = DenseSegmenter(5, clusterer=clusterer, random_state=3, checkpoint="folder")
    assert clusterer_of_tokens(model).n_clusters == 5


# Contradictions


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {
                "pixel_weight": 0.5,
                "clusterer__affinity": TokenAffinity(pixel_weight=0.7),
            },
            "pixel_weight=0.5 contradicts clusterer__affinity=TokenAffinity("
            "pixel_weight=0.7); set clusterer__affinity__pixel_weight instead",
        ),
        (
            {
                "clusterer": clustering(affinity=NeighborAffinity(5), n_neighbors=7),
            },
            "clusterer__n_neighbors=7 contradicts clusterer__affinity=NeighborAffinity("
            "n_neighbors=5); set clusterer__affinity__n_neighbors instead",
        ),
        (
            {"clusterer": clustering(affinity=TokenAffinity(), n_neighbors=7)},
            "clusterer__n_neighbors=7 is not used by clusterer__affinity=TokenAffin",
        ),
        (
            {"clusterer__affinity": "rbf", "clusterer__metric": "cosine"},
            "clusterer__metric='cosine' is not used by clusterer__affinity='rbf'",
        ),
        ({"clusterer__gamma": 2.0}, "clusterer__gamma=2.0 is not used by"),
        (
            {"clusterer__affinity": "rbf", "clusterer__training__sampling": "edges"},
            "clusterer__training__sampling='edges' is not compatible",
        ),
        ({"clusterer": clustering(n_clusters=5)}, "clusterer__n_clusters=5 contrad"),
        (
            {"clusterer": clustering(random_state=1), "random_state": 0},
            "clusterer__random_state=1 contradicts random_state=0; set random_state of "
            "the segmenter",
        ),
        (
            {"clusterer": clustering(checkpoint="folder")},
            "clusterer__checkpoint='folder' contradicts checkpoint=None",
        ),
        (
            {"clusterer__max_graph_rows": 500},
            "clusterer__max_graph_rows=500 is not used with images; set max_tokens",
        ),
        (
            {"clusterer__affinity": "precomputed"},
            "clusterer__affinity='precomputed' is not compatible with images",
        ),
    ],
)
def test_contradictions_are_refused(changes, message):
    assert message in refusal(**changes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clusterer__n_neighbors", 0),
        ("clusterer__metric", "toaster"),
        ("clusterer__gamma", -1.0),
        ("clusterer__affinity", 3),
        ("clusterer__affinity__weights", "heavy"),
        ("clusterer__affinity__n_neighbors", 0),
        ("clusterer__hidden_sizes", (0,)),
        ("clusterer__device", "toaster"),
        ("clusterer__training__lr", 0.0),
        ("clusterer__training__temperature", (0.0, 1.0)),
        ("clusterer__training__precision", "float16"),
        ("device", "toaster"),
    ],
)
def test_bad_values_are_named_by_the_path_that_was_set(name, value):
    message = refusal(**{name: value})
    named = "DenseSegmenter" in message or message.startswith(f"{name}=")
    assert named, message
    assert name in message.replace("'", " ").replace("=", " ").split()


def test_bad_values_of_affinities_of_tokens_are_named_by_their_path():
    affinity = TokenAffinity(NeighborAffinity(0))
    message = refusal(clusterer__affinity=affinity)
    assert "'clusterer__affinity__affinity__n_neighbors' parameter of Dense" in message


# Networks that see windows


class Line(Affinity):
    """Rows in a line: an affinity of a user, with a graph of all."""

    _parameter_constraints = {}  # noqa: RUF012

    def build(self, X, **given):
        raise NotImplementedError

    def among(self, rows, index, **given):
        raise NotImplementedError


UNUSED = [
    ("training__walk_length", 2),
    ("training__sampling", "edges"),
    ("affinity__metric", "l1"),
    ("affinity__weights", "binary"),
    ("affinity__across_groups", True),
    ("affinity__regularization", 0.1),
]
ATTENTION = TokenAttention(16, 1, 2)


@pytest.mark.parametrize(("name", "value"), UNUSED)
@pytest.mark.parametrize("length", [{"init": "random"}, {"max_iter": 5}])
def test_fine_tuning_on_windows_refuses_what_it_does_not_use(name, value, length):
    def made(**changes):
        clusterer = clustering(network=ATTENTION, training=Training(**length))
        return {"clusterer": clusterer, f"clusterer__{name}": value, **changes}

    message = refusal(**made())
    assert message.startswith(f"clusterer__{name}={value!r} is not used by fine-tuning")
    # The graph of all tokens has it, and so have perceptrons.
    for way in ({"clusterer__network": "mlp"}, {"clusterer__training__max_iter": 0}):
        assert clusterer_of_tokens(DenseSegmenter().set_params(**made(**way)))


def test_paths_into_affinities_of_tokens():
    message = refusal(
        clusterer__affinity=TokenAffinity(NeighborAffinity(weights="heat")),
        clusterer__network=ATTENTION,
        clusterer__training__max_iter=5,
    )
    assert message.startswith("clusterer__affinity__affinity__weights='heat' is not")


@pytest.mark.parametrize(
    "changes",
    [
        {"clusterer__affinity": "rbf"},
        {"clusterer__affinity": TokenAffinity(RBFAffinity())},
        {"clusterer__affinity": Line(), "clusterer__training__max_iter": 5},
    ],
)
def test_windows_need_a_graph_of_neighbours(changes):
    message = refusal(clusterer__network=ATTENTION, **changes)
    assert "TokenAttention needs a graph of the neighbours of all tokens" in message


def test_fine_tuning_on_windows_takes_what_it_uses():
    model = DenseSegmenter().set_params(
        clusterer__network=ATTENTION,
        clusterer__affinity=NeighborAffinity(20, "cosine", approximate=False),
        clusterer__training__max_iter=5,
        clusterer__training__sampling="nodes",
    )
    assert clusterer_of_tokens(model).affinity.inner().n_neighbors == 20
