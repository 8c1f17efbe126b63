"""What several processes do together, and one process alone.

    torchrun --standalone --nproc-per-node=2 process_cases.py FOLDER

Every process writes what it found to ``FOLDER/rank<i>.pickle``. Without a folder one
of them fails.
"""

import pickle
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
import torch.distributed as dist
from sklearn.datasets import make_blobs, make_moons
from torch import nn

from neuraleig import (
    DenseSegmenter,
    NeuralEigenSpectralClustering,
    NeuralSpectralEmbedding,
    save,
)
from neuraleig._batch import Batch, Edges
from neuraleig.affinity import nearest_neighbors
from neuraleig.eigenfunctions import Eigenfunctions, Standardization
from neuraleig.networks import TokenAttention, least_squares, make_network
from neuraleig.reading import Argmax
from neuraleig.training import BaseCallback, EarlyStopping, Schedule, fit_alone, train
from neuraleig.training._distributed import current_shard

# Odd, so that two parts are unequal.
N_ROWS = 301
CPU = torch.device("cpu")
SMALL = {"hidden_sizes": (128, 64), "random_state": 0}


def blobs(n_rows=N_ROWS, n_features=5):
    centers = 3 * np.eye(3, n_features)
    X, _ = make_blobs(n_rows, centers=centers, cluster_std=0.7, random_state=0)
    return X


def sparse_blobs():
    """Rows of 205 features, of which five are in use."""
    return sp.csr_array(np.pad(blobs(), ((0, 0), (0, 200))))


def groups_of(n_rows, n_groups=2):
    return np.arange(n_rows) % n_groups


def moons():
    return make_moons(N_ROWS, noise=0.06, random_state=0)[0]


def clustering(n_clusters, **parameters):
    return NeuralEigenSpectralClustering(n_clusters).set_params(**SMALL | parameters)


def embedding(n_components, **parameters):
    return NeuralSpectralEmbedding(n_components).set_params(**SMALL | parameters)


def segmenter(align_to=None, **parameters):
    """Segmenter of two images of halves."""
    images = np.random.default_rng(0).integers(0, 60, (2, 48, 72, 3), dtype=np.uint8)
    images[:, :, 40:] += np.uint8(180)
    model = DenseSegmenter(2, backbone="color_texture", random_state=0)
    return model.set_params(**parameters).fit(images, align_to=align_to)


def former_model(order=(2, 0, 1)):
    """Model whose numbers no fit comes to by itself."""
    with fit_alone():
        model = clustering(3).fit(blobs())
    model._discretizer = Argmax(np.array(order))
    return model


def former_file(folder, rank, model):
    """File that the first process alone has."""
    path = folder / f"{type(model).__name__}{rank}"
    if rank == 0:
        save(model, path)
    return path


WINDOWS = {"clusterer__network": TokenAttention(16, 1, 2)}
# Most take few steps: rounding differs between numbers of processes, as between numbers
# of threads, and training magnifies it.
FITS = {
    "nothing to train": lambda: clustering(3).fit(blobs()),
    "rounds of the warm start": lambda: clustering(2, hidden_sizes=(8,)).fit(moons()),
    "edges": lambda: clustering(3, training__max_iter=10).fit(blobs()),
    "walks": lambda: clustering(3, training__max_iter=10, training__walk_length=3).fit(
        blobs()
    ),
    "rows": lambda: clustering(
        3, training__max_iter=10, training__sampling="nodes"
    ).fit(blobs()),
    "random start": lambda: clustering(
        3, training__init="random", training__max_iter=5, assign_labels="kmeans"
    ).fit(blobs()),
    "early stopping": lambda: clustering(
        3,
        training__init="random",
        training__max_iter=60,
        training__validation_fraction=0.3,
        training__lr=1e-4,
    ).fit(blobs()),
    "cluster QR": lambda: clustering(3, assign_labels="cluster_qr").fit(blobs()),
    "a number of the curve": lambda: (
        clustering("auto", max_clusters=5).fit(blobs()).with_n_clusters(4)
    ),
    "centres of the curve": lambda: (
        clustering("auto", max_clusters=5, assign_labels="kmeans", training__max_iter=5)
        .fit(blobs())
        .with_n_clusters(2)
    ),
    "a former model": lambda: clustering(3).fit(blobs(), align_to=former_model()),
    "regularised": lambda: clustering(3, affinity__regularization=0.05).fit(blobs()),
    "rbf": lambda: clustering(3, affinity="rbf", training__max_iter=5).fit(blobs()),
    "manhattan": lambda: clustering(3, metric="manhattan").fit(blobs()),
    "brute force": lambda: clustering(3).fit(blobs(n_features=20)),
    "sparse rows": lambda: clustering(3, training__max_iter=10).fit(sparse_blobs()),
    "published": lambda: clustering(
        3,
        training__init="random",
        training__objective="neuralef",
        training__label_objective="neuralef",
        training__head="orthogonal",
        training__assignment="gumbel_softmax",
        training__temperature=(1.0, 0.3),
        training__sampling="nodes",
        training__optimizer="adam",
        training__max_iter=10,
    ).fit(blobs()),
    "across groups": lambda: clustering(3, affinity__across_groups=True).fit(
        blobs(), groups=groups_of(N_ROWS)
    ),
    "embedding": lambda: embedding(3, training__max_iter=5).fit(moons()),
    "embedding by Adam": lambda: embedding(
        2, training__max_iter=10, training__optimizer="adam", training__init="random"
    ).fit(moons()),
    "two rows": lambda: embedding(1, n_neighbors=1, training__max_iter=3).fit(blobs(2)),
    "tokens of images": lambda: segmenter(clusterer__training__max_iter=5).clusterer_,
    "windows of images": lambda: segmenter(**WINDOWS).clusterer_,
}

