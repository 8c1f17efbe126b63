"""Files that no save wrote: bytes and entries of good ones, changed at random."""

import copy
import io
import json
import random

import numpy as np
import safetensors.torch
import torch

from neuraleig import _tree
from neuraleig.persistence import _model_file as files

DTYPES = [
    getattr(torch, name)
    for name in (
        "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool "
        "complex64 float8_e5m2 uint16"
    ).split()
]

# Values that no reader should count on.
ODD = (
    None,
    True,
    -1,
    0,
    1,
    2,
    3.5,
    -0.0,
    1e308,
    10**9,
    2**31,
    2**63,
    10**30,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "x" * 5_000,
    "__class__",
    "color_texture",
    "given",
    "mlp",
    "tokens",
    "torch.float16",
    "\ud800\n\x00",
    [],
    {},
    [0] * 3_000,
    {"function": "os.system"},
    {"class": "Training", "parameters": {}},
    {"class": "NeuralEigenSpectralClustering", "parameters": {"n_clusters": 2}},
    (1, (10**12,)),
)
ODD_ARRAYS = (
    np.ones((3, 2)),
    np.zeros((0, 2)),
    torch.ones(2, dtype=torch.bfloat16),
)
# Parts of the JSON that no reader should count on.
ODD_JSON = (
    {"$tensor": "x"},
    {"$array": "graph_eigenvalues_"},
    {"$tuple": 1},
    {"$tuple": [1, {"$tuple": [10**12]}]},
    {"$turned": [[1]]},
    {"$csr": [[10**9, 10**9], [], [], []]},
    {"$record": ["Path", {}]},
    {"$float": "nan"},
    {"$dict": [[[], {}]]},
    {"$class": "os.system"},
)


def deep(depth):
    """A list in a list in a list."""
    found = []
    for _ in range(depth):
        found = [found]
    return found


