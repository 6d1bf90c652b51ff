import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from tensordict import TensorDict

from bridges.mujoco_hand import versions
from bridges.myohand import to_excitation
from controller.errors import ContractError, MyoloopError
from controller.names import MUSCLES
from controller.policy import CONTRACT_VERSION, load
from controller.skills import baoding
from training import export as exporting
from training.export import export, parity, publish
from training.graph import PolicyGraph, load_actor
from training.learn import load_checkpoint

STEPS = 60


@pytest.fixture(scope="session")
def lively(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A checkpoint whose actions fill and leave the range -1-1, and its policy."""
    folder = tmp_path_factory.mktemp("lively")
    state = load_checkpoint(trained / "checkpoint.pt")
    actor = state["average_state_dict"]
    for name in ("mlp.0.weight", "mlp.2.weight"):
        actor[name] = actor[name] * 8.0
    actor["rnn.rnn.weight_hh_l0"] = actor["rnn.rnn.weight_hh_l0"] * 3.0
    state["scores"] = [{"task": "hold", "solved": 0.25}]
    torch.save(state, folder / "checkpoint.pt")
    export(folder / "checkpoint.pt", folder / "lively.onnx")
    return state, folder / "lively.onnx"


@pytest.fixture
def quick(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports without the exporter: the finished file is copied."""
    monkeypatch.setattr(exporting, "_write", lambda _g, _c, path: shutil.copyfile(policy, path))


def observations(state: dict[str, Any]) -> np.ndarray:
    """As they come in use: by the normaliser's own mean and deviation."""
    actor = state["average_state_dict"]
    mean, std = (actor[f"obs_normalizer.{name}"].numpy() for name in ("_mean", "_std"))
    noise = np.random.default_rng(0).normal(size=(STEPS, mean.size))
    return (mean + 1.5 * std * noise).astype(np.float32)


def test_the_file_does_what_the_trained_actor_does(lively: tuple[dict[str, Any], Path]) -> None:
    """Against rsl-rl's own actor and the hand's own action map, a reset in the middle."""
    state, path = lively
    actor, policy = load_actor(state, state["curriculum"]["hidden"]), load(path)
    found, expected, clipped = [], [], 0
    for step, obs in enumerate(observations(state)):
        if step == STEPS // 2:
            actor.reset()
            policy.reset()
        with torch.inference_mode():
            batch = TensorDict({"policy": torch.from_numpy(obs[None])}, batch_size=[1])
            action = actor(batch).numpy()[0].astype(np.float64)
        clipped += int((np.abs(action) > 1).sum())
        expected.append(to_excitation(action))
        found.append(policy.infer(obs).copy())
    assert np.abs(np.array(found) - np.array(expected)).max() < 1e-5
    assert np.ptp(found, axis=0).max() > 0.5, "the parity says little if nothing moves"
    assert clipped > 0
    assert np.min(found) >= 0.0
    assert np.max(found) <= 1.0


def test_memory_matters_and_reset_clears_it(lively: tuple[dict[str, Any], Path]) -> None:
    state, path = lively
    policy = load(path)
    first, second, *_ = observations(state)
    fresh = policy.infer(first).copy()
    policy.infer(second)
    remembering = policy.infer(first).copy()
    policy.reset()
    assert np.array_equal(policy.infer(first), fresh)
    assert np.abs(remembering - fresh).max() > 1e-3


def test_the_measured_parity_is_small_and_tells_another_network(
    lively: tuple[dict[str, Any], Path], policy: Path, trained: Path
) -> None:
    state, path = lively
    graph = PolicyGraph(load_actor(state, state["curriculum"]["hidden"]))
    assert parity(graph, path) < 1e-5
    assert parity(graph, policy) > exporting.PARITY_LIMIT


def test_one_file_without_external_data(policy: Path) -> None:
    assert [path.name for path in policy.parent.iterdir()] == [policy.name]
    model = onnx.load(str(policy), load_external_data=False)
    for one in model.graph.initializer:
        assert one.data_location != onnx.TensorProto.EXTERNAL
    assert model.ir_version <= 10
    assert all(one.version <= 21 for one in model.opset_import if not one.domain)
    assert [entry.key for entry in model.metadata_props] == ["myoloop"]
    onnx.checker.check_model(model, full_check=True)


def test_the_contract(trained: Path, policy: Path) -> None:
    contract, progress = (
        load(policy).contract,
        load_checkpoint(trained / "checkpoint.pt")["progress"],
    )
    skill = baoding.observation(baoding.OWN_TERMS)
    assert contract.contract_version == CONTRACT_VERSION
    assert contract.skill == "baoding"
    assert contract.terms == list(zip(skill.names, skill.sizes, strict=True))
    assert contract.muscles == list(MUSCLES)
    assert contract.rate_hz == 40.0
    assert versions().items() <= contract.versions.items()
    assert contract.versions["torch"] == torch.__version__.split("+")[0]
    provenance = contract.provenance
    assert provenance["steps"] == progress["steps"] == 128
    assert (provenance["stage"], provenance["stage_name"], provenance["seed"]) == (0, "stage 0", 3)
    assert provenance["hours"] == progress["seconds"] / 3600.0  # at full precision


def test_scores_go_into_the_contract(lively: tuple[dict[str, Any], Path]) -> None:
    scores = load(lively[1]).contract.scores
    assert list(scores.values()) == [[{"task": "hold", "solved": 0.25}]]


@pytest.mark.parametrize("difference", [1.0, float("nan")])
def test_failed_parity_leaves_the_old_policy_in_place(
    quick: None,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    difference: float,
) -> None:
    target = tmp_path / "old.onnx"
    target.write_bytes(b"the old one")
    monkeypatch.setattr(exporting, "parity", lambda *_: difference)
    with pytest.raises(ContractError, match="onnxruntime differs from torch by .* of excitation"):
        export(trained / "checkpoint.pt", target)
    assert target.read_bytes() == b"the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["old.onnx"]


def test_a_failed_exporter_leaves_the_old_policy_in_place(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "old.onnx"
    target.write_bytes(b"the old one")

    def half(_graph: object, _contract: object, path: Path) -> None:
        path.write_bytes(b"half")

    monkeypatch.setattr(exporting, "_write", half)
    with pytest.raises(ContractError, match="onnxruntime refuses it"):
        export(trained / "checkpoint.pt", target)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the old one"]


def corrupted(state: dict[str, Any], how: str) -> dict[str, Any]:
    if how == "a weight is missing":
        state["average_state_dict"].pop("mlp.0.bias")
    elif how == "a weight has another size":
        state["average_state_dict"]["mlp.0.bias"] = torch.zeros(3)
    elif how == "the curriculum has an unknown key":
        state["curriculum"]["wobble"] = 1
    elif how == "another version":
        state["version"] = 0
    return state


@pytest.mark.parametrize(
    "how",
    [
        *("a weight is missing", "a weight has another size"),
        *("the curriculum has an unknown key", "another version"),
    ],
)
def test_a_corrupted_checkpoint_is_refused_in_one_line(
    trained: Path, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "bad.pt"
    torch.save(corrupted(load_checkpoint(trained / "checkpoint.pt"), how), path)
    with pytest.raises(MyoloopError) as refused:
        export(path, tmp_path / "bad.onnx")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "bad.onnx").exists()


def test_a_torn_checkpoint_is_refused(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "torn.pt"
    path.write_bytes((trained / "checkpoint.pt").read_bytes()[:5000])
    with pytest.raises(ContractError, match=r"torn\.pt: not a checkpoint: "):
        export(path, tmp_path / "torn.onnx")


def test_publish_puts_everything_side_by_side(quick: None, trained: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "hand.onnx"
    assert publish(trained / "checkpoint.pt", target) < 1e-5
    names = ("hand.checkpoint.pt", "hand.curve.jsonl", "hand.curve.png", "hand.onnx")
    assert sorted(path.name for path in target.parent.iterdir()) == list(names)
    beside = target.with_name("hand.checkpoint.pt")
    assert beside.read_bytes() == (trained / "checkpoint.pt").read_bytes()
    curve = target.with_name("hand.curve.jsonl").read_bytes()
    assert curve == (trained / "curve.jsonl").read_bytes()
    assert target.with_name("hand.curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_published_checkpoint_may_be_published_again(
    quick: None, trained: Path, tmp_path: Path
) -> None:
    target = tmp_path / "hand.onnx"
    publish(trained / "checkpoint.pt", target)
    kept = target.with_name("hand.curve.jsonl").read_bytes()
    publish(target.with_name("hand.checkpoint.pt"), target)
    assert load(target).contract.skill == "baoding"
    assert target.with_name("hand.curve.jsonl").read_bytes() == kept


def test_a_checkpoint_without_a_curve_is_published(
    quick: None, trained: Path, tmp_path: Path
) -> None:
    shutil.copyfile(trained / "checkpoint.pt", tmp_path / "alone.pt")
    publish(tmp_path / "alone.pt", tmp_path / "hand.onnx")
    assert not (tmp_path / "hand.curve.png").exists()


def test_the_file_names_no_path_of_the_machine_that_made_it(policy: Path) -> None:
    content = policy.read_bytes()
    assert str(Path(exporting.__file__).parent).encode() not in content
    assert b"site-packages" not in content
