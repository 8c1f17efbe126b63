"""scikit-learn's contract for estimators, all of it."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from neuraleig import NeuralEigenSpectralClustering, NeuralSpectralEmbedding
from neuraleig.affinity import NeighborAffinity

# The contract is fitted on tiny, shapeless data: eight clusters die there, and a graph
# of ten rows has no ten neighbours. Both are said by a warning, as they should be.
pytestmark = [
    pytest.mark.filterwarnings("ignore::neuraleig.GraphWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

# So wide that the untrained network mostly knows the few rows.
SMALL = {"hidden_sizes": (256,), "training__max_iter": 5, "random_state": 0}

# A random start learns from steps alone.
RANDOM = SMALL | {"training__init": "random", "training__max_iter": 20}

CLUSTERINGS = [
    NeuralEigenSpectralClustering().set_params(**SMALL),
    # From the spectrum the functions of shapeless data take hundreds of steps.
    NeuralEigenSpectralClustering(
        assign_labels="kmeans", affinity=NeighborAffinity(weights="binary")
    ).set_params(**RANDOM),
    NeuralEigenSpectralClustering(assign_labels="cluster_qr").set_params(**SMALL),
    NeuralEigenSpectralClustering(affinity="rbf").set_params(**SMALL),
    NeuralEigenSpectralClustering(assign_labels="kmeans_hidden").set_params(**SMALL),
]
EMBEDDINGS = [
    NeuralSpectralEmbedding().set_params(**SMALL),
    NeuralSpectralEmbedding(affinity="rbf").set_params(
        training__init="random", **SMALL
    ),
]
DEFAULTS = [NeuralEigenSpectralClustering(), NeuralSpectralEmbedding()]

# What scikit-learn asks of its own estimators beyond what `check_estimator` runs.
FURTHER_CHECKS = [
    "check_dataframe_column_names_consistency",
    "check_get_feature_names_out_error",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_n_features_in_after_fitting",
    "check_param_validation",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
]


# These take whatever has predict_proba for a classifier of four classes. Their fits and
# predictions are those of test_sparse_rows.py.
OF_CLASSIFIERS = ("check_estimator_sparse_array", "check_estimator_sparse_matrix")


def expected_failures(estimator):
    reason = "asks for the number of classes of a classifier"
    predicts = hasattr(estimator, "predict_proba")
    return dict.fromkeys(OF_CLASSIFIERS, reason) if predicts else {}


# The first of each differs from the default by its size alone.
checks = parametrize_with_checks(
    DEFAULTS + CLUSTERINGS[1:] + EMBEDDINGS[1:],
    expected_failed_checks=expected_failures,
)


# As a list: some releases of scikit-learn hand over a generator, some of pytest
# take none.
@pytest.mark.parametrize(checks.args[0], list(checks.args[1]), **checks.kwargs)
def test_contract(estimator, check):
    check(estimator)


# The checks of set_output pass arrays after a fit on a data frame, and the reverse.
@pytest.mark.filterwarnings("ignore:X .* feature names.* was fitted with:UserWarning")
@pytest.mark.parametrize("name", FURTHER_CHECKS)
@pytest.mark.parametrize(
    "estimator",
    # Which fit it is makes no difference to them.
    [NeuralEigenSpectralClustering().set_params(**RANDOM), EMBEDDINGS[1]],
    ids=["clustering", "embedding"],
)
def test_output_and_feature_names(estimator, name):
    check = getattr(estimator_checks, name)
    check(type(estimator).__name__, estimator)
