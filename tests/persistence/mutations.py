"""Files that no save wrote: bytes and entries of good ones, changed at random."""

import copy
import json
import random

import torch

from neuraleig.persistence import _model_file as files
from neuraleig.persistence._tensor_file import DTYPES, bytes_of, header_of, in_order

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
    {"tuple": [1, {"tuple": [10**12]}]},
    {"tuple": 1},
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
        self.values = [*ODD, deep(400)]
        for model in self.models:
            self.values += [parent[key] for parent, key in slots(model.state.content)]

    def file(self):
        """Content of the next file."""
        return self.draw.choice(
            [
                self.flipped,
                self.cut,
                self.with_header,
                self.with_entries,
                self.with_entries,
                self.with_state,
                self.with_state,
                self.with_state,
                self.with_state,
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

    def with_state(self):
        """The state is another one, and all hashes are right."""
        model = self.draw.choice(self.models)
        tensors = {name: value.clone() for name, value in model.state.tensors.items()}
        content = copy.deepcopy(model.state.content)
        for _ in range(self.draw.choice([1, 1, 1, 2, 4])):
            self.draw.choice([self.change_content, self.change_tensors])(
                content, tensors
            )
        class_name = self.draw.choice(
            [model.class_name] * 8 + [m.class_name for m in self.models]
        )
        turned = [n for n, value in tensors.items() if files._is_column_major(value)]
        if self.draw.random() < 0.05:
            turned = self.draw.choice([["none"], [3], "x", {"a": 1}, [*tensors]])
        header = {
            "format": files.FORMAT,
            "schema": str(files.SCHEMA),
            "class": class_name,
            "versions": json.dumps(model.versions),
            "column_major": json.dumps(turned),
            "content": json.dumps(content),
        }
        tensors = {name: value.contiguous() for name, value in tensors.items()}
        header["hash"] = files._hash(header, tensors)
        parts = [bytes_of(tensor) for tensor in in_order(tensors).values()]
        return b"".join([header_of(header, tensors), *map(bytes, parts)])

    def change_content(self, content, tensors):
        """One entry of the JSON is gone, another one, or under another name."""
        parent, key = self.draw.choice(slots(content))
        kind = self.draw.randrange(6)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[self.draw.choice(["more", "__init__", ""])] = parent.pop(key)
        else:
            parent[key] = copy.deepcopy(self.draw.choice(self.values))

    def change_tensors(self, content, tensors):
        """One tensor is gone, another one, or under another name."""
        name = self.draw.choice(sorted(tensors))
        value = tensors[name]
        kind = self.draw.randrange(8)
        if kind == 0:
            del tensors[name]
        elif kind == 1:
            tensors[self.draw.choice(["more", name + "x", ""])] = tensors.pop(name)
        elif kind == 2:
            other = self.draw.choice(sorted(tensors))
            tensors[name], tensors[other] = tensors[other], value
        elif kind == 3:
            tensors[name] = value.to(self.draw.choice([*DTYPES.values()]))
        elif kind == 4 and value.numel():
            odd = self.draw.choice([float("nan"), float("inf"), 1e30, -1.0, 0.0])
            at = self.draw.randrange(value.numel())
            flat = value.contiguous().reshape(-1)
            flat[at] = odd if value.is_floating_point() else int(max(-9, min(odd, 9)))
            tensors[name] = flat.reshape(value.shape)
        elif kind == 5:
            tensors[name] = torch.cat([value.reshape(-1), value.reshape(-1)])
        elif kind == 6:
            tensors[name] = value.reshape(-1)[:-1]
        else:
            shape = self.draw.choice([(0,), (0, 2**40), (1,), (), (2, 3), (1,) * 20])
            tensors[name] = torch.zeros(shape, dtype=value.dtype)


def slots(tree):
    """Every place in nested dicts and lists, as what holds it and its key."""
    found = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        found.append((tree, key))
        if isinstance(value, dict | list):
            found += slots(value)
    return found
