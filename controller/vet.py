"""Checks a policy outside of the loop: ``python -m controller.vet POLICY SKILL RATE_HZ``.

A process of its own: whatever the file does to it, the loop goes on. Prints the SHA-256 of
what it checked.
"""

import sys
import time
from pathlib import Path
from typing import Final

import numpy as np

from controller import registry
from controller.errors import ContractError, MyoloopError
from controller.names import MUSCLES
from controller.policy import OnnxPolicy, check_fit, load

CALLS: Final = 200
SHARE: Final = 0.2  # of its period that a step of a policy may take
SPREAD: Final = (0.0, 1.0, 10.0)  # of the observations that it is tried on


def vet(path: Path, skill_name: str, rate_hz: float) -> OnnxPolicy:
    """Load, hold against skill and rate, try.

    Raises:
        ContractError: it does not fit, gives something that is no command, or is too slow.
    """
    policy = load(path)
    check_fit(policy, registry.find("skills", skill_name, "skill"), rate_hz)
    rng = np.random.default_rng(0)
    size = sum(size for _, size in policy.contract.terms)
    took_s = []
    for call in range(CALLS):
        seen = rng.normal(0.0, 1.0, size) * SPREAD[call % len(SPREAD)]
        began = time.perf_counter()
        wish = policy.infer(seen.astype(np.float32))
        took_s.append(time.perf_counter() - began)
        if wish.shape != (len(MUSCLES),) or not ((wish >= 0.0) & (wish <= 1.0)).all():
            raise ContractError(f"policy {path}: gives excitations outside of 0-1, or none")
    period_s = 1.0 / policy.contract.rate_hz
    if np.median(took_s) > SHARE * period_s:
        raise ContractError(
            f"policy {path}: a step takes {np.median(took_s) * 1e3:.1f} ms, "
            f"more than {SHARE:.0%} of its period"
        )
    return policy


def main() -> None:
    """Print the hash, or the reason on stderr."""
    path, skill, rate_hz = sys.argv[1:]
    try:
        print(vet(Path(path), skill, float(rate_hz)).sha256)
    except MyoloopError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
