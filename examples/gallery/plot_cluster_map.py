"""
A map of the clusters
=====================

The clusters of a model are read from as many eigenfunctions as there are clusters. A
map lays out all of them in the plane, where two of them would hide most clusters behind
others. New rows have places in the same map.
"""

# %%
# Fit, and draw the training rows
# -------------------------------
#
# The model is fitted to half of scikit-learn's digits. t-SNE lays out their
# eigenfunctions; each number is at the middle of its cluster.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.plotting import ClusterMapDisplay, EmbeddingDisplay

X, y = load_digits(return_X_y=True)
X_train, X_new, y_train, y_new = train_test_split(
    X / X.std(), y, test_size=0.5, random_state=0
)
model = NeuralEigenSpectralClustering(10, random_state=0).fit(X_train)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
EmbeddingDisplay.from_estimator(model, X_train, legend=False, ax=axes[0])
drawn = ClusterMapDisplay.from_estimator(model, X_train, random_state=0, ax=axes[1])
axes[0].set_title("Two eigenfunctions")
axes[1].set_title("All of them")
plt.show()

# %%
# New rows in the same map
# ------------------------
#
# The other half is placed between the nearest training rows, so that the two maps can
# be compared. A row has the same place alone and among others.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
drawn.plot(axes[0], legend=False)
later = ClusterMapDisplay.from_estimator(model, X_new, layout=drawn, ax=axes[1])
axes[0].set_title("Training rows")
axes[1].set_title("New rows")
plt.show()

# %%
# Clusters and classes
# --------------------
#
# Coloured by the true digits, the map shows which digits share a cluster, and which
# have more than one.

classes = ClusterMapDisplay.from_estimator(
    model, X_new, y_new, layout=drawn, legend_title="Digit"
)
plt.show()

# %%
# Neighbours in the map have the same label nearly always. Distances between clusters
# and the areas of clusters have no meaning.

from sklearn.neighbors import KNeighborsClassifier

neighbors = KNeighborsClassifier(5).fit(drawn.coordinates, drawn.labels)
share = np.mean(neighbors.predict(later.coordinates) == later.labels)
print(f"{share:.1%} of the new rows have the label of their neighbours in the map")
