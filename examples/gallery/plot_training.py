"""
The phases of a fit
===================

First the network is taught the exact eigenvectors of the graph, in the warm start.
Fine-tuning follows if these are not learned, or if ``max_iter`` asks for it. A callback
records both phases, and :class:`neuraleig.plotting.TrainingDisplay` draws them.
"""

# %%
# Record a fit
# ------------
#
# ``loss_curve_`` of a fitted estimator has the losses of fine-tuning only. A
# ``TrainingHistory`` among the callbacks also records the warm start, the held-out
# scores, and the temperature of the soft assignments.

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
# after every round of 25 steps. It ends when the targets are learned.

TrainingDisplay.from_estimator(model, phase="warm_start")
plt.show()

# %%
# Fine-tuning
# -----------
#
# Every step uses other edges of the graph, so that losses scatter; their exponential
# mean shows the trend. Held-out edges are scored by the objective of the functions, on
# their own axis. Early stopping keeps the state at the star; a star at step 0 means
# that fine-tuning did not improve on the warm start. Below is the temperature, which
# follows a cosine.

TrainingDisplay.from_estimator(model, smoothing=0.9)
plt.show()

# %%
# From random weights
# -------------------
#
# Without the exact eigenvectors, training takes longer.

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
# A fit without steps
# -------------------
#
# Without ``max_iter``, fine-tuning is left out if the warm start has learned its
# targets. The display reports it.

blobs, _ = make_blobs(300, centers=3, cluster_std=0.5, random_state=0)
easy = NeuralEigenSpectralClustering(3, random_state=0).fit(blobs)
TrainingDisplay.from_estimator(easy)
plt.show()
