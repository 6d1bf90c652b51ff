"""What is exported: a network from observation and memory to excitation."""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rsl_rl.models import RNNModel
from tensordict import TensorDict
from torch import nn

from controller.errors import ContractError
from controller.policy import OBSERVATION
from controller.skills import baoding
from training.curriculum import Noise
from training.ppo import make_actor


class Graph(nn.Module):
    """(obs, NAME_in, ...) -> (excitation, NAME_out, ...), a batch of one."""

    @abstractmethod
    def inputs(self) -> dict[str, torch.Tensor]:
        """Zeros for each input by name, the observation first."""

    @abstractmethod
    def likely(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """An observation as it may come, (n,)."""


class PolicyGraph(Graph):
    """(obs, h_in, c_in) -> (excitation, h_out, c_out), all (1, n) or (1, 1, n)."""

    def __init__(self, actor: RNNModel) -> None:
        super().__init__()
        self.normalizer, self.lstm, self.head = actor.obs_normalizer, actor.rnn.rnn, actor.mlp

    def forward(
        self, obs: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """One control step."""
        action, h_out, c_out = self.act(obs, h, c)
        return excitation(action), h_out, c_out

    def act(
        self, obs: torch.Tensor, h: torch.Tensor, c: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The action in place of the excitation, (n, 39)."""
        latent, (h_out, c_out) = self.lstm(self.normalizer(obs).unsqueeze(0), (h, c))
        return self.head(latent.squeeze(0)), h_out, c_out

    def inputs(self) -> dict[str, torch.Tensor]:
        """Zeros for each input by name, the observation first."""
        h_in, c_in = self.rest(1)
        seen = torch.zeros(1, self.normalizer.mean.numel())
        return {OBSERVATION: seen, "h_in": h_in, "c_in": c_in}

    def rest(self, count: int) -> list[torch.Tensor]:
        """Memories h and c of so many hands that remember nothing yet, (1, count, n) each."""
        return [torch.zeros(1, count, self.lstm.hidden_size) for _ in range(2)]

    def likely(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """An observation as it may come, (n,): as those that were learned from."""
        centre, spread = self.normalizer.mean.numpy(), self.normalizer.std.numpy()
        noise = rng.normal(0.0, 1.0, centre.size)
        found: NDArray[np.float32] = (centre.ravel() + spread.ravel() * noise).astype(np.float32)
        return found


def excitation(action: torch.Tensor) -> torch.Tensor:
    """The official map (myosuite base_action.sigmoid_muscle_activation)."""
    return torch.sigmoid(5.0 * (torch.clamp(action, -1.0, 1.0) - 0.5))


def load_actor(state: dict[str, Any], hidden: int) -> RNNModel:
    """The actor of a checkpoint, in evaluation mode.

    Raises:
        ContractError: its layers are not ``hidden`` wide.
    """
    size = baoding.observation(baoding.OWN_TERMS).size
    seen = TensorDict({"policy": torch.zeros(1, size)}, batch_size=[1])
    actor = make_actor(seen, hidden, Noise(sigma=0.1))
    take(actor, state)
    return actor.eval()


def take(network: nn.Module, state: dict[str, Any]) -> None:
    """Load the average of a checkpoint into a network.

    Raises:
        ContractError: it is of another size.
    """
    try:
        network.load_state_dict(state["average_state_dict"], strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ContractError(f"the checkpoint's network does not fit: {reason}") from None
