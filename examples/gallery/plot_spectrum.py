"""
Choosing the number of clusters
===============================

One fit with ``n_clusters="auto"`` measures every number of clusters. This example shows
its curve for clear and for overlapping clusters, beside the eigenvalues of the graph,
and the clusters of other numbers.
"""

# %%
# Clear clusters
# --------------
#
# Five blobs on a circle. The curve has a peak at five, and the eigenvalues have a gap
# after the fifth.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.plotting import ClusterCurveDisplay, SpectrumDisplay

angles = 2 * np.pi * np.arange(5) / 5
centers = 6 * np.column_stack([np.cos(angles), np.sin(angles)])
X_clear, _ = make_blobs(500, centers=centers, cluster_std=0.8, random_state=0)
model = NeuralEigenSpectralClustering("auto", max_clusters=12, random_state=0)
clear = model.fit(X_clear)
print(clear.cluster_curve_)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
ClusterCurveDisplay.from_estimator(clear, ax=left)
SpectrumDisplay.from_estimator(clear, ax=right)
plt.show()

# %%
# Overlapping clusters
# --------------------
#
# Blobs that are three times as wide overlap. No number stands out: the strengths are
# near that of a single cluster, which is 0.

X_mixed, _ = make_blobs(500, centers=centers, cluster_std=2.4, random_state=0)
mixed = NeuralEigenSpectralClustering(
    5, max_clusters=12, hidden_sizes=(64,), random_state=0
).fit(X_mixed)

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
ClusterCurveDisplay.from_estimator(mixed, ax=left)
SpectrumDisplay.from_estimator(mixed, ax=right)
plt.show()

# %%
# Other numbers of the same fit
# -----------------------------
#
# The curve keeps the clusters of all its numbers: ``with_n_clusters`` makes a model of
# another number in milliseconds, which predicts new rows as well.

figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for n_clusters, ax in zip((2, 5, 8), axes, strict=True):
    other = clear.with_n_clusters(n_clusters)
    ax.scatter(*X_clear.T, c=other.predict(X_clear), s=8, cmap="tab10")
    ax.set_title(f"{n_clusters} clusters")
plt.show()
