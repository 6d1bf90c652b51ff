"""A checkpoint becomes one self-contained ONNX file with its contract.

The graph ends in muscle excitation: normaliser, LSTM, layer, clip and the official
sigmoid are inside, and the recurrent state goes in and out. Parity with torch is
measured before the file is put in place.
"""

import os
import shutil
import warnings
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import onnx
import torch
from rsl_rl.models import RNNModel
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
from controller.settings import convert
from controller.skills import baoding
from training.curriculum import Curriculum
from training.explore import CorrelatedGaussian
from training.learn import OBS_GROUPS, load_checkpoint

OPSET: Final = 18
IR_VERSION: Final = 10  # the newest that onnxruntime 1.20 reads
PARITY_STEPS: Final = 60
PARITY_LIMIT: Final = 1e-4  # of excitation, 0-1


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
        action = torch.clamp(self.head(latent.squeeze(0)), -1.0, 1.0)
        # the official map to excitation (myosuite base_action.sigmoid_muscle_activation)
        return torch.sigmoid(5.0 * (action - 0.5)), h_out, c_out


def load_actor(state: dict[str, Any]) -> RNNModel:
    """The actor of a checkpoint, in evaluation mode."""
    curriculum = convert(state["curriculum"], Curriculum, "the checkpoint's curriculum")
    size = baoding.observation(baoding.OWN_TERMS).size
    actor = RNNModel(
        TensorDict({"policy": torch.zeros(1, size)}, batch_size=[1]),
        {"actor": OBS_GROUPS["actor"]},
        "actor",
        len(MUSCLES),
        hidden_dims=[curriculum.hidden],
        obs_normalization=True,
        distribution_cfg={"class_name": CorrelatedGaussian, "sigma": 0.1, "correlation": 0.0},
        rnn_hidden_dim=curriculum.hidden,
    )
    try:
        actor.load_state_dict(state["average_state_dict"], strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ContractError(f"the checkpoint's network does not fit: {reason}") from None
    return actor.eval()


def contract_of(state: dict[str, Any]) -> Contract:
    """The contract of a checkpoint's policy."""
    progress = state["progress"]
    curriculum = convert(state["curriculum"], Curriculum, "the checkpoint's curriculum")
    observation = baoding.observation(baoding.OWN_TERMS)
    return Contract(
        contract_version=CONTRACT_VERSION,
        skill=baoding.NAME,
        terms=list(zip(observation.names, observation.sizes, strict=True)),
        muscles=list(MUSCLES),
        rate_hz=1.0 / baoding.CONTROL_STEP_S,
        versions={**versions(), "torch": torch.__version__.split("+")[0]},
        provenance={
            "method": "recurrent PPO on a curriculum (rsl-rl-lib), batched MuJoCo hands",
            "stage": progress["stage"],
            "stage_name": curriculum.stages[progress["stage"]].name,
            "steps": progress["steps"],
            "hours": progress["seconds"] / 3600.0,
            "seed": curriculum.seed,
        },
        scores={"at the checkpoint, coarse physics": state["scores"]},
    )


def export(checkpoint: Path, target: Path) -> float:
    """Write ``target`` from ``checkpoint``; return the largest difference to torch.

    Raises:
        ContractError: a checkpoint that can't be read, or parity that is not met.
    """
    state = load_checkpoint(checkpoint)
    graph = PolicyGraph(load_actor(state))
    part = target.with_name(f".{target.name}.part.onnx")
    try:
        _write(graph, contract_of(state), part)
        difference = parity(graph, part)
        if not difference <= PARITY_LIMIT:
            raise ContractError(
                f"{target}: onnxruntime differs from torch by {difference:.2e} of excitation "
                f"over {PARITY_STEPS} steps; allowed: {PARITY_LIMIT:.0e}"
            )
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return difference


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


def _write(graph: PolicyGraph, contract: Contract, path: Path) -> None:
    hidden = graph.lstm.hidden_size
    size = graph.lstm.input_size
    example = (torch.zeros(1, size), torch.zeros(1, 1, hidden), torch.zeros(1, 1, hidden))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's advice on its own internals
        torch.onnx.export(
            graph,
            example,
            str(path),
            input_names=[OBSERVATION, "h_in", "c_in"],
            output_names=[EXCITATION, "h_out", "c_out"],
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


def parity(graph: PolicyGraph, path: Path, steps: int = PARITY_STEPS) -> float:
    """Largest difference of excitation, torch against onnxruntime, a reset in the middle."""
    policy = load(path)
    rng = np.random.default_rng(0)
    hidden = graph.lstm.hidden_size
    size = graph.lstm.input_size
    h = c = torch.zeros(1, 1, hidden)
    centre, spread = graph.normalizer.mean.numpy(), graph.normalizer.std.numpy()
    worst = 0.0
    for step in range(steps):
        if step == steps // 2:
            policy.reset()
            h = c = torch.zeros(1, 1, hidden)
        obs = (centre + spread * rng.normal(0.0, 1.0, size)).astype(np.float32)
        with torch.inference_mode():
            expected, h, c = graph(torch.from_numpy(obs[None]), h, c)
        worst = max(worst, float(np.abs(policy.infer(obs) - expected.numpy()[0]).max()))
    return worst
