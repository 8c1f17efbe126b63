"""Names and unions of clusters in model files, changed without making the models."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neuraleig._atomic import atomic_file
from neuraleig._cluster_names import named, united, united_names
from neuraleig._tree_file import (
    KEY,
    LENGTH_BYTES,
    MAX_HEADER,
    Stored,
    hash_of,
    load_content,
    read_header,
    stored_arrays,
    unpacked,
)
from neuraleig.persistence._plain_file import FORMAT, SCHEMA, checked
from neuraleig.persistence._schemas import STEPS_INSIDE

# Headers of safetensors files end at a multiple of these bytes.
ALIGNED = 8


class ClusterFile:
    """Clusters of a model in a file, which :func:`describe` has not refused.

    Parameters
    ----------
    path : Path
        File of a model that has clusters.

    Attributes
    ----------
    n_clusters_ : int
        Number of clusters.
    cluster_names_ : dict of int to str
        Their names.
    cluster_shares_ : tuple of float, or None
        Their shares of the rows of the fit, where the file has them.
    """

    def __init__(self, path: Path) -> None:
        with checked(path):
            self._header, whole = read_header(path)
            self._content, metadata = load_content(
                self._header["__metadata__"], {"format": FORMAT, "schema": SCHEMA}
            )
            self._arrays = stored_arrays(whole)
            start = LENGTH_BYTES + int.from_bytes(whole[:LENGTH_BYTES], "little")
            self._data = bytearray(whole[start:])
            tree = self._content["tree"]
            is_pipeline = metadata["class"] == STEPS_INSIDE
            self._own = own = tree["estimator"] if is_pipeline else tree
            self.n_clusters_ = int(own["fit"]["n_clusters_"])
            self.cluster_names_ = dict(unpacked(own.get("cluster_names", {}), {}))
            shares = own.get("reference", {}).get("cluster_shares_")
            self.cluster_shares_ = shares and self._arrays[shares["$array"]].values()

    def name(self, names: Mapping[int, str]) -> None:
        """Name clusters, as ``name_clusters`` does."""
        self.cluster_names_ = named(self.cluster_names_, names, self.n_clusters_)

    def merge(self, groups: Iterable[Sequence[int]]) -> None:
        """Unite clusters of a segmenter, as ``merge_clusters`` does."""
        numbers = united(groups, self.n_clusters_)
        key = self._own["groups"]["$array"]
        former = self._arrays[key]
        values = [numbers[cluster] for cluster in former.values()]
        data = struct.pack(f"<{len(values)}q", *values)
        self._arrays[key] = Stored(former.dtype, former.shape, data)
        begin, end = self._header[key]["data_offsets"]
        self._data[begin:end] = data
        self.n_clusters_ = max(numbers) + 1
        self.cluster_names_ = united_names(self.cluster_names_, numbers)

    def write(self, path: Path) -> None:
        """Write the model with these names, whole or not at all."""
        text = json.dumps(self._named_content())
        header = json.dumps(
            self._header | {"__metadata__": {KEY: text}},
            separators=(",", ":"),
            ensure_ascii=False,
        ).encode()
        header += b" " * (-len(header) % ALIGNED)
        if len(header) > MAX_HEADER:
            raise ValueError(
                f"the header of {path} would have {len(header)} bytes, and at most "
                f"{MAX_HEADER} are read; give shorter names"
            )
        with atomic_file(path) as file:
            file.write(len(header).to_bytes(LENGTH_BYTES, "little"))
            file.write(header)
            file.write(self._data)

    def _named_content(self) -> dict[str, Any]:
        """JSON of the model, with its hash."""
        own, names = self._own, self.cluster_names_
        own["fit"]["n_clusters_"] = self.n_clusters_
        packed: Any = {"$dict": [[c, name] for c, name in names.items()]}
        is_segmenter, last = "groups" in own, {}
        if not names:
            packed = {}
        if not is_segmenter:
            # Equal models are equal files: names stand where the fit puts them.
            last = {key: own.pop(key) for key in ("reference",) if key in own}
            own.pop("cluster_names", None)
        if is_segmenter or names:
            own["cluster_names"] = packed
        own.update(last)
        content = {k: v for k, v in self._content.items() if k != "hash"}
        return {"hash": hash_of(content, self._arrays), **content}
