"""Declared forms of the trees of models, and of their parts that are not plain.

Reading them needs neither torch nor scikit-learn: descriptions of files are quick.
"""

from __future__ import annotations

from typing import Any

from neuraleig.persistence._forms import (
    FLAG,
    NAMES,
    NUMBER,
    RECORD,
    TENSOR,
    TENSORS,
    TEXT,
    Form,
    Schema,
    check,
    choice,
    integer,
    number,
    numbers,
)

# Trunks of networks of this package, and those of users; heads, as networks names them.
TRUNKS = ("mlp", "tokens", "own")
HEADS = ("linear", "orthogonal")
# Who makes a backbone anew: timm, this package, or the user, who has a callable or a
# class of one's own.
BACKBONES = TIMM, COLOR_TEXTURE, OWN = "timm", "color_texture", "own"
# Types of the products of a backbone.
PRODUCTS = ("torch.float32", "torch.bfloat16", "torch.float16")
# Pixels of a patch at most. Filters of colour and texture are as wide; photographs are
# no wider.
LARGEST_PATCH = 4096
PASSTHROUGH, DROP = "passthrough", "drop"
# Steps that hold others.
STEPS_INSIDE, COLUMNS_INSIDE = "Pipeline", "ColumnTransformer"
# Estimators of rows, which pipelines end in.
LAST = ("NeuralEigenSpectralClustering", "NeuralSpectralEmbedding")

