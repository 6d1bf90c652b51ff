"""A policy is one ONNX file with a contract; this is the contract's reader.

The graph holds normaliser, clip and sigmoid: observation in, excitation out. Each
recurrent state is an input ``NAME_in`` and an output ``NAME_out``. The metadata key
``myoloop`` holds the contract as JSON. Whoever meets it may have been trained anywhere.
"""

import hashlib
import zlib
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import onnxruntime as ort
from msgspec import Meta
from numpy.typing import NDArray

from controller.errors import ContractError
from controller.messages import Excitation
from controller.names import MUSCLES
from controller.ports import Skill

CONTRACT_VERSION: Final = 1
METADATA_KEY: Final = "myoloop"
OBSERVATION: Final = "obs"
EXCITATION: Final = "excitation"
WARM_UP_CALLS: Final = 50
RATE_TOLERANCE: Final = 1e-9


class Contract(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a policy promises, as JSON in its ONNX metadata."""

    contract_version: int
    skill: str
    terms: list[tuple[str, Annotated[int, Meta(gt=0, le=100_000)]]]
    """Observation terms by name and size, in order."""
    muscles: list[str]
    rate_hz: float
    versions: dict[str, str]
    """Of mujoco, myosuite, myo-sim: those that the scores belong to."""
    provenance: dict[str, Any] = {}
    scores: dict[str, Any] = {}


class OnnxPolicy:
    """Runs the graph with bound memory; two alternating buffers carry the recurrent state."""

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ContractError(f"policy {path}: can't be read: {error.strerror}") from None
        self.path = path
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._session = _open(path, content)
        self.contract = _contract(path, self._session)
        self._obs = np.zeros((1, sum(size for _, size in self.contract.terms)), np.float32)
        self._out = np.zeros((1, len(MUSCLES)), np.float32)
        states = _check_graph(path, self._session, self._obs.shape, self._out.shape)
        self._states = [
            (name, np.zeros(shape, np.float32), np.zeros(shape, np.float32))
            for name, shape in states
        ]
        self._bindings = [self._bind(0), self._bind(1)]
        self._turn = 0
        for _ in range(WARM_UP_CALLS):
            self.infer(self._obs[0])
        self.reset()

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the observation terms, in order."""
        return tuple(name for name, _ in self.contract.terms)

    def _bind(self, turn: int) -> Any:
        """Inputs from buffer ``turn``, outputs into the other; nothing is copied."""
        binding = self._session.io_binding()
        values = ort.OrtValue.ortvalue_from_numpy
        binding.bind_ortvalue_input(OBSERVATION, values(self._obs))
        binding.bind_ortvalue_output(EXCITATION, values(self._out))
        for name, *buffers in self._states:
            binding.bind_ortvalue_input(f"{name}_in", values(buffers[turn]))
            binding.bind_ortvalue_output(f"{name}_out", values(buffers[1 - turn]))
        return binding

    def state_crc(self) -> int:
        """CRC-32 of the recurrent state, 0 for a policy without one."""
        crc = 0
        for _, *buffers in self._states:
            crc = zlib.crc32(buffers[self._turn].data, crc)
        return crc

    def reset(self) -> None:
        """Forget: zero the recurrent state."""
        for _, *buffers in self._states:
            for buffer in buffers:
                buffer.fill(0.0)

    def infer(self, observation: NDArray[np.float32]) -> Excitation:
        """Wished excitations, (39,), for an observation, (n,); valid until the next call."""
        self._obs[0] = observation
        self._session.run_with_iobinding(self._bindings[self._turn])
        self._turn = 1 - self._turn
        excitation: Excitation = self._out[0]
        return excitation


def load(path: Path) -> OnnxPolicy:
    """Open, check and warm up a policy.

    Raises:
        ContractError: not readable, not ONNX, no contract, or one that does not fit.
    """
    return OnnxPolicy(path)


def check_fit(policy: OnnxPolicy, skill: Skill, rate_hz: float) -> None:
    """Hold a policy against what it is to run in: skill, rate, observation terms.

    Raises:
        ContractError: names what does not fit.
    """
    contract = policy.contract
    if contract.skill != skill.NAME:
        raise ContractError(
            f"policy {policy.path}: made for the skill {contract.skill!r}, "
            f"the session's is {skill.NAME!r}"
        )
    ticks = rate_hz / contract.rate_hz
    if ticks < 1 or abs(ticks - round(ticks)) > RATE_TOLERANCE:
        raise ContractError(
            f"policy {policy.path}: made for {contract.rate_hz:g} Hz, the session's rate_hz is "
            f"{rate_hz:g}; it must be that or a whole multiple of it"
        )
    try:
        observation = skill.observation(policy.terms)
    except ContractError as error:
        raise ContractError(f"policy {policy.path}: {error}") from None
    for (name, size), own in zip(contract.terms, observation.sizes, strict=True):
        if size != own:
            raise ContractError(
                f"policy {policy.path}: term {name!r} has the size {size}, the skill's has {own}"
            )


def _open(path: Path, content: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # a refusal is reported once, by the error below
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen kinds of its own
        first = str(error).strip().splitlines()[0]
        raise ContractError(f"policy {path}: onnxruntime refuses it: {first}") from None


def _contract(path: Path, session: ort.InferenceSession) -> Contract:
    metadata = session.get_modelmeta().custom_metadata_map
    if METADATA_KEY not in metadata:
        raise ContractError(
            f"policy {path}: no contract: the metadata key {METADATA_KEY!r} is missing "
            f"(found: {', '.join(metadata) or 'none'}); docs/policy.md says what it holds"
        )
    try:
        plain = msgspec.json.decode(metadata[METADATA_KEY], type=dict[str, Any])
        version = plain.get("contract_version")
        if version != CONTRACT_VERSION:
            raise ContractError(
                f"policy {path}: contract version {version!r}, this myoloop reads "
                f"{CONTRACT_VERSION}"
            )
        contract = msgspec.json.decode(metadata[METADATA_KEY], type=Contract)
    except msgspec.MsgspecError as error:
        raise ContractError(f"policy {path}: its contract is malformed: {error}") from None
    _check_names(path, contract)
    return contract


def _check_names(path: Path, contract: Contract) -> None:
    if len(contract.muscles) != len(MUSCLES):
        raise ContractError(
            f"policy {path}: {len(contract.muscles)} muscles, the hand has {len(MUSCLES)}"
        )
    for index, (name, expected) in enumerate(zip(contract.muscles, MUSCLES, strict=True)):
        if name != expected:
            raise ContractError(
                f"policy {path}: muscle {index} is {name!r}, the hand's is {expected!r}"
            )
    if not (np.isfinite(contract.rate_hz) and contract.rate_hz > 0):
        raise ContractError(f"policy {path}: rate {contract.rate_hz!r} Hz is not a rate")


def _check_graph(
    path: Path,
    session: ort.InferenceSession,
    obs: tuple[int, ...],
    out: tuple[int, ...],
) -> list[tuple[str, tuple[int, ...]]]:
    """Hold the graph against the contract; return the recurrent states, name and shape."""
    inputs = {node.name: node for node in session.get_inputs()}
    outputs = {node.name: node for node in session.get_outputs()}
    _check_node(path, "input", inputs.pop(OBSERVATION, None), OBSERVATION, obs)
    _check_node(path, "output", outputs.pop(EXCITATION, None), EXCITATION, out)
    states = []
    for name, node in inputs.items():
        if not name.endswith("_in"):
            raise ContractError(f"policy {path}: input {name!r} is not {OBSERVATION!r} or NAME_in")
        state, shape = name.removesuffix("_in"), tuple(node.shape)
        if not all(isinstance(size, int) for size in shape):
            raise ContractError(f"policy {path}: state {state!r} has no fixed shape: {shape}")
        _check_node(path, "input", node, name, shape)
        _check_node(path, "output", outputs.pop(f"{state}_out", None), f"{state}_out", shape)
        states.append((state, shape))
    if outputs:
        raise ContractError(f"policy {path}: unexpected output {next(iter(outputs))!r}")
    return states


def _check_node(path: Path, kind: str, node: Any, name: str, shape: tuple[int, ...]) -> None:
    if node is None:
        raise ContractError(f"policy {path}: the graph has no {kind} {name!r}")
    if tuple(node.shape) != shape or node.type != "tensor(float)":
        raise ContractError(
            f"policy {path}: {kind} {name!r} is {node.type} {tuple(node.shape)}, "
            f"its contract needs tensor(float) {shape}"
        )
