import hashlib
import subprocess
import sys

import numpy as np
import pytest

from controller import vet
from controller.errors import ContractError
from controller.policy import OnnxPolicy


def test_a_good_policy_is_named_by_its_hash(write_policy):
    path = write_policy()
    command = [sys.executable, "-m", "controller.vet", str(path), "baoding", "40.0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == hashlib.sha256(path.read_bytes()).hexdigest(), done.stderr


def test_a_bad_file_is_one_line(tmp_path):
    path = tmp_path / "policy.onnx"
    path.write_bytes(b"garbage")
    command = [sys.executable, "-m", "controller.vet", str(path), "baoding", "40.0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "policy.onnx" in done.stderr


@pytest.mark.parametrize("wish", [np.nan, np.inf, -0.1, 1.1])
def test_one_wrong_excitation_in_many_is_enough(write_policy, monkeypatch, wish):
    calls = 0

    def infer(_policy, _obs):
        nonlocal calls
        calls += 1
        found = np.full(39, 0.5, np.float32)
        found[38] = wish if calls == vet.CALLS else 0.5
        return found

    monkeypatch.setattr(OnnxPolicy, "infer", infer)
    with pytest.raises(ContractError, match="outside of 0-1, or none"):
        vet.vet(write_policy(), "baoding", 40.0)


def test_a_slow_one_is_refused(write_policy, monkeypatch):
    clock = iter(np.arange(0, 1000) * 0.006)
    monkeypatch.setattr(vet.time, "perf_counter", lambda: next(clock))
    with pytest.raises(ContractError, match=r"a step takes 6.0 ms, more than 20% of its period"):
        vet.vet(write_policy(), "baoding", 40.0)


def test_another_rate_is_refused(write_policy):
    with pytest.raises(ContractError, match="rate"):
        vet.vet(write_policy(), "baoding", 50.0)
