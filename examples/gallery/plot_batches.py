"""
Clusters across batches
=======================

The same kinds of rows are measured in three batches, and every batch is shifted a
little. In a plain graph most neighbours of a row come from its own batch. An affinity
that searches neighbours across groups joins a row to similar rows of the other batches,
so that clusters are what the batches have in common.
"""

# %%
# Four kinds, three batches
# -------------------------
#
# Rows have 20 features. Two principal components show them: batches on the left, kinds
# on the right.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.affinity import NeighborAffinity
from neuraleig.metrics import clustering_accuracy

generator = np.random.default_rng(3)
kinds = generator.integers(4, size=600)
batches = generator.integers(3, size=600)
centres = 1.2 * generator.normal(size=(4, 20))
shifts = generator.normal(size=(3, 20))
X = centres[kinds] + shifts[batches] + generator.normal(size=(600, 20))
plane = PCA(2).fit_transform(X)


def draw(panels):
    """Rows in the plane, coloured by numbers, one panel for each."""
    _, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for ax, (title, numbers) in zip(axes, panels.items(), strict=True):
        ax.scatter(*plane.T, c=numbers, s=9, cmap="Set1", vmax=8)
        ax.set_title(title)
        ax.set_xticks([])
        ax.set_yticks([])
    plt.show()


draw({"batches": batches, "kinds": kinds})

# %%
# Two fits
# --------
#
# The plain fit mixes kinds and batches. Kinds serve to score only.

plain = NeuralEigenSpectralClustering(4, random_state=0).fit(X)
across = NeuralEigenSpectralClustering(
    4, affinity=NeighborAffinity(across_groups=True), random_state=0
).fit(X, groups=batches)


def title(name, model):
    """Name of a fit and its agreement with the kinds."""
    return f"{name}: {clustering_accuracy(kinds, model.labels_):.0%} of the kinds"


draw(
    {
        title("plain clusters", plain): plain.labels_,
        title("clusters across batches", across): across.labels_,
    }
)

# %%
# Edges of the graphs
# -------------------
#
# Shares of the weight between batches. Across groups no edge stays within a batch.

graphs = {
    "plain graph": plain.affinity_.build(X, seed=0),
    "graph across batches": across.affinity_.build(X, seed=0, groups=batches),
}
figure, axes = plt.subplots(1, 2, figsize=(7, 3.2), layout="constrained")
for ax, (name, graph) in zip(axes, graphs.items(), strict=True):
    member = np.eye(3)[batches[graph.index]]
    shares = member.T @ graph.weights @ member / graph.weights.sum()
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=0.6)
    for row, column in np.ndindex(3, 3):
        ax.text(column, row, f"{shares[row, column]:.0%}", ha="center", va="center")
    ax.set_title(name)
    ax.set_xticks(range(3), ["first", "second", "third"])
    ax.set_yticks(range(3), ["first", "second", "third"])
plt.show()

# %%
# What is seen
# ------------
#
# Across groups, every row finds its own kind in the other batches, because the kinds
# differ in the same way in each of them. Predictions need no groups. A kind that occurs
# in one batch only would be joined to the nearest kind of another batch.