class Mutator:
    """Changes files, by a generator of random numbers.

    Parameters
    ----------
    paths : list of Path
        Good ones.
    seed : int
        Seed of the changes.
    """

    def __init__(self, paths, seed):
        self.draw = random.Random(seed)
        self.contents = [path.read_bytes() for path in paths]
        self.models = [files.read_model(path) for path in paths]
        # Values of one file in the place of those of another.
        self.values = [*ODD, *ODD_ARRAYS, deep(20)]
        for model in self.models:
            self.values += [parent[key] for parent, key in slots(model.tree)]

    def file(self):
        """Content of the next file."""
        return self.draw.choice(
            [
                self.flipped,
                self.cut,
                self.with_header,
                self.with_entries,
                self.with_entries,
                self.with_json,
                self.with_json,
                self.with_tree,
                self.with_tree,
                self.with_tree,
                self.with_tree,
            ]
        )()

    def flipped(self):
        """Some bits are others."""
        content = bytearray(self.draw.choice(self.contents))
        # The header as often as the rest, however short it is.
        reach = self.draw.choice([8, 600, len(content)])
        for _ in range(self.draw.choice([1, 1, 2, 8])):
            content[self.draw.randrange(reach)] ^= 1 << self.draw.randrange(8)
        return bytes(content)

    def cut(self):
        """A part is missing, stands twice, or is of another file."""
        content = self.draw.choice(self.contents)
        start, end = sorted(self.draw.randrange(len(content) + 1) for _ in range(2))
        part = self.draw.choice(
            [b"", content[start:end] * 2, self.draw.choice(self.contents)[start:end]]
        )
        return self.draw.choice(
            [content[:start], content[:start] + part + content[end:], content + part]
        )

    def with_header(self):
        """The text of the header is another one, of any length."""
        content = self.draw.choice(self.contents)
        length = int.from_bytes(content[:8], "little")
        header, data = content[8 : 8 + length], content[8 + length :]
        kind = self.draw.randrange(5)
        if kind == 0:
            claimed = self.draw.choice([0, 1, 2**24, 2**32, 2**62, 2**64 - 1])
            return claimed.to_bytes(8, "little") + header + data
        if kind == 1:
            depth = self.draw.choice([200, 5_000, 200_000])
            header = self.draw.choice([b"[", b'{"a":']) * depth
        elif kind == 2:
            header = b"{" + header.strip()[1:-1] + b"," + header.strip()[1:]
        elif kind == 3:
            at = self.draw.randrange(len(header))
            odd = self.draw.choice(
                [b'"', b"\xff", b"9" * 4_000, b"NaN", b"1e999", b"\\u0000"]
            )
            header = header[:at] + odd + header[at:]
        else:
            header = self.draw.choice([b"", b"{}", b"[]", b"null", b" " * 500])
        return len(header).to_bytes(8, "little") + header + data

    def with_entries(self):
        """Names, types, shapes and offsets of tensors are others."""
        content = self.draw.choice(self.contents)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        for _ in range(self.draw.choice([1, 1, 2])):
            parent, key = self.draw.choice(slots(header))
            odd = [*ODD, "F64", "I8", "BOOL", [-8, 0], [2**40, 2**41], [2**31, 2**31]]
            parent[key] = copy.deepcopy(self.draw.choice(odd))
        text = json.dumps(header).encode()
        return len(text).to_bytes(8, "little") + text + content[8 + length :]

    def with_json(self):
        """The JSON beside the tensors is other JSON, and its hash is right."""
        whole = self.draw.choice(self.contents)
        length = int.from_bytes(whole[:8], "little")
        header = json.loads(whole[8 : 8 + length])
        content = json.loads(header["__metadata__"][_tree.KEY])
        del content["hash"]
        for _ in range(self.draw.choice([1, 1, 2])):
            parent, key = self.draw.choice(slots(content))
            odd = [*ODD, *ODD_JSON, deep(400), self.draw.choice(slots(content))[0]]
            parent[key] = copy.deepcopy(self.draw.choice(odd))
        tensors = safetensors.torch.load(whole)
        content = {"hash": _tree._hash(content, tensors), **content}
        return safetensors.torch.save(tensors, {_tree.KEY: json.dumps(content)})

    def with_tree(self):
        """The tree is another one, and all hashes are right."""
        model = self.draw.choice(self.models)
        tree = copy.deepcopy(model.tree)
        for _ in range(self.draw.choice([1, 1, 1, 2, 4])):
            self.change(tree)
        class_name = self.draw.choice(
            [model.class_name] * 8 + [m.class_name for m in self.models]
        )
        metadata = {
            "format": files.FORMAT,
            "schema": files.SCHEMA,
            "class": class_name,
            "versions": model.versions,
        }
        written = io.BytesIO()
        try:
            _tree.save_tree(written, tree, metadata)
        except ValueError:
            # Deeper than is written.
            return self.with_tree()
        return written.getvalue()

    def change(self, tree):
        """One entry is gone, another one, or under another name."""
        parent, key = self.draw.choice(slots(tree))
        kind = self.draw.randrange(6)
        is_array = isinstance(parent[key], np.ndarray | torch.Tensor)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[self.draw.choice(["more", "__init__", "", 3])] = parent.pop(key)
        elif is_array and kind > 2:
            parent[key] = self.changed(parent[key])
        else:
            parent[key] = copy.deepcopy(self.draw.choice(self.values))

    def changed(self, value):
        """Array or tensor of another type, shape or content."""
        is_array = isinstance(value, np.ndarray)
        found = self.changed_tensor(torch.as_tensor(value).clone())
        try:
            return found.numpy() if is_array else found
        except TypeError:
            return found

    def changed_tensor(self, value):
        kind = self.draw.randrange(5)
        if kind == 0:
            return value.to(self.draw.choice(DTYPES))
        if kind == 1 and value.numel():
            odd = self.draw.choice([float("nan"), float("inf"), 1e30, -1.0, 0.0])
            at = self.draw.randrange(value.numel())
            flat = value.contiguous().reshape(-1)
            flat[at] = odd if value.is_floating_point() else int(max(-9, min(odd, 9)))
            return flat.reshape(value.shape)
        if kind == 2:
            return torch.cat([value.reshape(-1), value.reshape(-1)])
        if kind == 3:
            return value.reshape(-1)[:-1]
        shape = self.draw.choice([(0,), (0, 2**40), (1,), (), (2, 3), (1,) * 20])
        return torch.zeros(shape, dtype=value.dtype)


def slots(tree):
    """Every place in nested dicts and lists, as what holds it and its key."""
    found = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        found.append((tree, key))
        if isinstance(value, dict | list):
            found += slots(value)
    return found
