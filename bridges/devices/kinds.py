"""The devices that the driver knows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bridges.devices.ability_hand import AbilityHand, AbilityHandOptions
from bridges.devices.dialogue import Dialogue
from bridges.devices.sciencemode import BAUD, ScienceMode, ScienceModeOptions


@dataclass(frozen=True)
class Kind:
    """One kind of device.

    Attributes:
        emulator: for ``myoloop emulate``, from the options: its name and options of its own.
        baud: of its line.
        line: two stop bits, RTS/CTS.
        options: of its follower.
        dialogue: makes its rules from the options.
    """

    emulator: Callable[[Any], tuple[str, ...]]
    baud: int
    line: tuple[bool, bool]
    options: type[Any]
    dialogue: Callable[[Any], Dialogue]


KINDS: Final = {
    "ability-hand": Kind(
        lambda options: ("ability-hand",),
        AbilityHand.baud,
        (False, False),
        AbilityHandOptions,
        AbilityHand,
    ),
    "sciencemode": Kind(
        lambda options: ("sciencemode", f"--outputs={options.outputs}"),
        BAUD,
        (True, True),
        ScienceModeOptions,
        ScienceMode,
    ),
}
