"""Small graphs that meet the contract, and one for each way of breaking it."""

import hashlib
import json

import numpy as np
import pytest

from controller.errors import ContractError
from controller.names import MUSCLES
from controller.policy import load

GAINS = np.linspace(-1, 1, len(MUSCLES))
DECAYS = {"hidden": 0.5, "cell": 0.9}


class Reference:
    """What conftest's graph computes, in float64."""

    def __init__(self, states):
        self.levels = dict.fromkeys(states, 0.0)

    def infer(self, obs):
        for name in self.levels:
            self.levels[name] = DECAYS[name] * self.levels[name] + obs.mean()
        return 1 / (1 + np.exp(-GAINS * sum(self.levels.values())))


@pytest.mark.parametrize(
    "states",
    [
        {"hidden": (1, 4)},
        {"hidden": (2, 1, 8), "cell": (2, 1, 8)},
        {"hidden": (1,), "cell": (3, 1, 2)},
    ],
)
def test_states_are_carried_and_forgotten(write_policy, states):
    policy = load(write_policy(states=states))
    reference = Reference(states)
    rng = np.random.default_rng(0)
    for step in range(301):
        if step in (0, 100, 201):  # after an even and an odd number of calls
            policy.reset()
            reference = Reference(states)
        obs = rng.normal(size=63).astype(np.float32)
        np.testing.assert_allclose(policy.infer(obs), reference.infer(obs), atol=1e-5)


def test_the_first_answer_knows_nothing_of_the_warm_up(write_policy):
    obs = np.full(63, 0.3, np.float32)
    first = load(write_policy()).infer(obs)
    np.testing.assert_allclose(first, Reference(["hidden"]).infer(obs), atol=1e-6)


def test_reset_makes_a_run_repeatable(write_policy):
    policy = load(write_policy())
    observations = np.random.default_rng(1).normal(size=(7, 63)).astype(np.float32)
    runs = []
    for _ in range(3):
        policy.reset()
        runs.append([policy.infer(obs).copy() for obs in observations])
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


def test_a_policy_without_memory_is_a_policy(write_policy):
    policy = load(write_policy(states={}))
    obs = np.full(63, 0.5, np.float32)
    policy.reset()
    for _ in range(3):
        np.testing.assert_allclose(policy.infer(obs), 1 / (1 + np.exp(-GAINS / 2)), atol=1e-6)


def test_two_policies_do_not_share_memory(write_policy):
    path = write_policy()
    one, other = load(path), load(path)
    obs = np.ones(63, np.float32)
    for _ in range(5):
        one.infer(obs)
    np.testing.assert_allclose(other.infer(obs), Reference(["hidden"]).infer(obs), atol=1e-6)


def test_what_it_says_of_itself(write_policy):
    path = write_policy()
    policy = load(path)
    assert policy.path == path
    assert policy.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert policy.contract.skill == "baoding" and policy.contract.contract_version == 1
    assert policy.contract.terms == [("hand_pos", 23), ("act", 39), ("phase_rate", 1)]
    assert policy.contract.rate_hz == 40.0


def test_scores_survive_at_full_precision(write_policy, contract):
    contract |= {"scores": {"solved": 0.1 + 0.2}, "provenance": {"commit": "abc"}}
    policy = load(write_policy(metadata=contract))
    assert policy.contract.scores == {"solved": 0.1 + 0.2}
    assert policy.contract.provenance == {"commit": "abc"}


# --- refusals ---------------------------------------------------------------------------


def refusal(path):
    with pytest.raises(ContractError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"policy {path}: ")
    return message.removeprefix(f"policy {path}: ")


