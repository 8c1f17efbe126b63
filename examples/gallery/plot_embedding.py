"""
Handwritten digits by their eigenfunctions
==========================================

``transform`` returns the learned eigenfunctions of the graph at any rows. Rows of one
cluster have similar values, whether they were in the fit or not.
"""

# %%
# Fit, and draw new rows
# ----------------------
#
# The model is fitted to half of scikit-learn's digits. The display evaluates it at the
# other half, and colours each image by its predicted cluster.

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
# Two eigenfunctions separate three or four clusters. Further functions separate the
# others.

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
# The fit used no classes. The same display coloured by the true digits, and the
# accuracy under the best one-to-one map from clusters to digits, show how well the
# clusters match them.

display = EmbeddingDisplay.from_estimator(
    model, X_new, y_new, components=(4, 5), legend_title="Digit"
)
accuracy = clustering_accuracy(y_new, model.predict(X_new))
display.ax_.set_title(f"True digits; accuracy of the clusters {accuracy:.1%}")
plt.show()

# %%
# Number of new images in each cluster:

ClusterSizesDisplay.from_estimator(model, X_new)
plt.show()
