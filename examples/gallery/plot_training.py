"""
What a fit goes through
=======================

A fit teaches the network the exact eigenvectors of the graph first, the warm start.
Fine-tuning follows where that leaves something to learn, or where steps are asked for.
A callback records both, and :class:`neuraleig.plotting.TrainingDisplay` draws them.
"""

# %%
# Record a fit
# ------------
#
# ``loss_curve_`` of a fitted estimator has the losses of fine-tuning alone. A
# ``TrainingHistory`` among the callbacks also remembers the warm start, what was held
# out to judge the training, and the temperature of the soft assignments.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits, make_blobs

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.plotting import TrainingDisplay
from neuraleig.training import Training, TrainingHistory

X, _ = load_digits(return_X_y=True)
X = X / X.std()
model = NeuralEigenSpectralClustering(
    10,
    training=Training(max_iter=300, temperature=(1.0, 0.3)),
    callbacks=[TrainingHistory()],
    random_state=0,
).fit(X)

# %%
# The warm start
# --------------
#
# The network is taught the eigenvectors and the labels, and its heads are solved for
# after every round of 25 steps. It ends as soon as the targets are known.

TrainingDisplay.from_estimator(model, phase="warm_start")
plt.show()

# %%
# Fine-tuning
# -----------
#
# Every step sees other edges of the graph, so that losses scatter; an exponential mean
# of them shows where they go. The held-out edges are judged by the objective of the
# functions alone, therefore on an axis of their own. Early stopping keeps the state at
# the star: where that is step 0, the warm start was not improved upon. Below is the
# temperature, which was annealed along a cosine.

TrainingDisplay.from_estimator(model, smoothing=0.9)
plt.show()

# %%
# From random weights
# -------------------
#
# Without the exact eigenvectors there is more to learn.

random_start = NeuralEigenSpectralClustering(
    10,
    training=Training(init="random", max_iter=300),
    assign_labels="kmeans",
    callbacks=[TrainingHistory()],
    random_state=0,
).fit(X)
TrainingDisplay.from_estimator(random_start, smoothing=0.9)
plt.show()

# %%
# No step at all
# --------------
#
# Without ``max_iter`` fine-tuning is left out where the warm start has learned its
# targets. The display then says so.

blobs, _ = make_blobs(300, centers=3, cluster_std=0.5, random_state=0)
easy = NeuralEigenSpectralClustering(3, random_state=0).fit(blobs)
TrainingDisplay.from_estimator(easy)
plt.show()
