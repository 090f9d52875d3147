"""What training a built model costs on paper: its arithmetic and its memory traffic, from shapes alone.

Matrix products are counted exactly by the usual convention: a multiplication and an addition are two operations, and a
convolution's padding counts. Memory traffic is an estimate; custom layers without weights are taken to be
elementwise. Importing this module imports Keras: choose the backend first.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
_SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
_CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv1D, layers.DepthwiseConv2D)
_KERNELS = (layers.Dense, *_CONVOLUTIONS, *_TRANSPOSED, *_SEPARABLE)
_NORMALIZATIONS = (layers.BatchNormalization, layers.LayerNormalization)
_RECURRENT = {layers.LSTM: 6, layers.GRU: 4, layers.SimpleRNN: 1}
"""Numbers that a unit keeps of each step for the way back."""
_PRODUCTS = {"Attention", "Conv", "ConvTranspose", "DepthwiseConv", "Dot", "Einsum", "Matmul", "Tensordot"}
"""Layers and functions that multiply activations, or may."""
_SLOTS = {"Adam": 2, "Adadelta": 2, "RMSprop": 1, "SGD": 0}
"""An optimizer's numbers per parameter; any other optimizer, or none, is taken for Adam."""

_Shape = Sequence[int | None]


@dataclass(frozen=True, kw_only=True)
class Work:
    """Floating-point operations and bytes of training."""

    forward_flops: float
    """Matrix products of one sample's forward pass."""
    training_flops: float
    """The same with gradients by weights, and by those inputs that have weights behind them: none by the data, so this
    is less than three times `forward_flops`."""
    step_bytes: float
    """Memory traffic of one step of the whole batch, an estimate: each layer reads inputs and writes outputs, again on
    the way back and with gradients; weights are read once each way, gradients, weights and slots updated once."""


class _Uncounted(Exception):
    """Something that this module can't count."""


@dataclass(frozen=True)
class _Call:
    """One use of a layer or function, with the shapes that it sees there."""

    layer: Any
    inputs: Sequence[_Shape]
    outputs: Sequence[_Shape]
    reached: bool
    """Trainable weights lie behind an input, so that its gradient is needed."""

    trainable: bool

    @property
    def passes(self) -> int:
        """Forward, and back where there is anything to learn."""
        return 1 + (self.reached or self.trainable)


def count_work(model: keras.Model, batch_size: int) -> Work | None:
    """Count a model of known shapes, compiled or not; ``batch_size`` samples per step.

    None where something can't be counted: weights outside of Keras' own dense, convolutional, recurrent and normalizing
    layers, a product of activations, a shape left open.
    """
    if not _is_graph(model):
        return None
    calls: list[_Call] = []
    try:
        _walk(model, [False] * len(model.inputs), calls)
        flops = [_count_flops(call) for call in calls]
        compared = _count_numbers(*(tensor.shape for tensor in model.outputs))
        # The loss reads target and reconstruction twice and writes a gradient.
        sample_bytes = sum(map(_count_activation_bytes, calls)) + 5 * compared * _count_bytes(keras.config.floatx())
    except _Uncounted:
        return None
    slots = _SLOTS.get(type(getattr(model, "optimizer", None)).__name__, _SLOTS["Adam"])
    return Work(
        forward_flops=float(sum(forward for forward, _ in flops)),
        training_flops=float(sum(training for _, training in flops)),
        step_bytes=float(batch_size * sample_bytes + _count_weight_bytes(calls, slots)),
    )


def _walk(model: Any, reached: Sequence[bool], calls: list[_Call]) -> list[bool]:
    """Append the calls of a model and of those nested in it, inputs first; returns which outputs depend on weights."""
    learned = dict(zip(map(id, model.inputs), reached, strict=True))
    # Keras has no public way to a layer's second call, which may see other shapes.
    nodes = keras.Function(model.inputs, model.outputs)._nodes_by_depth  # noqa: SLF001
    for node in (node for depth in sorted(nodes, reverse=True) for node in nodes[depth] if not node.is_input):
        before = [learned[id(tensor)] for tensor in node.input_tensors]
        if _is_graph(node.operation) and len(node.operation.inputs) == len(before):
            after = _walk(node.operation, before, calls)
        else:
            inputs, outputs = ([tensor.shape for tensor in side] for side in (node.input_tensors, node.outputs))
            trainable = bool(getattr(node.operation, "trainable_weights", ()))
            calls.append(_Call(node.operation, inputs, outputs, any(before), trainable))
            after = [calls[-1].passes > 1] * len(node.outputs)
        learned.update(zip(map(id, node.outputs), after, strict=True))
    return [learned[id(tensor)] for tensor in model.outputs]


