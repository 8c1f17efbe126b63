"""``neuraleig segment name``: names of clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from neuraleig._cli._info import check_holds_images
from neuraleig._cli._name import Pairs, read_names, write_clusters
from neuraleig._cli._options import check_output, model_name
from neuraleig._cli._readers import Reader
from neuraleig.persistence._names import ClusterFile


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
    if sheet is not None:
        # Names need no torch, and pictures do.
        from neuraleig._cli._segment_fit import check_sheet

        check_sheet(Path(sheet[1]))
    check_holds_images(model)
    found = ClusterFile(model)
    # All of it is refused before any of it is saved.
    found.name(named)
    found.merge(merge or [])
    equal = _equal_names(found) if merge_equal else []
    found.merge(equal)
    shares = None
    if sheet is not None:
        from neuraleig._cli._models import load_segmenter

        segmenter = load_segmenter(model, device, weights).name_clusters(named)
        segmenter.merge_clusters(merge or []).merge_clusters(equal)
        shares = _draw(segmenter, *sheet, feature_cache)
    if is_changed:
        found.write(saved)
    write_clusters(found, shares)


def _equal_names(found: ClusterFile) -> list[list[int]]:
    """Groups of clusters of equal names."""
    groups: dict[str, list[int]] = {}
    for cluster, title in found.cluster_names_.items():
        groups.setdefault(title, []).append(cluster)
    return list(groups.values())


def _draw(
    segmenter: Any,  # noqa: ANN401 - its class needs torch
    images: str,
    path: str,
    feature_cache: str | None,
) -> list[float]:
    """Draw the clusters in images of a folder; their shares of the pixels."""
    from neuraleig._cli._models import for_predictions
    from neuraleig.segmentation.backbones._feature_cache import SHARED

    drawn = for_predictions(segmenter, feature_cache or SHARED).contact_sheet(images)
    drawn.save(path)
    shares: list[float] = drawn.shares.tolist()
    return shares
