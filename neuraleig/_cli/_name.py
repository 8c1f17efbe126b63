"""``neuraleig name``: names of clusters of rows, and what images share of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from neuraleig._cli._info import check_holds_rows
from neuraleig._cli._options import check_output, model_name
from neuraleig._cli._readers import Reader
from neuraleig.persistence._names import ClusterFile

Pairs = Annotated[list[tuple[int, str]] | None, Reader("named_cluster")]


def name(
    model: Path,
    *,
    names: Path | None = None,
    name: Pairs = None,
    output: Annotated[Path | None, model_name] = None,
) -> None:
    """Name clusters of rows, and list them with their shares of the rows of the fit.

    Names appear in the text that predict writes, in info, reports and plots.

    Parameters
    ----------
    names : FILE
        JSON of names by cluster, such as {"0": "gold"}.
    name : N=NAME
        Name of a cluster; an empty one removes it. Again for more.
    output : MODEL2
        File of the new model (default: MODEL, which is replaced).

    Examples
    --------
    neuraleig name model.safetensors
    neuraleig name model.safetensors --name 0=gold --name 2=silver
    neuraleig name model.safetensors --names names.json -o named.safetensors
    """
    saved = output or model
    is_changed = bool(names or name or output)
    if is_changed:
        check_output(saved)
    named = read_names(names) | dict(name or [])
    check_holds_rows(model, with_clusters=True)
    found = ClusterFile(model)
    found.name(named)
    if is_changed:
        found.write(saved)
    write_clusters(found, found.cluster_shares_)


def read_names(path: Path | None) -> dict[int, str]:
    """Names by cluster of a JSON file."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {int(cluster): name for cluster, name in found.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(
            f'{path} must hold names by cluster in JSON, such as {{"3": "road"}} '
            f"({error})"
        ) from error


def write_clusters(model: ClusterFile, shares: Sequence[float] | None) -> None:
    """List the clusters of a model, their shares where they are known, and names."""
    for cluster in range(model.n_clusters_):
        share = "" if shares is None else f"  {100 * shares[cluster]:6.2f} %"
        title = model.cluster_names_.get(cluster, "-")
        sys.stdout.write(f"{cluster:4d}{share}  {title}\n")