def _is_graph(layer: Any) -> bool:
    """Whether it is a model of layers and nothing else: a subclass of Keras' own may do anything when it is called."""
    return isinstance(layer, keras.Model) and type(layer).__module__.startswith("keras.") and hasattr(layer, "inputs")


def _count_flops(call: _Call) -> tuple[int, int]:
    """Operations of a call's matrix products: forward, and all of training."""
    places, kernels = _find_kernels(call)
    products = [2 * places * _count_weights(kernel) for kernel in kernels]
    by_weights = sum(products) if call.trainable else 0
    by_inputs = sum(products if call.reached else products[1:] if call.trainable else [])
    return sum(products), sum(products) + by_weights + by_inputs


def _find_kernels(call: _Call) -> tuple[int, list[Any]]:
    """How often a layer uses its matrices, and those; all but the first work on what the others of the layer gave."""
    layer, kind, before, after = call.layer, type(call.layer), call.inputs[0], call.outputs[0]
    if kind in _RECURRENT:
        return _count_numbers(before[:2]), [layer.cell.kernel, layer.cell.recurrent_kernel]
    if kind in _SEPARABLE:
        return _count_places(layer, after), [layer.depthwise_kernel, layer.pointwise_kernel]
    if kind in _KERNELS and not getattr(layer, "lora_enabled", False):
        # A transposed convolution uses its kernel at every place of its input, others at every place of their output.
        return _count_places(layer, before if kind in _TRANSPOSED else after), [layer.kernel]
    if (getattr(layer, "weights", ()) and kind not in _NORMALIZATIONS) or kind.__name__ in _PRODUCTS:
        raise _Uncounted
    return 0, []


def _count_kept(call: _Call) -> int:
    """One sample's numbers that a call leaves for the way back."""
    if type(call.layer) in _RECURRENT:
        return _RECURRENT[type(call.layer)] * _count_numbers(call.inputs[0][:2]) * int(call.layer.units)
    return _count_numbers(*call.outputs)


def _count_activation_bytes(call: _Call) -> int:
    """One sample's inputs, outputs and their gradients; biases and activations are fused into their layer."""
    inputs, outputs, kept = _count_numbers(*call.inputs), _count_numbers(*call.outputs), _count_kept(call)
    gradients = (outputs if call.passes > 1 else 0) + (inputs if call.reached else 0)
    width = _count_bytes(getattr(call.layer, "compute_dtype", None) or keras.config.floatx())
    return width * ((inputs + kept) * call.passes + gradients)


def _count_weight_bytes(calls: Iterable[_Call], slots: int) -> int:
    """A step's traffic for weights, their gradients and the optimizer's slots; a layer that is called twice is one."""
    total = 0
    for call in {id(call.layer): call for call in calls if getattr(call.layer, "weights", ())}.values():
        stored, width = _count_bytes(call.layer.variable_dtype), _count_bytes(call.layer.compute_dtype)
        total += _count_weights(*call.layer.weights) * (2 * width + (stored + width if stored != width else 0))
        # A gradient is written and read, weights and slots are read and written.
        total += _count_weights(*call.layer.trainable_weights) * stored * (4 + 2 * slots)
    return total


def _count_places(layer: Any, shape: _Shape) -> int:
    """Places in a shape of (batch, places ..., channels), or channels first."""
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return _count_numbers([shape[0], *shape[2:]] if first else shape[:-1])


def _count_numbers(*shapes: _Shape) -> int:
    """Numbers of one sample: the first dimension is the batch."""
    if any(None in shape[1:] for shape in shapes):
        raise _Uncounted
    return sum(math.prod(length or 0 for length in shape[1:]) for shape in shapes)


def _count_weights(*weights: Any) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _count_bytes(dtype: str) -> int:
    """Bytes of one number: ``bfloat16`` has two, a bool one."""
    return int((re.findall(r"\d+", dtype) or [8])[0]) // 8
