"""The skill ``passthrough-motors``: six hand motors [deg] as the intention, no policy.

They become the twin's joint angles which give these motors back (``hand_mapping.motors_deg``), so
that a hand that follows the twin goes exactly there.
"""

from typing import Final

from bridges.devices.ability_hand_codec import MOTORS
from bridges.devices.hand_mapping import CLOSED_DEG, OPPOSED_DEG, joints_of
from controller.skills.passthrough import PosturePassthrough
from controller.skills.skill import Channel

motors: Final = PosturePassthrough(
    "passthrough-motors",
    (
        *(Channel(name, 0.0, CLOSED_DEG, "closing [deg]") for name in MOTORS[:5]),
        Channel(MOTORS[5], OPPOSED_DEG, 0.0, "opposition [deg]"),
    ),
    joints_of,
)
