"""
Labels for new rows
===================

Two half moons are not round, so distances to centres do not separate them. In a graph
of neighbours each moon is connected. The fit teaches a network the eigenfunctions of
this graph, and the network labels any point of the plane.
"""

# %%
# Fit, and predict
# ----------------
#
# The estimator is fitted to 400 rows, and labels another 400 of the same moons by one
# forward pass.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons

from neuraleig import NeuralEigenSpectralClustering
from neuraleig.metrics import clustering_accuracy

X, _ = make_moons(400, noise=0.07, random_state=0)
X_new, classes_new = make_moons(400, noise=0.07, random_state=1)

model = NeuralEigenSpectralClustering(n_clusters=2, random_state=0).fit(X)
labels_new = model.predict(X_new)
print(f"right among the new rows: {clustering_accuracy(classes_new, labels_new):.1%}")

# %%
# The whole plane
# ---------------
#
# ``predict`` on a grid shows the regions of the clusters, and ``transform`` the
# eigenfunction that separates the moons: it rises from one to the other.

sides = np.linspace(-2, 3, 200), np.linspace(-1.5, 2, 200)
x, y = np.meshgrid(*sides)
grid = np.column_stack([x.ravel(), y.ravel()])
regions = model.predict(grid).reshape(x.shape)
function = model.transform(grid)[:, 1].reshape(x.shape)

figure, (left, right) = plt.subplots(
    1, 2, figsize=(9, 3.6), sharey=True, layout="constrained"
)
left.contourf(x, y, regions, levels=[-0.5, 0.5, 1.5], colors=["#cfe3f4", "#fbdcc4"])
left.scatter(*X_new.T, c=labels_new, s=8, cmap="coolwarm")
left.set_title("regions, and new rows with their labels")
shades = right.pcolormesh(x, y, function, cmap="coolwarm")
right.scatter(*X.T, s=4, color="black", alpha=0.4)
right.set_title("second eigenfunction, and rows of the fit")
figure.colorbar(shades, ax=right)
plt.show()

# %%
# What is seen
# ------------
#
# The border follows the gap between the moons, and continues where there are no rows.
# The graph has no information there, and the labels of points far from the data mean
# little.
