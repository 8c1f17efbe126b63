"""
A search over the number of clusters
====================================

The estimators work in scikit-learn's pipelines and searches. ``score`` needs no
classes: it is the modularity of the predicted labels on the graph of the given rows.
Here it chooses the number of clusters of the wine data, whose columns have different
units and are scaled first.
"""

# %%
# The search
# ----------
#
# Every candidate is fitted to four fifths of the rows and scored on the rest. The rows
# of the file are sorted by class, so the folds are shuffled.

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from neuraleig import NeuralEigenSpectralClustering

X, classes = load_wine(return_X_y=True)
pipeline = Pipeline(
    [
        ("scale", StandardScaler()),
        ("cluster", NeuralEigenSpectralClustering(random_state=0)),
    ]
)
candidates = [2, 3, 4, 5, 6]
search = GridSearchCV(
    pipeline,
    {"cluster__n_clusters": candidates},
    cv=KFold(5, shuffle=True, random_state=0),
).fit(X)
n_clusters = search.best_params_["cluster__n_clusters"]
agreement = adjusted_rand_score(classes, search.predict(X))
print(f"chosen: {n_clusters} clusters; agreement with the classes: {agreement:.2f}")

# %%
# Scores of the candidates
# ------------------------

means = search.cv_results_["mean_test_score"]
deviations = search.cv_results_["std_test_score"]

figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.errorbar(candidates, means, deviations, marker="o", capsize=4)
ax.plot(n_clusters, means.max(), "o", markersize=12, fillstyle="none", color="black")
ax.set_xticks(candidates)
ax.set_xlabel("number of clusters")
ax.set_ylabel("modularity on held-out rows")
plt.show()

# %%
# What is seen
# ------------
#
# Bars are standard deviations over five folds of 36 rows. Three clusters have the
# highest mean, and there are three kinds of wine. The lead over four clusters is about
# one bar, so that other folds could prefer four. Scores of different ``n_clusters`` can
# be compared; scores of different ``n_neighbors`` belong to different graphs.
