from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bridges.myohand import to_excitation
from controller.errors import ContractError
from controller.names import MUSCLES
from controller.policy import load
from controller.skills import baoding
from training.wrap import wrap

SIZE, OUT, HIDDEN = 86, len(MUSCLES), 5
RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(0, 0.3, (SIZE, OUT)).astype(np.float32)
INNER = RNG.normal(0, 0.3, (SIZE, HIDDEN)).astype(np.float32)
OUTER = RNG.normal(0, 2.0, (HIDDEN, OUT)).astype(np.float32)


def network(
    path: Path,
    *,
    source: str = "observation",
    result: str = "action",
    size: int | str = SIZE,
    batch: int | str = 1,
    recurrent: bool = False,
    opset: int = 17,
    extra: str = "",
) -> Path:
    """An ONNX file as others write it: action = observation W, or with a memory h."""

    def tensor(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    inputs, outputs = [tensor(source, [batch, size])], [tensor(result, [batch, OUT])]
    weights = {"w": WEIGHT[: size if isinstance(size, int) else SIZE]}
    nodes = [helper.make_node("MatMul", [source, "w"], [result])]
    if recurrent:
        weights = {"inner": INNER, "outer": OUTER}
        inputs.append(tensor("h_in", [1, HIDDEN]))
        outputs.append(tensor("h_out", [1, HIDDEN]))
        nodes = [
            helper.make_node("MatMul", [source, "inner"], ["fed"]),
            helper.make_node("Add", ["fed", "h_in"], ["sum"]),
            helper.make_node("Tanh", ["sum"], ["h_out"]),
            helper.make_node("MatMul", ["h_out", "outer"], [result]),
        ]
    if extra:
        inputs.append(tensor(extra, [1, 2]))
    graph = helper.make_graph(
        nodes,
        "elsewhere",
        inputs,
        outputs,
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), str(path))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "wrapped.onnx"


def test_a_network_from_elsewhere_becomes_a_policy(tmp_path: Path, target: Path) -> None:
    wrap(network(tmp_path / "net.onnx"), target)
    policy = load(target)
    found = []
    for _ in range(5):
        obs = RNG.normal(size=SIZE).astype(np.float32)
        found.append(policy.infer(obs).copy())
        expected = to_excitation((obs @ WEIGHT).astype(np.float64))
        assert np.abs(found[-1] - expected).max() < 1e-5
    assert np.ptp(found) > 0.9  # both ends of the clip are reached


def test_its_contract_is_the_official_observation(tmp_path: Path, target: Path) -> None:
    wrap(network(tmp_path / "net.onnx"), target)
    contract = load(target).contract
    assert [name for name, _ in contract.terms] == list(baoding.OFFICIAL_TERMS)
    assert sum(size for _, size in contract.terms) == SIZE
    assert (contract.skill, contract.rate_hz) == ("baoding", 40.0)
    assert "net.onnx" in contract.provenance["method"]


def test_a_memory_stays_a_memory(tmp_path: Path, target: Path) -> None:
    wrap(network(tmp_path / "net.onnx", recurrent=True), target)
    policy, h = load(target), np.zeros(HIDDEN)
    for step in range(6):
        if step == 3:
            policy.reset()
            h = np.zeros(HIDDEN)
        obs = RNG.normal(size=SIZE).astype(np.float32)
        h = np.tanh(obs @ INNER + h)
        assert np.abs(policy.infer(obs) - to_excitation(h @ OUTER)).max() < 1e-5


def test_a_network_whose_input_has_our_name(tmp_path: Path, target: Path) -> None:
    wrap(network(tmp_path / "net.onnx", source="obs"), target)
    excitation = load(target).infer(np.zeros(SIZE, np.float32))
    assert excitation == pytest.approx(to_excitation(np.zeros(OUT)))


def test_an_ir_that_onnxruntime_does_not_read_is_lowered(tmp_path: Path, target: Path) -> None:
    path = network(tmp_path / "net.onnx")
    assert onnx.load(str(path)).ir_version > 10  # onnx writes a newer one by default
    wrap(path, target)
    assert onnx.load(str(target)).ir_version <= 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 85}, r"input 'obs' is tensor\(float\) \(1, 85\), .* tensor\(float\) \(1, 86\)"),
        ({"extra": "more"}, r"one input and one output; found \['observation', 'more'\]"),
        ({"opset": 22}, "opset 22; onnxruntime here reads 21"),
        ({"batch": "batch"}, "input 'obs' is"),
        ({"result": "excitation"}, "onnxruntime refuses it"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_old_policy_stays(
    tmp_path: Path, target: Path, settings: dict[str, object], message: str
) -> None:
    target.write_bytes(b"the old one")
    path = network(tmp_path / "net.onnx", **settings)
    with pytest.raises(ContractError, match=message) as refused:
        wrap(path, target)
    assert "\n" not in str(refused.value)
    assert target.read_bytes() == b"the old one"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["net.onnx", "wrapped.onnx"]


@pytest.mark.parametrize("content", [b"", b"no network", None])
def test_what_is_no_network_is_refused(tmp_path: Path, target: Path, content: bytes | None) -> None:
    path = tmp_path / "net.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ContractError, match=r"net\.onnx: ") as refused:
        wrap(path, target)
    assert "\n" not in str(refused.value)
    assert not target.exists()
