"""The network that a tick is compared with: LSTM-256, two layers of 256, as ONNX."""

from typing import Any, Final

import numpy as np

UNITS: Final = 256
OBSERVATION: Final = 108  # what the shipped policy sees
MUSCLES: Final = 39
OPSET: Final = 17
IR_VERSION: Final = 10  # the newest that onnxruntime 1.20 reads


def model() -> bytes:
    """The file's content; weights are random, which costs what trained ones do."""
    from onnx import TensorProto, checker, helper

    rng = np.random.default_rng(0)

    def tensor(name: str, *shape: int) -> Any:
        values = rng.normal(0.0, 0.05, shape).astype(np.float32)
        return helper.make_tensor(name, TensorProto.FLOAT, shape, values.tobytes(), raw=True)

    def value(name: str, *shape: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    nodes = [
        helper.make_node("Unsqueeze", ["obs", "axis"], ["x"]),
        helper.make_node(
            "LSTM",
            ["x", "w", "r", "b", "", "h_in", "c_in"],
            ["y", "h_out", "c_out"],
            hidden_size=UNITS,
        ),
        helper.make_node("Squeeze", ["h_out", "axis"], ["a"]),
        *_layer("a", "w1", "b1", "d", "Elu"),
        *_layer("d", "w2", "b2", "e", "Elu"),
        *_layer("e", "w3", "b3", "excitation", "Sigmoid"),
    ]
    axis = helper.make_tensor("axis", TensorProto.INT64, (1,), [0])
    weights = [
        *(axis, tensor("w", 1, 4 * UNITS, OBSERVATION), tensor("r", 1, 4 * UNITS, UNITS)),
        *(tensor("b", 1, 8 * UNITS), tensor("w1", UNITS, UNITS), tensor("b1", UNITS)),
        *(tensor("w2", UNITS, UNITS), tensor("b2", UNITS)),
        *(tensor("w3", UNITS, MUSCLES), tensor("b3", MUSCLES)),
    ]
    state = ("h", "c")
    graph = helper.make_graph(
        nodes,
        "reference",
        [value("obs", 1, OBSERVATION), *(value(f"{one}_in", 1, 1, UNITS) for one in state)],
        [value("excitation", 1, MUSCLES), *(value(f"{one}_out", 1, 1, UNITS) for one in state)],
        weights,
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content


def _layer(source: str, weight: str, bias: str, to: str, activation: str) -> list[Any]:
    from onnx import helper

    return [
        helper.make_node("Gemm", [source, weight, bias], [f"{to}_linear"]),
        helper.make_node(activation, [f"{to}_linear"], [to]),
    ]
