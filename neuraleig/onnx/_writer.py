"""The only module that imports onnx, and only when a model is exported."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from neuraleig._atomic import atomic_file
from neuraleig._extras import missing
from neuraleig.onnx._model import Axes, Model

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

# Version of the operators, supported by all runtimes of recent years.
OPSET = 18
# Bound of open axes; torch 2.6 requires a finite one.
LARGEST_SIZE = 2**30
# Bytes of weights that fit into a file of protocol buffers, beside the graph.
LARGEST_FILE = 2**31 - 2**24
# Largest difference between a module and its trace, due to the order of sums.
TOLERANCE = 1e-3


def require_onnx() -> None:
    """Raise an ImportError that names the extra if onnx or onnxscript is missing."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            missing("export_onnx", error.name or "onnx", "onnx")
        ) from error


def write_onnx(model: Model, path: Path) -> None:
    """Export a model into one file, which is replaced only if all succeeds.

    Raises
    ------
    ValueError
        If torch cannot export the module for all sizes, or its weights are too large.
    OSError
        If the file cannot be written.
    """
    tensors = [*model.module.parameters(), *model.module.buffers()]
    n_bytes = sum(t.numel() * t.element_size() for t in tensors)
    if n_bytes > LARGEST_FILE:
        raise ValueError(
            f"{model.subject} has {n_bytes / 1e9:.1f} GB of weights, and one file of "
            "ONNX holds less than 2 GB. Leave out include_backbone, or use a smaller "
            "network."
        )
    with _quiet(), torch.no_grad():
        content = _finished(_exported(model), model)
    with atomic_file(path) as file:
        file.write(content)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the warnings, log records and prints of torch's exporter."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    nowhere = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(nowhere):
            warnings.simplefilter("ignore")
            with redirect_stderr(nowhere):
                yield
    finally:
        logging.disable(level)


def _exported(model: Model) -> ModelProto:
    try:
        program = torch.export.export(
            model.module,
            (model.examples[0],),
            dynamic_shapes=(_dynamic_shapes(model.input_axes),),
            strict=False,
        )
        _check_other_sizes(program.module(), model)
        exported: Any = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=[model.input_name],
            output_names=list(model.outputs),
            external_data=False,
            optimize=True,
            verbose=False,
        )
        proto: ModelProto = exported.model_proto
    # A user's network can make torch raise anything.
    except Exception as error:
        cause = error.__cause__ or error
        first_line = (str(cause).strip().splitlines() or [""])[0].rstrip(" .:")
        raise ValueError(
            f"torch {torch.__version__} cannot export {model.subject} to ONNX "
            f"({type(cause).__name__}: {first_line}). {model.remedy}"
        ) from error
    return proto


def _dynamic_shapes(axes: Axes) -> dict[int, Any]:
    shapes: dict[int, Any] = {}
    for place, axis in enumerate(axes):
        if axis is not None:
            size = torch.export.Dim(f"n_{axis.name}", max=LARGEST_SIZE)
            shapes[place] = size if axis.step == 1 else axis.step * size
    return shapes


def _check_other_sizes(traced: Any, model: Model) -> None:  # noqa: ANN401
    """Raise a ValueError if a trace holds only for the sizes of its example."""
    other = model.examples[1]
    expected, found = model.module(other), traced(other)
    for name, one, two in zip(model.outputs, expected, found, strict=True):
        if not _agree(one, two):
            raise ValueError(f"its {name} are those of another size of the input")


def _agree(one: Tensor, two: Tensor) -> bool:
    if one.shape != two.shape:
        return False
    # Labels may differ where two clusters tie.
    return not one.is_floating_point() or torch.allclose(
        one, two, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True
    )


def _finished(proto: ModelProto, model: Model) -> bytes:
    """Return the file's content with named axes and without traces of this machine."""
    import onnx

    graph = proto.graph
    for value, axes in zip(graph.output, model.outputs.values(), strict=True):
        _name_axes(value, axes, model)
    _name_axes(graph.input[0], model.input_axes, model)
    # Symbols of torch, and the file and line of each node.
    del graph.value_info[:], graph.metadata_props[:]
    for function in proto.functions:
        _remove_sources(function)
    _remove_sources(graph)
    onnx.helper.set_model_props(proto, dict(model.metadata))
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString(deterministic=True))


def _name_axes(value: Any, axes: Axes, model: Model) -> None:  # noqa: ANN401
    for size, axis in zip(value.type.tensor_type.shape.dim, axes, strict=True):
        if axis is None:
            continue
        if size.HasField("dim_value"):
            raise ValueError(
                f"torch {torch.__version__} exports {model.subject} for one size of "
                f"{axis.name} only. {model.remedy}"
            )
        size.dim_param = axis.name


def _remove_sources(graph: GraphProto) -> None:
    """Remove the exporter's notes from nodes, including those of branches."""
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _remove_sources(attribute.g)
