"""The peer: sb3-contrib's RecurrentPPO with the settings of the 2022 winner's first stage.

Settings are those of the winner's published training script (github.com/amathislab/myochallenge,
``01_rsi_static``), on the official environment: 16 processes, minibatches of 32, 10 epochs.
"""

import os
import time
from typing import Any, Final

from bridges.official_env import P1

PROCESSES: Final = 16
ROLLOUT: Final = 128  # steps of each process between two updates


def make() -> Any:
    """One official environment, in a process of its own."""
    os.environ.setdefault("MUJOCO_GL", "egl")  # nothing is drawn; no window is needed
    import gymnasium as gym
    import myosuite  # noqa: F401  (registers the environments)

    return gym.make(P1)


def rate() -> float:
    """Control steps per second of one whole update: a rollout of all processes, then learning."""
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.vec_env import SubprocVecEnv, VecNormalize
    from torch import nn

    envs = VecNormalize(SubprocVecEnv([make] * PROCESSES, start_method="spawn"))
    try:
        model = RecurrentPPO(
            "MlpLstmPolicy",
            envs,
            device="cpu",
            seed=0,
            batch_size=32,
            n_steps=ROLLOUT,
            learning_rate=2.55673e-05,
            ent_coef=3.62109e-06,
            clip_range=0.3,
            gamma=0.99,
            gae_lambda=0.9,
            max_grad_norm=0.7,
            vf_coef=0.835671,
            n_epochs=10,
            policy_kwargs={
                "ortho_init": False,
                "log_std_init": -2,
                "activation_fn": nn.ReLU,
                "net_arch": {"pi": [256, 256], "vf": [256, 256]},
            },
        )
        began = time.perf_counter()
        model.learn(PROCESSES * ROLLOUT)
        took = time.perf_counter() - began
    finally:
        envs.close()
    return PROCESSES * ROLLOUT / took
