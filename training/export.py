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
from rsl_rl.models import MLPModel, RNNModel
from tensordict import TensorDict
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
from training.curriculum import Curriculum
from training.explore import CorrelatedGaussian
from training.learn import OBS_GROUPS, load_checkpoint
from training.posture.learn import make_actor as make_posture_actor
from training.posture.plan import PostureCurriculum
from training.skills import plan_of

OPSET: Final = 18
IR_VERSION: Final = 10  # the newest that onnxruntime 1.20 reads
PARITY_STEPS: Final = 60
PARITY_LIMIT: Final = 1e-4  # of excitation, 0-1
METHODS: Final = {
    "baoding": "recurrent PPO on a curriculum (rsl-rl-lib), batched MuJoCo hands",
    "posture": "imitation of computed muscle control, then PPO (rsl-rl-lib), batched MuJoCo hands",
}


class PlainGraph(nn.Module):
    """obs -> excitation, (1, n) each: a policy without memory."""

    def __init__(self, actor: MLPModel) -> None:
        super().__init__()
        self.normalizer, self.head = actor.obs_normalizer, actor.mlp

    def forward(self, obs: torch.Tensor) -> tuple[torch.Tensor]:
        """One control step."""
        return (_excitation(self.head(self.normalizer(obs))),)


def _excitation(action: torch.Tensor) -> torch.Tensor:
    """The official map (myosuite base_action.sigmoid_muscle_activation)."""
    return torch.sigmoid(5.0 * (torch.clamp(action, -1.0, 1.0) - 0.5))


class PolicyGraph(nn.Module):
    """(obs, h_in, c_in) -> (excitation, h_out, c_out), all (1, n) or (1, 1, n)."""

    def __init__(self, actor: RNNModel) -> None:
        super().__init__()
        self.normalizer, self.lstm, self.head = actor.obs_normalizer, actor.rnn.rnn, actor.mlp

    def forward(
        self, obs: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One control step."""
        latent, (h_out, c_out) = self.lstm(self.normalizer(obs).unsqueeze(0), (h, c))
        return _excitation(self.head(latent.squeeze(0))), h_out, c_out


def load_actor(state: dict[str, Any]) -> RNNModel | MLPModel:
    """The actor of a checkpoint, in evaluation mode."""
    plan = plan_of(state)
    size = _observation(plan).size
    seen = TensorDict({"policy": torch.zeros(1, size)}, batch_size=[1])
    if isinstance(plan, PostureCurriculum):
        actor = make_posture_actor(seen, plan.hidden, sigma=0.1, correlation=0.0)
    else:
        actor = RNNModel(
            seen,
            {"actor": OBS_GROUPS["actor"]},
            "actor",
            len(MUSCLES),
            hidden_dims=[plan.hidden],
            obs_normalization=True,
            distribution_cfg={"class_name": CorrelatedGaussian, "sigma": 0.1, "correlation": 0.0},
            rnn_hidden_dim=plan.hidden,
        )
    try:
        actor.load_state_dict(state["average_state_dict"], strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ContractError(f"the checkpoint's network does not fit: {reason}") from None
    return actor.eval()


def graph_of(state: dict[str, Any]) -> PolicyGraph | PlainGraph:
    """The network that is exported from a checkpoint."""
    actor = load_actor(state)
    return PolicyGraph(actor) if actor.is_recurrent else PlainGraph(actor)


def _skill(plan: Curriculum | PostureCurriculum) -> Any:
    return posture if isinstance(plan, PostureCurriculum) else baoding


def _observation(plan: Curriculum | PostureCurriculum) -> Observation:
    skill = _skill(plan)
    observation: Observation = skill.observation(skill.OWN_TERMS)
    return observation


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
    skill, observation = _skill(plan), _observation(plan)
    return contract_for(
        skill,
        observation,
        trained_with(),
        provenance={
            "method": METHODS[skill.NAME],
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


def _inputs(graph: PolicyGraph | PlainGraph) -> dict[str, torch.Tensor]:
    """Zeros for each input of the graph, by name, the observation first."""
    inputs = {OBSERVATION: torch.zeros(1, graph.normalizer.mean.numel())}
    if isinstance(graph, PolicyGraph):
        hidden = graph.lstm.hidden_size
        inputs |= {name: torch.zeros(1, 1, hidden) for name in ("h_in", "c_in")}
    return inputs


def _write(graph: PolicyGraph | PlainGraph, contract: Contract, path: Path) -> None:
    inputs = _inputs(graph)
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
    with warnings.catch_warnings():
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


def parity(graph: PolicyGraph | PlainGraph, path: Path, steps: int = PARITY_STEPS) -> float:
    """Largest difference of excitation, torch against onnxruntime, a reset in the middle."""
    policy = load(path)
    rng = np.random.default_rng(0)
    states = list(_inputs(graph).values())[1:]
    centre, spread = graph.normalizer.mean.numpy(), graph.normalizer.std.numpy()
    worst = 0.0
    for step in range(steps):
        if step == steps // 2:
            policy.reset()
            states = list(_inputs(graph).values())[1:]
        noise = rng.normal(0.0, 1.0, centre.size)
        obs = (centre.ravel() + spread.ravel() * noise).astype(np.float32)
        with torch.inference_mode():
            expected, *states = graph(torch.from_numpy(obs[None]), *states)
        worst = max(worst, float(np.abs(policy.infer(obs) - expected.numpy()[0]).max()))
    return worst
