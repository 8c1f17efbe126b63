"""``neuraleig segment name``: names of clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from neuraleig import save
from neuraleig._cli._models import for_predictions, load_segmenter
from neuraleig._cli._name import Pairs, read_names, write_clusters
from neuraleig._cli._options import (
    check_output,
    model_name,
)
from neuraleig._cli._readers import Reader
from neuraleig._cli._segment_fit import check_sheet
from neuraleig.segmentation.backbones._feature_cache import SHARED


def name(
    model: Path,
    *,
    names: Path | None = None,
    name: Pairs = None,
    merge: Annotated[list[list[int]] | None, Reader("clusters")] = None,
    merge_equal: bool = False,
    output: Annotated[Path | None, model_name] = None,
    sheet: tuple[str, str] | None = None,
    device: str = "auto",
    weights: str | None = None,
    feature_cache: str | None = None,
) -> None:
    """Name clusters, unite some, and draw a sheet that shows them.

    Numbers are those of MODEL. Names are given first: a union takes the first name that
    a member has. The clusters that are left are numbered anew, and listed.

    Parameters
    ----------
    names : FILE
        JSON of names by cluster.
    name : N=NAME
        Name of a cluster; an empty one removes it. Again for more.
    merge : N,N
        Clusters to unite; again for more.
    merge_equal
        Unite clusters of equal names, after the names are given.
    output : MODEL2
        File of the new model (default: MODEL, which is replaced).
    sheet : FOLDER PNG
        Draw the clusters in images of a folder.

    Examples
    --------
    neuraleig segment name model.safetensors --sheet photos sheet.png
    neuraleig segment name m.safetensors --name 3=road --name 5=sky --merge 1,4
    neuraleig segment name model.safetensors --names names.json --merge-equal
                                     with names.json: {"3": "road", "5": "sky"}
    """
    saved = output or model
    is_changed = bool(names or name or merge or merge_equal or output)
    if is_changed:
        check_output(saved)
    named = read_names(names) | dict(name or [])
    check_sheet(None if sheet is None else Path(sheet[1]))
    segmenter = load_segmenter(model, device, weights)
    # All of it is refused before any of it is saved.
    segmenter.name_clusters(named).merge_clusters(merge or [])
    if merge_equal:
        groups: dict[str, list[int]] = {}
        for cluster, title in segmenter.cluster_names_.items():
            groups.setdefault(title, []).append(cluster)
        segmenter.merge_clusters(list(groups.values()))
    shares = None
    if sheet is not None:
        shown = for_predictions(segmenter, feature_cache or SHARED)
        drawn = shown.contact_sheet(sheet[0])
        drawn.save(sheet[1])
        shares = drawn.shares
    if is_changed:
        save(segmenter, saved)
    write_clusters(segmenter, shares)
