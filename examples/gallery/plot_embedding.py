"""
Handwritten digits by their eigenfunctions
==========================================

A fitted clustering puts any row at its values of the learned eigenfunctions of the
graph. Rows of one cluster lie together there, seen in the fit or not.
"""

# %%
# Fit, and draw new rows
# ----------------------
#
# The model is fitted to half of scikit-learn's digits. The display evaluates it at the
# other half, and colours each image by the cluster that is predicted for it.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.metrics import clustering_accuracy
from neuraleig.plotting import ClusterSizesDisplay, EmbeddingDisplay

X, y = load_digits(return_X_y=True)
X_train, X_new, y_train, y_new = train_test_split(
    X / X.std(), y, test_size=0.5, random_state=0
)
model = NeuralEigenSpectralClustering(10, random_state=0).fit(X_train)
EmbeddingDisplay.from_estimator(model, X_new)
plt.show()

# %%
# Two eigenfunctions tell some three or four clusters apart. The others are separated
# by the functions that follow.

figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
for number, ax in enumerate(axes.flat):
    pair = (2 + 2 * number, 3 + 2 * number)
    EmbeddingDisplay.from_estimator(
        model, X_new, components=pair, legend=number == 1, ax=ax
    )
plt.show()

# %%
# Clusters and classes
# --------------------
#
# No label was used in the fit. The same display coloured by the true digits, and the
# accuracy under the best one-to-one map from clusters to digits, say how well the
# clusters match.

display = EmbeddingDisplay.from_estimator(
    model, X_new, y_new, components=(4, 5), legend_title="Digit"
)
accuracy = clustering_accuracy(y_new, model.predict(X_new))
display.ax_.set_title(f"True digits; accuracy of the clusters {accuracy:.1%}")
plt.show()

# %%
# How many of the new images each cluster has:

ClusterSizesDisplay.from_estimator(model, X_new)
plt.show()
