"""The ordered names that everyone shares: 39 muscles and 23 joints of the MyoHand.

The order is that of the compiled model (``myohand_baoding.xml``, myosuite 3.0.0);
``tests/bridges/test_mujoco_hand.py`` holds it against the model.
"""

from typing import Final

MUSCLES: Final[tuple[str, ...]] = (
    # wrist: extensors, flexors; forearm pronators
    *("ECRL", "ECRB", "ECU", "FCR", "FCU", "PL", "PT", "PQ"),
    # long finger flexors, little finger first
    *("FDS5", "FDS4", "FDS3", "FDS2", "FDP5", "FDP4", "FDP3", "FDP2"),
    # long finger extensors
    *("EDC5", "EDC4", "EDC3", "EDC2", "EDM", "EIP"),
    # thumb
    *("EPL", "EPB", "FPL", "APL", "OP"),
    # intrinsic: radial interossei, lumbricals, ulnar interossei
    *("RI2", "LU_RB2", "UI_UB2", "RI3", "LU_RB3", "UI_UB3"),
    *("RI4", "LU_RB4", "UI_UB4", "RI5", "LU_RB5", "UI_UB5"),
)

JOINTS: Final[tuple[str, ...]] = (
    *("pro_sup", "deviation", "flexion"),
    *("cmc_abduction", "cmc_flexion", "mp_flexion", "ip_flexion"),
    *("mcp2_flexion", "mcp2_abduction", "pm2_flexion", "md2_flexion"),
    *("mcp3_flexion", "mcp3_abduction", "pm3_flexion", "md3_flexion"),
    *("mcp4_flexion", "mcp4_abduction", "pm4_flexion", "md4_flexion"),
    *("mcp5_flexion", "mcp5_abduction", "pm5_flexion", "md5_flexion"),
)

JOINT_RANGE_RAD: Final[dict[str, tuple[float, float]]] = {
    "pro_sup": (-1.5708, 1.5708),
    "deviation": (-0.1745, 0.4363),
    "flexion": (-0.7854, 0.7854),
    "cmc_abduction": (-0.5, 0.78),
    "cmc_flexion": (-0.78, 0.7),
    "mp_flexion": (-0.7854, 0.6981),
    "ip_flexion": (-1.309, 0.4363),
    **{
        f"{joint}{finger}_{motion}": limits
        for finger in (2, 3, 4, 5)
        for joint, motion, limits in (
            ("mcp", "flexion", (0.0, 1.5708)),
            ("mcp", "abduction", (-0.2618, 0.2618)),
            ("pm", "flexion", (0.0, 1.5708)),
            ("md", "flexion", (0.0, 1.5708)),
        )
    },
}
"""Range of each joint in the model [rad], to four decimals."""
