"""Rows that do not fit into memory: drawn for the graph, and labelled in parts."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.affinity import NeighborAffinity, TokenAffinity
from neuraleig.metrics import clustering_accuracy

CENTRES = [[0, 0], [9, 0], [0, 9]]


@pytest.fixture(scope="module")
def blobs():
    X, y = make_blobs(900, centers=CENTRES, random_state=0)
    return X.astype(np.float32), y


class Batches:
    """Batches that start anew on every pass, and count the passes."""

    def __init__(self, array, size=100):
        self.array, self.size, self.passes = array, size, 0

    def __iter__(self):
        self.passes += 1
        for start in range(0, len(self.array), self.size):
            yield self.array[start : start + self.size]


class Sliced:
    """An array on disk."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self.array[rows]


def clustering(**changes):
    parameters = {
        "hidden_sizes": (128,),
        "training__max_iter": 20,
        "random_state": 0,
    } | changes
    return NeuralEigenSpectralClustering(3).set_params(**parameters)


@pytest.fixture(scope="module")
def whole(blobs):
    return clustering().fit(blobs[0])


def memory_map(X, folder):
    np.save(folder / "rows.npy", X)
    return np.load(folder / "rows.npy", mmap_mode="r")


KINDS = {
    "memmap": memory_map,
    "sliced": lambda X, folder: Sliced(X),
    "batches": lambda X, folder: Batches(X),
    "loader": lambda X, folder: DataLoader(torch.from_numpy(X), batch_size=64),
}


@pytest.mark.parametrize("kind", KINDS)
def test_where_rows_come_from_does_not_matter(kind, blobs, whole, tmp_path):
    source = KINDS[kind](blobs[0], tmp_path)
    model = clustering().fit(source)
    np.testing.assert_array_equal(model.labels_, whole.labels_)
    np.testing.assert_array_equal(model.eigenvalues_, whole.eigenvalues_)
    np.testing.assert_array_equal(model.predict(source), whole.labels_)
    np.testing.assert_array_equal(
        model.predict_proba(source), whole.predict_proba(blobs[0])
    )
    np.testing.assert_array_equal(model.transform(source), whole.transform(blobs[0]))
    assert model.n_features_in_ == 2


@pytest.mark.parametrize("assign_labels", ["argmax", "kmeans", "cluster_qr"])
def test_a_graph_of_some_rows_labels_all(assign_labels, blobs):
    sizes = []

    class Recorded(NeighborAffinity):
        def build(self, X, **options):
            sizes.append(len(X))
            return super().build(X, **options)

    X, y = blobs
    options = {"max_graph_rows": 300, "assign_labels": assign_labels}
    model = clustering(affinity=Recorded(), **options).fit(X)
    assert sizes == [300]
    assert model.labels_.shape == (900,)
    assert clustering_accuracy(y, model.labels_) > 0.99
    np.testing.assert_array_equal(model.labels_, model.predict(X))
    again = clustering(**options).fit(Batches(X))
    np.testing.assert_array_equal(again.labels_, model.labels_)
    assert model.ncut_ == again.ncut_


def test_a_stream_is_read_once_for_the_graph_and_once_for_the_labels(blobs):
    source = Batches(blobs[0])
    clustering(max_graph_rows=200).fit(source)
    assert source.passes == 2
    source.passes = 0
    clustering(max_graph_rows=900).fit(source)
    assert source.passes == 1


def test_parts_come_one_by_one(whole, blobs):
    read = []

    def batches():
        for start in range(0, 900, 300):
            read.append(start)
            yield blobs[0][start : start + 300]

    parts = whole.iter_predict(batches())
    first = next(parts)
    assert read == [0]
    np.testing.assert_array_equal(
        np.concatenate([first, *parts]), whole.predict(blobs[0])
    )
    values = list(whole.iter_transform(Batches(blobs[0], 400)))
    assert [len(part) for part in values] == [400, 400, 100]
    np.testing.assert_array_equal(np.concatenate(values), whole.transform(blobs[0]))


def test_embeddings_are_of_all_rows(blobs):
    model = NeuralSpectralEmbedding(
        2, max_graph_rows=300, n_neighbors=60, hidden_sizes=(32,), random_state=0
    )
    with pytest.warns(match="connected components"):
        model.fit(Batches(blobs[0]))
    assert model.embedding_.shape == (900, 2)
    np.testing.assert_array_equal(model.embedding_, model.transform(blobs[0]))


def test_the_score_of_a_stream_is_that_of_its_rows(whole, blobs):
    assert whole.score(Batches(blobs[0])) == whole.score(blobs[0])
    few = clone(whole).set_params(max_graph_rows=300).fit(blobs[0])
    assert few.score(blobs[0]) == pytest.approx(2 / 3, abs=0.02)


def test_a_given_affinity_is_used_whole(blobs):
    X = blobs[0]
    distances = np.square(X[:, None] - X[None]).sum(axis=2)
    model = clustering(affinity="precomputed", max_graph_rows=100)
    model.fit(X, affinity_matrix=np.exp(-distances))
    assert adjusted_rand_score(model.labels_, blobs[1]) > 0.99


