"""A checkpoint becomes one self-contained ONNX file with its contract.

The graph ends in muscle excitation: normaliser, LSTM, layer, clip and the official
sigmoid are inside, and the recurrent state goes in and out. Parity with torch is
measured before the file is put in place.
"""

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import onnx
import torch
from torch import nn

from bridges.mujoco_hand import versions
from controller.errors import ContractError
from controller.names import MUSCLES
from controller.policy import (
    CONTRACT_VERSION,
    EXCITATION,
    METADATA_KEY,
    OBSERVATION,
    Contract,
    load,
)
from controller.skills import baoding, posture
from controller.skills.skill import Observation
from training.balls.plan import BallsCurriculum
from training.curriculum import Curriculum
from training.graph import Graph, PolicyGraph, load_actor
from training.learn import load_checkpoint
from training.posture.graph import graph_of as posture_graph
from training.posture.plan import PostureCurriculum
from training.skills import AnyCurriculum, plan_of

OPSET: Final = 18
IR_VERSION: Final = 10  # the newest that onnxruntime 1.20 reads
PARITY_STEPS: Final = 60
PARITY_LIMIT: Final = 1e-4  # of excitation, 0-1
METHODS: Final[dict[type, str]] = {
    Curriculum: "recurrent PPO on a curriculum (rsl-rl-lib), batched MuJoCo hands",
    BallsCurriculum: "analytic policy gradients on a curriculum, from a policy of recurrent PPO; "
    "batched MuJoCo hands, slopes of a learned model",
    PostureCurriculum: "computed muscle control whose aim was learned by gradients through the "
    "muscles",
}


def graph_of(state: dict[str, Any]) -> Graph:
    """The network that is exported from a checkpoint."""
    plan = plan_of(state)
    if isinstance(plan, PostureCurriculum):
        return posture_graph(state, plan)
    return PolicyGraph(load_actor(state, plan.hidden))


def _skill(plan: AnyCurriculum) -> Any:
    return posture if isinstance(plan, PostureCurriculum) else baoding


def trained_with() -> dict[str, str]:
    """Versions that what is made here depends on, torch among them."""
    return {**versions(), "torch": torch.__version__.split("+")[0]}


def contract_for(
    skill: Any,
    observation: Observation,
    depends_on: dict[str, str],
    provenance: dict[str, Any],
    scores: dict[str, Any] | None = None,
) -> Contract:
    """The contract of a policy of ``skill`` that sees this observation, for all muscles.

    Args:
        skill: the module of a skill.
        observation: what the policy is told.
        depends_on: versions by name.
        provenance: how the policy came about.
        scores: by what they are of.
    """
    return Contract(
        contract_version=CONTRACT_VERSION,
        skill=skill.NAME,
        terms=list(zip(observation.names, observation.sizes, strict=True)),
        muscles=list(MUSCLES),
        rate_hz=1.0 / skill.CONTROL_STEP_S,
        versions=depends_on,
        provenance=provenance,
        scores=scores or {},
    )


def contract_of(state: dict[str, Any]) -> Contract:
    """The contract of a checkpoint's policy."""
    progress, plan = state["progress"], plan_of(state)
    skill = _skill(plan)
    return contract_for(
        skill,
        skill.observation(skill.OWN_TERMS),
        trained_with(),
        provenance={
            "method": METHODS[type(plan)],
            "stage": progress["stage"],
            "stage_name": plan.stages[progress["stage"]].name,
            "steps": progress["steps"],
            "hours": progress["seconds"] / 3600.0,
            "seed": plan.seed,
        },
        scores={"at the checkpoint, coarse physics": state["scores"]},
    )


def export(checkpoint: Path, target: Path) -> float:
    """Write ``target`` from ``checkpoint``; return the largest difference to torch.

    Raises:
        ContractError: a checkpoint that can't be read, or parity that is not met.
    """
    state = load_checkpoint(checkpoint)
    graph = graph_of(state)
    with whole(target) as part:
        _write(graph, contract_of(state), part)
        difference = parity(graph, part)
        if not difference <= PARITY_LIMIT:
            raise ContractError(
                f"{target}: onnxruntime differs from torch by {difference:.2e} of excitation "
                f"over {PARITY_STEPS} steps; allowed: {PARITY_LIMIT:.0e}"
            )
    return difference


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Where to write a policy; it is put in place once everything went well, or not at all."""
    part = target.with_name(f".{target.name}.part.onnx")
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def publish(checkpoint: Path, target: Path) -> float:
    """Export, and put the checkpoint and its learning curve beside the policy.

    Returns:
        The largest difference to torch, of excitation.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    difference = export(checkpoint, target)
    beside = target.with_suffix(".checkpoint.pt")
    if checkpoint.resolve() != beside.resolve():  # a published one may be exported again
        shutil.copyfile(checkpoint, beside)
    curve = checkpoint.parent / "curve.jsonl"
    if curve.exists():
        from training.curve import plot

        shutil.copyfile(curve, target.with_suffix(".curve.jsonl"))
        plot(curve, target.with_suffix(".curve.png"))
    return difference


def _write(graph: Graph, contract: Contract, path: Path) -> None:
    inputs = graph.inputs()
    states = [name.replace("_in", "_out") for name in inputs if name != OBSERVATION]
    save_graph(graph, inputs, [EXCITATION, *states], contract, path)


def save_graph(
    graph: nn.Module,
    inputs: dict[str, torch.Tensor],
    outputs: list[str],
    contract: Contract,
    path: Path,
) -> None:
    """Write a network with its contract as one ONNX file; ``inputs`` are examples by name."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's advice on its own internals
        torch.onnx.export(
            graph,
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=outputs,
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    model = onnx.load(str(path))
    attach(model, contract)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def attach(model: onnx.ModelProto, contract: Contract) -> None:
    """Make the contract the model's only metadata, and the model one that onnxruntime reads."""
    model.ir_version = min(model.ir_version, IR_VERSION)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        del part.metadata_props[:]  # exporters leave stack traces, which name the maker's paths
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, msgspec.json.encode(contract).decode()


def parity(graph: Graph, path: Path, steps: int = PARITY_STEPS) -> float:
    """Largest difference of excitation, torch against onnxruntime, a reset in the middle."""
    policy = load(path)
    rng = np.random.default_rng(0)
    states = list(graph.inputs().values())[1:]
    worst = 0.0
    for step in range(steps):
        if step == steps // 2:
            policy.reset()
            states = list(graph.inputs().values())[1:]
        obs = graph.likely(rng)
        with torch.inference_mode():
            expected, *states = graph(torch.from_numpy(obs[None]), *states)
        worst = max(worst, float(np.abs(policy.infer(obs) - expected.numpy()[0]).max()))
    return worst