GRAPHS = {
    "observation size": (
        {"obs": (1, 62)},
        "input 'obs' is tensor(float) (1, 62), its contract needs tensor(float) (1, 63)",
    ),
    "observation rank": (
        {"obs": (63,)},
        "input 'obs' is tensor(float) (63,), its contract needs tensor(float) (1, 63)",
    ),
    "open batch": (
        {"obs": ("batch", 63)},
        "input 'obs' is tensor(float) ('batch', 63), its contract needs tensor(float) (1, 63)",
    ),
    "double": (
        {"double": True},
        "input 'obs' is tensor(double) (1, 63), its contract needs tensor(float) (1, 63)",
    ),
    "muscles of the graph": (
        {"muscles": 38},
        "output 'excitation' is tensor(float) (1, 38), its contract needs tensor(float) (1, 39)",
    ),
    "open state": (
        {"states": {"hidden": ("batch", 4)}},
        "state 'hidden' has no fixed shape: ('batch', 4)",
    ),
    "lost state": (
        {"states": {"hidden": (1, 4), "cell": (1, 4)}, "without_output": "cell_out"},
        "the graph has no output 'cell_out'",
    ),
    "lost excitation": (
        {"without_output": "excitation"},
        "the graph has no output 'excitation'",
    ),
    "state that only comes out": (
        {"extra_output": "memory_out"},
        "unexpected output 'memory_out'",
    ),
    "state that only goes in": (
        {"extra_input": "memory_in"},
        "the graph has no output 'memory_out'",
    ),
    "unknown input": (
        {"extra_input": "temperature"},
        "input 'temperature' is not 'obs' or NAME_in",
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_graph_that_does_not_fit(write_policy, name):
    changes, message = GRAPHS[name]
    assert refusal(write_policy(**changes)) == message


def test_graph_without_observation(write_policy, tmp_path):
    import onnx

    model = onnx.load(write_policy())
    for node in model.graph.node:
        node.input[:] = ["observation" if name == "obs" else name for name in node.input]
    model.graph.input[0].name = "observation"
    onnx.save(model, tmp_path / "other.onnx")
    assert refusal(tmp_path / "other.onnx") == "the graph has no input 'obs'"


def test_state_that_changes_its_shape(write_policy, tmp_path):
    import onnx

    model = onnx.load(write_policy(states={"hidden": (1, 4)}))
    model.graph.node.append(
        onnx.helper.make_node("Concat", ["hidden_kept", "hidden_kept"], ["hidden_two"], axis=1)
    )
    for output in model.graph.output:
        if output.name == "hidden_out":
            output.name = "hidden_two"
            output.type.tensor_type.shape.dim[1].dim_value = 8
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [
                {"hidden_out": "hidden_sum", "hidden_two": "hidden_out"}.get(n, n) for n in names
            ]
    for output in model.graph.output:
        output.name = {"hidden_two": "hidden_out"}.get(output.name, output.name)
    onnx.save(model, tmp_path / "grows.onnx")
    assert refusal(tmp_path / "grows.onnx") == (
        "output 'hidden_out' is tensor(float) (1, 8), its contract needs tensor(float) (1, 4)"
    )


def swapped(contract):
    muscles = contract["muscles"]
    muscles[0], muscles[1] = muscles[1], muscles[0]


CONTRACTS = {
    "newer": (
        lambda c: c.update(contract_version=2),
        "contract version 2, this myoloop reads 1",
    ),
    "newer, with unknown fields": (
        lambda c: c.update(contract_version=3, colour="red"),
        "contract version 3, this myoloop reads 1",
    ),
    "version as text": (
        lambda c: c.update(contract_version="1"),
        "contract version '1', this myoloop reads 1",
    ),
    "no version": (
        lambda c: c.pop("contract_version"),
        "contract version None, this myoloop reads 1",
    ),
    "swapped muscles": (swapped, "muscle 0 is 'ECRB', the hand's is 'ECRL'"),
    "last muscle": (
        lambda c: c["muscles"].__setitem__(38, "ui_ub5"),
        "muscle 38 is 'ui_ub5', the hand's is 'UI_UB5'",
    ),
    "a muscle less": (lambda c: c["muscles"].pop(), "38 muscles, the hand has 39"),
    "a muscle more": (lambda c: c["muscles"].append("X"), "40 muscles, the hand has 39"),
    "no muscles": (lambda c: c.update(muscles=[]), "0 muscles, the hand has 39"),
    "rate zero": (lambda c: c.update(rate_hz=0), "rate 0.0 Hz is not a rate"),
    "rate negative": (lambda c: c.update(rate_hz=-40), "rate -40.0 Hz is not a rate"),
    "sum of terms": (
        lambda c: c["terms"].append(["error_palm", 6]),
        "input 'obs' is tensor(float) (1, 63), its contract needs tensor(float) (1, 69)",
    ),
    "no terms": (
        lambda c: c.update(terms=[]),
        "input 'obs' is tensor(float) (1, 63), its contract needs tensor(float) (1, 0)",
    ),
}


@pytest.mark.parametrize("name", CONTRACTS)
def test_contract_that_does_not_fit(write_policy, contract, name):
    change, message = CONTRACTS[name]
    change(contract)
    assert refusal(write_policy(metadata=contract)) == message


MALFORMED = {
    "empty": ("", "its contract is malformed: "),
    "not JSON": ("{", "its contract is malformed: "),
    "list": ("[]", "its contract is malformed: Expected `object`, got `array`"),
    "null": ("null", "its contract is malformed: Expected `object`, got `null`"),
    "number": ("1", "its contract is malformed: Expected `object`, got `int`"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_contract_that_is_none(write_policy, name):
    text, message = MALFORMED[name]
    assert refusal(write_policy(metadata=text)).startswith(message)


@pytest.mark.parametrize("rate", ["NaN", "Infinity", "1e999", "null", '"40"'])
def test_rate_that_is_no_number(write_policy, contract, rate):
    contract["rate_hz"] = "RATE"
    text = json.dumps(contract).replace('"RATE"', rate)
    assert refusal(write_policy(metadata=text)).startswith("its contract is malformed: ")


@pytest.mark.parametrize("size", [-1, 0, 10**12, 1.5, "23"])
def test_size_that_is_no_size(write_policy, contract, size):
    contract["terms"][0][1] = size
    message = refusal(write_policy(metadata=contract))
    assert message.startswith("its contract is malformed: ") and "terms" in message


@pytest.mark.parametrize("missing", ["skill", "terms", "muscles", "rate_hz", "versions"])
def test_missing_field_is_named(write_policy, contract, missing):
    del contract[missing]
    message = refusal(write_policy(metadata=contract))
    assert message == (f"its contract is malformed: Object missing required field `{missing}`")


def test_unknown_field_is_named(write_policy, contract):
    contract["colour"] = "red"
    message = refusal(write_policy(metadata=contract))
    assert message == "its contract is malformed: Object contains unknown field `colour`"


def test_no_metadata(write_policy):
    message = refusal(write_policy(metadata=None))
    assert message == (
        "no contract: the metadata key 'myoloop' is missing (found: none); "
        "docs/policy.md says what it holds"
    )


def test_metadata_of_somebody_else(write_policy, tmp_path):
    import onnx

    model = onnx.load(write_policy(metadata=None))
    onnx.helper.set_model_props(model, {"joint_names": "a,b"})
    onnx.save(model, tmp_path / "other.onnx")
    assert "(found: joint_names)" in refusal(tmp_path / "other.onnx")


def test_missing_file(tmp_path):
    assert refusal(tmp_path / "none.onnx") == "can't be read: No such file or directory"


def test_folder(tmp_path):
    assert refusal(tmp_path) == "can't be read: Is a directory"


@pytest.mark.parametrize("content", [b"", b"not a graph", b"\x00" * 100, b"\x08\x0a" * 50])
def test_not_onnx(tmp_path, content):
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    assert refusal(path).startswith("onnxruntime refuses it: ")


def test_cut_off_file(write_policy):
    path = write_policy()
    path.write_bytes(path.read_bytes()[:-200])
    assert refusal(path)


def test_newer_opset_than_the_runtime(write_policy, tmp_path):
    import onnx

    model = onnx.load(write_policy())
    model.opset_import[0].version = 999
    onnx.save(model, tmp_path / "new.onnx")
    assert refusal(tmp_path / "new.onnx").startswith("onnxruntime refuses it: ")