# Trained for so long that rounding shows: the labels are the same nevertheless.
LONG = (
    "rounds of the warm start",
    "centres of the curve",
    "brute force",
    "embedding",
)
# Weights that no objective looks at (the constant part of a function, the scores of a
# single cluster) follow the rounding where they are trained: here they are not.
SETTLED = (
    "nothing to train",
    "cluster QR",
    "regularised",
    "manhattan",
    "across groups",
    "published",
)


def weights(model):
    network = model.eigenfunctions_.network
    return torch.cat([p.detach().ravel() for p in network.parameters()]).numpy()


def summary(model):
    """All of a fitted model that must not depend on the number of processes."""
    X = moons() if model.n_features_in_ == 2 else blobs(50, model.n_features_in_)
    return {
        "weights": weights(model),
        "eigenvalues": model.eigenvalues_,
        "functions": model.transform(X),
        "losses": np.array(model.loss_curve_),
        "n_iter": model.n_iter_,
        "labels": getattr(model, "labels_", None),
    }


def small_network(seed=0, **options):
    torch.manual_seed(seed)
    return make_network(
        "mlp", n_features=2, n_functions=3, n_clusters=4, hidden_sizes=(8,), **options
    )


def outputs_of(n_rows):
    """Noisy outputs of a batch, and the gradients of a loss that mixes its rows."""
    shard = current_shard()
    network = small_network(assignment="gumbel_softmax").train()
    inputs = torch.randn(n_rows, 2, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    outputs = shard.forward(network, inputs)
    mixed = outputs.functions.T @ outputs.functions
    torch.autograd.backward(mixed.square().sum() + outputs.assignments.square().sum())
    shard.reduce_gradients(network.parameters())
    gradients = [p.grad.ravel() for p in network.parameters() if p.grad is not None]
    return {
        "outputs": torch.cat(list(outputs), dim=1).detach().numpy(),
        "gradients": torch.cat(gradients).numpy(),
    }


def map_of(n_rows):
    shard = current_shard()
    rows = torch.randn(n_rows, 5, generator=torch.Generator().manual_seed(3))
    own = rows[shard.part(n_rows)]
    weight, bias = least_squares(own[:, :3], own[:, 3:], shard)
    return {"map": torch.cat([weight, bias[:, None]], dim=1).numpy()}


def values_of(n_rows):
    unchanged = Standardization(np.zeros(2), 1.0)
    kept = torch.zeros(3), torch.eye(3), torch.ones(4)
    eigenfunctions = Eigenfunctions(small_network(), unchanged, *kept)
    functions, logits = eigenfunctions.evaluate(moons()[:n_rows], current_shard())
    return {"functions": functions, "logits": logits}


def neighbours_of(n_features, **options):
    X = blobs(N_ROWS, n_features)
    distances, indices, _ = nearest_neighbors(X, 6, shard=current_shard(), **options)
    return {"distances": distances, "indices": indices}


PARTS = {
    "a batch": lambda: outputs_of(7),
    "a batch of one row": lambda: outputs_of(1),
    "least squares": lambda: map_of(11),
    "least squares of one row": lambda: map_of(1),
    "values": lambda: values_of(5),
    "values of one row": lambda: values_of(1),
    "neighbours by trees": lambda: neighbours_of(3),
    "neighbours by brute force": lambda: neighbours_of(20),
    "neighbours by cosine": lambda: neighbours_of(20, metric="cosine"),
    "neighbours across groups by trees": lambda: neighbours_of(
        3, groups=groups_of(N_ROWS)
    ),
    "neighbours across groups by brute force": lambda: neighbours_of(
        20, groups=groups_of(N_ROWS)
    ),
}


def error_of(call):
    """Type and message of what a call raises."""
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def failing_score():
    """Early stopping whose score, a matter of the first process, raises."""

    def failing(outputs, batch):
        raise ArithmeticError("the score failed")

    batch = Batch(torch.zeros(2, 2), Edges.paired(1), torch.arange(2))
    train(
        small_network(),
        [batch],
        lambda outputs, batch: outputs.functions.sum(),
        Schedule(1, 0.1),
        device=CPU,
        callbacks=[EarlyStopping(failing, batch)],
        shard=current_shard(),
    )


class InterruptionError(Exception):
    """Ends a fit."""


class InterruptAt(BaseCallback):
    """Ends a fit after some steps of fine-tuning."""

    def __init__(self, step):
        self.step = step

    def on_epoch_end(self, state):
        if state.phase == "fine_tuning" and state.step >= self.step:
            raise InterruptionError


def resumed(folder):
    """A fit that draws, interrupted and gone on with, beside one that was not."""
    parameters = {
        "training__max_iter": 100,
        # The last ten steps are taken again.
        "training__checkpoint_interval": 30,
        "training__early_stopping": False,
        "network": lambda n: nn.Sequential(
            nn.Linear(n, 16), nn.GELU(), nn.Dropout(0.5)
        ),
    }
    whole = summary(clustering(3, **parameters).fit(blobs()))
    parameters["checkpoint"] = folder / "checkpoint"
    interrupted = clustering(3, callbacks=[InterruptAt(100)], **parameters)
    error = error_of(lambda: interrupted.fit(blobs()))
    kept = sorted(path.name for path in parameters["checkpoint"].iterdir())
    again = summary(clustering(3, **parameters).fit(blobs()))
    return {"error": error, "kept": kept, "whole": whole, "resumed": again}


def streamed():
    """A stream whose seed is no number."""
    model = clustering(3, random_state=None, max_graph_rows=60)
    for part in np.array_split(blobs(), 4):
        model.partial_fit(part)
    return summary(model)


def only_together(rank, folder):
    """What has no meaning for one process."""
    own = blobs()[rank:]
    diverging = clustering(
        3,
        training__init="random",
        training__max_iter=9,
        training__lr=1e30,
        training__optimizer="adam",
    )
    dropping = clustering(
        3,
        training__max_iter=5,
        network=lambda n: nn.Sequential(nn.Linear(n, 16), nn.GELU(), nn.Dropout(0.5)),
    )
    differing = clustering(3, random_state=np.random.RandomState(rank))
    across = clustering(3, affinity__across_groups=True)
    with fit_alone():
        alone = clustering(3).fit(own)
        pictures = segmenter()
    file = former_file(folder, rank, former_model())
    file_of_pictures = former_file(folder, rank, pictures)
    return {
        "no seed": summary(clustering(3, random_state=None).fit(blobs())),
        "differing seeds": summary(differing.fit(blobs())),
        "dropout": summary(dropping.fit(blobs())),
        "stream": streamed(),
        # That of the first process counts, and no other needs one.
        "former models": summary(
            clustering(3).fit(blobs(), align_to=None if rank else former_model())
        ),
        "a file of the first": summary(clustering(3).fit(blobs(), align_to=file)),
        "a file of pictures": summary(segmenter(file_of_pictures).clusterer_),
        "a file of windows": summary(segmenter(file_of_pictures, **WINDOWS).clusterer_),
        "no file": error_of(
            lambda: clustering(3).fit(blobs(), align_to=folder / "nowhere")
        ),
        "no file of pictures": error_of(lambda: segmenter(folder / "nowhere")),
        "no former model": error_of(
            lambda: clustering(2).fit(
                moons(), align_to=None if rank else former_model()
            )
        ),
        "callbacks": summary(
            clustering(3, callbacks=[BaseCallback()], verbose=rank).fit(blobs())
        ),
        "diverging": error_of(lambda: diverging.fit(blobs())),
        "differing rows": error_of(lambda: clustering(3).fit(own)),
        "differing parameters": error_of(lambda: clustering(2 + rank).fit(blobs())),
        "differing groups": error_of(
            lambda: across.fit(blobs(), groups=groups_of(N_ROWS, 2 + rank))
        ),
        "failing score": error_of(failing_score),
        "first": error_of(lambda: current_shard().first(lambda: [][rank])),
        "rows alone": len(alone.labels_),
    }


def in_a_given_group(rank, world_size, folder):
    """A fit in a process group that the program has made itself."""
    dist.destroy_process_group()
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world_size)
    found = summary(FITS["edges"]())
    return found, dist.is_initialized()


def main(folder):
    # Before a group exists: the first fit makes it.
    assert not dist.is_initialized()
    found = {"fits": {name: summary(fit()) for name, fit in FITS.items()}}
    rank, world_size = dist.get_rank(), dist.get_world_size()
    found["parts"] = {name: part() for name, part in PARTS.items()}
    found["together"] = only_together(rank, folder)
    found["resumed"] = resumed(folder)
    found["given group"] = in_a_given_group(rank, world_size, folder)
    (folder / f"rank{rank}.pickle").write_bytes(pickle.dumps(found))


def fail():
    """One process that fails by itself, while the other waits for it."""
    rank = current_shard().rank

    def factory(n_features):
        if rank == 1:
            raise RuntimeError("this process fails alone")
        return nn.Linear(n_features, 8)

    clustering(3, network=factory).fit(blobs())


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1])) if sys.argv[1:] else fail()