@pytest.mark.parametrize("with_places", [False, True])
def test_tokens_are_no_more_than_other_rows(blobs, monkeypatch, with_places):
    X, y = blobs
    line = None
    if with_places:
        # Neighbours in the line are of one cluster.
        order = np.argsort(y, kind="stable")
        line = sp.coo_array((np.ones(899), (order[:-1], order[1:])), shape=(900, 900))
        line = sp.csr_array(line + line.T)
    built = []
    build = TokenAffinity.build

    def recorded(self, X, *, matrix=None, **given):
        built.append((X, matrix))
        return build(self, X, matrix=matrix, **given)

    monkeypatch.setattr(TokenAffinity, "build", recorded)
    affinity = TokenAffinity(NeighborAffinity(20, regularization=0.01))
    model = clustering(affinity=affinity, max_graph_rows=300)
    model.fit(X, affinity_matrix=line)
    assert model.score(X, affinity_matrix=line) == pytest.approx(2 / 3, abs=0.05)
    assert adjusted_rand_score(model.labels_, y) > 0.99
    for rows, matrix in built:
        assert len(rows) == 300
        if with_places:
            index = [int(np.flatnonzero((X == row).all(axis=1))[0]) for row in rows]
            expected = line[index][:, index].toarray()
            np.testing.assert_array_equal(matrix.toarray(), expected)
    assert len(built) == 2


def test_integers_on_disk_are_read_in_slices(tmp_path, blobs, monkeypatch):
    monkeypatch.setattr("neuraleig._rows.SLICE_ELEMENTS", 200)
    X = (100 * blobs[0]).astype(np.int16)
    model = clustering(max_graph_rows=300).fit(memory_map(X, tmp_path))
    assert clustering_accuracy(blobs[1], model.labels_) > 0.99


# Bad input


def test_what_can_be_read_only_once_is_refused(blobs):
    with pytest.raises(TypeError, match=r"can be read only once.*partial_fit"):
        clustering().fit(part for part in [blobs[0]])


@pytest.mark.parametrize("empty", [iter([]), DataLoader([])])
def test_empty_streams_are_refused(empty, whole):
    with pytest.raises(ValueError, match="no rows"):
        whole.predict(empty)


def test_an_empty_stream_cannot_be_fitted():
    with pytest.raises(ValueError, match="0 sample"):
        clustering().fit(Batches(np.zeros((0, 2))))


class Named(Dataset):
    """Rows by name, as data sets of Hugging Face have them."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return {"features": self.rows[index]}


class Columns:
    """The same, and no data set of torch."""

    __len__, __getitem__, __init__ = Named.__len__, Named.__getitem__, Named.__init__


class Iterated(IterableDataset):
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return iter(self.rows)


def items_of(rows):
    return [{"features": row} for row in rows]


@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "score"])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            lambda rows: DataLoader(Named(rows), 300),
            r"batches .*'features'.*DataLoader",
        ),
        (Named, r"Named, a data set without batches; pass DataLoader\(X"),
        (lambda rows: TensorDataset(torch.from_numpy(rows)), r"pass DataLoader\(X"),
        (Iterated, r"pass DataLoader\(X"),
        (Columns, r"Columns and has entries by name \(\['features'\]\); pass an array"),
        (items_of, r"list and has entries by name .* or a DataLoader"),
        (
            lambda rows: {"features": rows},
            r"dict and has entries by name .* pass an ar",
        ),
    ],
)
def test_rows_by_name_or_without_batches_are_refused(
    kind, message, method, blobs, whole
):
    model = clustering() if "fit" in method else whole
    with pytest.raises(TypeError, match=message):
        getattr(model, method)(kind(blobs[0]))


@pytest.mark.parametrize(
    "kind",
    [
        lambda rows: DataLoader(TensorDataset(torch.from_numpy(rows)), 300),
        lambda rows: DataLoader(
            TensorDataset(torch.from_numpy(rows), torch.arange(900)), 300
        ),
        lambda rows: DataLoader(Iterated(rows), 300),
        lambda rows: [(rows[:400], "a"), (rows[400:], "b")],
    ],
)
def test_batches_of_data_sets_are_rows(kind, blobs, whole):
    X = blobs[0]
    np.testing.assert_array_equal(clustering().fit(kind(X)).labels_, whole.labels_)
    np.testing.assert_array_equal(whole.predict(kind(X)), whole.labels_)
    assert clustering().partial_fit(kind(X)).labels_.size == len(X)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_every_part_is_checked(value, blobs, whole):
    X = blobs[0].copy()
    X[-1, 0] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        clustering().fit(Batches(X))
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        whole.predict(Batches(X))


def test_parts_of_other_widths_are_refused(blobs, whole):
    parts = [blobs[0], np.zeros((3, 5))]
    with pytest.raises(ValueError, match="5 features"):
        whole.predict(iter(parts))


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("ends", [[400], [300, 600]])
def test_batches_in_a_list_are_batches(blobs, whole, kind, ends):
    X = blobs[0]
    batches = kind(np.split(X, ends))
    model = clustering().fit(batches)
    np.testing.assert_array_equal(model.labels_, whole.labels_)
    np.testing.assert_array_equal(whole.predict(batches), whole.labels_)
    np.testing.assert_array_equal(whole.transform(batches), whole.transform(X))
    assert whole.score(batches) == whole.score(X)


def test_batches_without_rows_are_passed_over(blobs, whole):
    X = blobs[0]
    batches = [X[:0], X[:400], X[:0], X[400:], X[:0]]
    np.testing.assert_array_equal(whole.predict(iter(batches)), whole.labels_)
    np.testing.assert_array_equal(whole.transform(iter(batches)), whole.transform(X))
    np.testing.assert_array_equal(clustering().fit(batches).labels_, whole.labels_)
    streamed = clustering().partial_fit(iter(batches))
    assert streamed.labels_.size == len(X)
    with pytest.raises(ValueError, match="X has no rows"):
        whole.predict(iter([X[:0], X[:0]]))
    with pytest.raises(ValueError, match="features"):
        whole.predict(iter([X[:400], X[:0, :1]]))


def test_more_clusters_than_drawn_rows_are_refused_by_the_name_of_their_number(blobs):
    model = clustering(max_graph_rows=2)
    with pytest.raises(ValueError, match="n_clusters=3 is more than max_graph_rows=2"):
        model.fit(blobs[0])
