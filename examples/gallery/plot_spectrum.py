"""
Choosing the number of clusters
===============================

A graph of neighbours separates into about as many clusters as it has eigenvalues before
a large gap. This example shows the eigenvalues of clear and of overlapping clusters,
and a search over the number of clusters where the gap does not decide.
"""

# %%
# Clear clusters
# --------------
#
# Five blobs on a circle. The first fit has roughly the right number of clusters. It
# computes three eigenvalues for each of them, enough to see a gap.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.plotting import SpectrumDisplay

angles = 2 * np.pi * np.arange(5) / 5
centers = 6 * np.column_stack([np.cos(angles), np.sin(angles)])
X_clear, _ = make_blobs(500, centers=centers, cluster_std=0.8, random_state=0)
clear = NeuralEigenSpectralClustering(6, random_state=0).fit(X_clear)
clear.suggested_n_clusters_

# %%
# Overlapping clusters
# --------------------
#
# Blobs that are three times as wide overlap. The eigenvalues fall steadily, and the
# largest gap means little.

X_mixed, _ = make_blobs(500, centers=centers, cluster_std=2.4, random_state=0)
mixed = NeuralEigenSpectralClustering(6, random_state=0).fit(X_mixed)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
SpectrumDisplay.from_estimator(clear, ax=left)
SpectrumDisplay.from_estimator(mixed, ax=right)
left.set_title("Clear clusters")
right.set_title("Overlapping clusters")
plt.show()

# %%
# By the modularity
# -----------------
#
# ``score`` is the modularity of the labels on the graph of held-out rows. It can be
# compared between numbers of clusters, as here or with ``GridSearchCV``.

held_out = np.arange(500) % 2 == 0
candidates = range(2, 9)
scores = [
    NeuralEigenSpectralClustering(k, random_state=0)
    .fit(X_mixed[~held_out])
    .score(X_mixed[held_out])
    for k in candidates
]

figure, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
ax.plot(candidates, scores, marker="o")
ax.set(xlabel="Number of clusters", ylabel="Modularity of new rows")
plt.show()
