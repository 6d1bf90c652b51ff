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
