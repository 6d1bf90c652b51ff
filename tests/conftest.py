"""What several test files need: a policy of a few nodes, and feedback of a hand."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.messages import Feedback
from controller.names import MUSCLES

TERMS = [["hand_pos", 23], ["act", 39], ["phase_rate", 1]]
DECAYS = (0.5, 0.9)  # of the first and the second recurrent state


@pytest.fixture
def contract() -> dict[str, Any]:
    """A whole contract, to be changed by the test."""
    return {
        "contract_version": 1,
        "skill": "baoding",
        "terms": [list(term) for term in TERMS],
        "muscles": list(MUSCLES),
        "rate_hz": 40,
        "versions": {"mujoco": "4.0.0"},
    }


@pytest.fixture
def write_policy(tmp_path: Path, contract: dict[str, Any]) -> Callable[..., Path]:
    """Writes ``policy.onnx``: each state decays and takes in the mean observation.

    The excitations are sigmoid(gain * sum of the states' means), gain -1 to 1 over the
    muscles. Keywords break one thing each.
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save

    def write(
        *,
        name: str = "policy.onnx",
        metadata: Any = contract,
        obs: tuple[Any, ...] = (1, 63),
        states: dict[str, tuple[Any, ...]] | None = None,
        muscles: int = len(MUSCLES),
        double: bool = False,
        without_output: str = "",
        extra_input: str = "",
        extra_output: str = "",
    ) -> Path:
        kind = TensorProto.DOUBLE if double else TensorProto.FLOAT
        number = np.float64 if double else np.float32
        states = {"hidden": (1, 4)} if states is None else states
        info = helper.make_tensor_value_info
        gains = np.linspace(-1, 1, muscles, dtype=number)[None]
        constants = [numpy_helper.from_array(gains, "gains")]
        nodes = [helper.make_node("ReduceMean", ["obs"], ["mean"], keepdims=0)]
        inputs, outputs = [info("obs", kind, obs)], [info("excitation", kind, (1, muscles))]
        means = []
        for (state, shape), decay in zip(states.items(), DECAYS, strict=False):
            constants.append(numpy_helper.from_array(np.array(decay, number), f"{state}_decay"))
            nodes += [
                helper.make_node("Mul", [f"{state}_in", f"{state}_decay"], [f"{state}_kept"]),
                helper.make_node("Add", [f"{state}_kept", "mean"], [f"{state}_out"]),
                helper.make_node("ReduceMean", [f"{state}_out"], [f"{state}_mean"], keepdims=0),
            ]
            inputs.append(info(f"{state}_in", kind, shape))
            outputs.append(info(f"{state}_out", kind, shape))
            means.append(f"{state}_mean")
        nodes += [
            helper.make_node("Sum", means or ["mean"], ["level"]),
            helper.make_node("Mul", ["level", "gains"], ["raw"]),
            helper.make_node("Sigmoid", ["raw"], ["excitation"]),
        ]
        if extra_input:
            inputs.append(info(extra_input, kind, (1, 1)))
        if extra_output:
            nodes.append(helper.make_node("Identity", ["mean"], [extra_output]))
            outputs.append(info(extra_output, kind, ()))
        outputs = [output for output in outputs if output.name != without_output]
        graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        if metadata is not None:
            text = metadata if isinstance(metadata, str) else json.dumps(metadata)
            helper.set_model_props(model, {"myoloop": text})
        checker.check_model(model)
        path = tmp_path / name
        save(model, path)
        return path

    return write


@pytest.fixture
def make_feedback() -> Callable[..., Feedback]:
    """A hand at rest with both balls on their orbit's classic start; fields may be replaced."""
    centre, offset = np.array([-0.0125, -0.07, -0.02]), np.array([-0.025, 0.028, 0.0])
    side = np.array([[1.0], [-1.0]]) * offset * np.sqrt(0.5)
    palm = np.array([0.1, 0.2, 1.4])

    def make(**changes: Any) -> Feedback:
        feedback = Feedback(
            time_s=np.float64(0.0),
            joint_pos=np.zeros(23),
            joint_vel=np.zeros(23),
            activation=np.zeros(39),
            palm_pos=palm.copy(),
            palm_rot=np.eye(3),
            object_pos=palm + centre + side,
            object_vel=np.zeros((2, 3)),
        )
        return replace(feedback, **changes)

    return make
