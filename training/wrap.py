"""A network trained elsewhere on the official environment becomes a policy with a contract.

It takes the official observation of 86 numbers and gives an action of -1-1; the clip,
the official sigmoid and the contract are added here. Recurrent states are inputs
``NAME_in`` with outputs ``NAME_out`` of the same shape.
"""

from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bridges.mujoco_hand import versions
from controller.errors import ContractError
from controller.names import MUSCLES
from controller.policy import (
    EXCITATION,
    OBSERVATION,
    Contract,
    load,
)
from controller.skills import baoding
from training.export import attach, contract_for, whole

NEWEST_OPSET: Final = 21  # that onnxruntime 1.20 reads


def wrap(network: Path, target: Path) -> None:
    """Write ``target`` from an ONNX ``network`` of (1, 86) -> (1, 39).

    Raises:
        ContractError: not ONNX, the wrong sizes, or newer than onnxruntime reads.
    """
    try:
        model = onnx.load(str(network))
    except Exception as error:  # protobuf and onnx raise kinds of their own
        raise ContractError(f"{network}: not an ONNX file: {error}") from None
    _check_opset(network, model)
    graph = model.graph
    sources = [node for node in graph.input if not node.name.endswith("_in")]
    results = [node for node in graph.output if not node.name.endswith("_out")]
    if len(sources) != 1 or len(results) != 1:
        raise ContractError(
            f"{network}: besides NAME_in and NAME_out it must have one input and one output; "
            f"found {[n.name for n in sources]} and {[n.name for n in results]}"
        )
    _rename_input(graph, sources[0].name)
    _append_official_map(graph, results[0])
    attach(model, _contract(network))
    with whole(target) as part:
        onnx.save(model, str(part))
        load(part)  # the contract's reader has the last word


def _check_opset(network: Path, model: onnx.ModelProto) -> None:
    newest = max((o.version for o in model.opset_import if not o.domain), default=0)
    if newest > NEWEST_OPSET:
        raise ContractError(f"{network}: opset {newest}; onnxruntime here reads {NEWEST_OPSET}")


def _rename_input(graph: onnx.GraphProto, name: str) -> None:
    for node in graph.node:
        node.input[:] = [OBSERVATION if one == name else one for one in node.input]
    for one in graph.input:
        if one.name == name:
            one.name = OBSERVATION


def _append_official_map(graph: onnx.GraphProto, result: onnx.ValueInfoProto) -> None:
    """Excitation = sigmoid(5 (clip(action, -1, 1) - 0.5)), myosuite base_action."""
    constants = {"low": -1.0, "high": 1.0, "shift": 0.5, "gain": 5.0}
    for name, value in constants.items():
        graph.initializer.append(
            numpy_helper.from_array(np.array(value, np.float32), f"myoloop_{name}")
        )
    steps = [
        ("Clip", [result.name, "myoloop_low", "myoloop_high"], "myoloop_clipped"),
        ("Sub", ["myoloop_clipped", "myoloop_shift"], "myoloop_shifted"),
        ("Mul", ["myoloop_shifted", "myoloop_gain"], "myoloop_scaled"),
        ("Sigmoid", ["myoloop_scaled"], EXCITATION),
    ]
    graph.node.extend(helper.make_node(kind, inputs, [out]) for kind, inputs, out in steps)
    graph.output.remove(result)
    shape = [1, len(MUSCLES)]
    graph.output.append(helper.make_tensor_value_info(EXCITATION, TensorProto.FLOAT, shape))


def _contract(network: Path) -> Contract:
    observation = baoding.observation(baoding.OFFICIAL_TERMS)
    provenance = {"method": f"wrapped from {network.name}, trained elsewhere"}
    return contract_for(baoding, observation, versions(), provenance)