CURVE: dict[str, Schema] = {
    "n_clusters": numbers(dtype="int64"),
    "modularity": numbers(),
    "cut": numbers(),
    "eigenvalue_gap": numbers(),
    "agreement": numbers(),
    "strength": numbers(),
}
ALTERNATIVES: dict[str, Schema] = {
    "readers": [RECORD],
    "cuts": numbers(),
    "modularities": numbers(),
    "heads": ({"weight": TENSOR, "bias": TENSOR},),
}
# Attributes that are plain numbers.
NUMBERS: dict[str, Schema] = {
    "n_iter_": integer(),
    "n_connected_components_": integer(),
}
EMBEDDING: dict[str, Schema] = {
    "parameters": RECORD,
    "network": RECORD,
    "graph_eigenvalues_": numbers(),
    "loss_curve_": numbers(),
    "fit": NUMBERS,
    "affinity": {"component": RECORD, "gamma": (number(least=0),)},
    "feature_names": ([TEXT],),
    # Files of former versions have none.
    "density?": (RECORD,),
    # Models of sparse rows alone have one.
    "projection?": numbers(2, dtype="float32"),
    # As scikit-learn's set_output takes it.
    "transform_output": (choice(("default", "pandas", "polars")),),
}
CLUSTERING: dict[str, Schema] = EMBEDDING | {
    "fit": NUMBERS
    | {
        "n_samples_seen_": integer(),
        "n_clusters_": integer(least=1),
        "ncut_": NUMBER,
    },
    "discretizer": RECORD,
    "curve": (CURVE,),
    "alternatives": (ALTERNATIVES,),
    # Files of former versions have none.
    "calibration?": (RECORD,),
    "reference?": {"cluster_shares_": numbers(), "mean_confidence_": number(least=0)},
    # Models without names have none.
    "cluster_names?": NAMES,
}
NETWORK: dict[str, Schema] = {
    "trunk": {"kind": choice(TRUNKS), "sizes": RECORD},
    "n_functions": integer(least=1),
    "n_clusters": integer(least=1),
    "n_components": integer(least=1),
    "function_head": choice(HEADS),
    "label_head": choice(HEADS),
    "noise": FLAG,
    "weights": TENSORS,
}
TIMM_PARTS: dict[str, Schema] = {
    "settings": RECORD,
    "seed": integer(),
    # Type of the products on CUDA.
    "products": choice(PRODUCTS),
}
BACKBONE: dict[str, Schema] = {
    "kind": choice(BACKBONES),
    "identity": TEXT,
    "patch_size": Form(
        f"a number of pixels up to {LARGEST_PATCH}",
        lambda value: type(value) is int and 1 <= value <= LARGEST_PATCH,
    ),
    "n_channels": [integer(least=1)],
    "timm": (TIMM_PARTS,),
    "probe": (TENSOR,),
    "weights": (TENSORS,),
}
FIT: dict[str, Schema] = {
    "n_clusters_": integer(least=1),
    "n_images_": integer(),
    "modularity_": NUMBER,
}
SEGMENTER: dict[str, Schema] = {
    "parameters": RECORD,
    "clusterer": RECORD,
    "backbone": BACKBONE,
    # Centre and unit of every channel of a token.
    "token_mean_": numbers(dtype="float32"),
    "token_scale_": numbers(dtype="float32"),
    # Union of clusters that every score belongs to.
    "groups": numbers(dtype="int64"),
    "cluster_names": NAMES,
    "fit": FIT,
    # Files of former versions have none, and other numbers of clusters after loading.
    "occurrences?": {
        "counts": numbers(2, "int64"),
        "probabilities": (numbers(2),),
    },
}
# Features of a row at most: some steps hold nothing whose size could be compared.
MOST_FEATURES = 2**20
STEP = Form(
    f"a step or {PASSTHROUGH!r}",
    lambda value: isinstance(value, dict) or _is_text(value, PASSTHROUGH),
)
PART: dict[str, Schema] = {
    "step": Form(
        f"a step, {PASSTHROUGH!r} or {DROP!r}",
        lambda value: STEP.holds(value) or _is_text(value, DROP),
    ),
    "columns": numbers(dtype="int64"),
}
STEPS: dict[str, Schema] = {"steps": [{"name": TEXT, "step": STEP}]}
COLUMNS: dict[str, Schema] = {
    "parts": [PART | {"name": TEXT, "named": FLAG}],
    "remainder": PART,
    "sparse_output": (FLAG,),
}
PIPELINE: dict[str, Schema] = {
    "n_features": Form(
        f"an integer from 1 to {MOST_FEATURES}",
        lambda value: type(value) is int and 1 <= value <= MOST_FEATURES,
    ),
    "feature_names": ([TEXT],),
    "before": RECORD,
    "name": TEXT,
    "class": choice(LAST),
    "estimator": RECORD,
}
FORM: dict[str, Schema] = {
    "kind": TEXT,
    "parameters": RECORD,
    "learned": RECORD,
    "feature_names": ([TEXT],),
    # As scikit-learn's set_output takes it.
    "transform_output": (choice(("default", "pandas", "polars")),),
}
# Forms of estimators by their classes.
FORMS = {
    "NeuralEigenSpectralClustering": CLUSTERING,
    "NeuralSpectralEmbedding": EMBEDDING,
    "DenseSegmenter": SEGMENTER,
}


def steps_text(pipeline: Any) -> list[str]:  # noqa: ANN401
    """Classes of the steps of a packed pipeline, composed ones with those in them."""
    check(pipeline, FORM, "step")
    check(pipeline["learned"], STEPS, "learned")
    return [_step_text(part["step"]) for part in pipeline["learned"]["steps"]]


def _step_text(step: Any) -> str:  # noqa: ANN401
    if isinstance(step, str):
        return step
    check(step, FORM, "step")
    learned, kind = step["learned"], str(step["kind"])
    if kind == STEPS_INSIDE:
        return f"{kind}({', '.join(steps_text(step))})"
    if kind == COLUMNS_INSIDE:
        check(learned, COLUMNS, "learned")
        parts = [*learned["parts"], {"name": "remainder"} | learned["remainder"]]
        inside = [
            f"{part['name']}: {_step_text(part['step'])}"
            for part in parts
            if part["columns"].size
        ]
        return f"{kind}({', '.join(inside)})"
    return kind


def _is_text(value: object, text: str) -> bool:
    return isinstance(value, str) and value == text
