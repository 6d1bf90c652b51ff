"""Ten digits as a policy makes them: ``python -m training.posture.picture POLICY PICTURE``.

Each is the end of an official episode; for the picture the forearm is turned to the viewer.
"""

import sys
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bridges.myohand import PALM_UP_RAD
from bridges.pose_hand import PoseHand
from bridges.render import Scene
from controller.board import RECORD
from controller.policy import check_fit, load
from controller.skills import posture
from training.posture.targets import DIGITS, named

SECONDS: Final = 2.0  # the official episode, from the neutral hand
TILE: Final = (320, 300)
ACROSS: Final = 5
INK: Final = "#20262e"


def made(policy_file: Path, target: np.ndarray) -> np.ndarray:
    """The last tick (a board.RECORD) of an official episode with this target, (23,)."""
    policy = load(policy_file)
    check_fit(policy, posture, 1.0 / posture.CONTROL_STEP_S)
    observation = posture.observation(policy.terms)
    seen = np.zeros(observation.size, np.float32)
    hand = PoseHand(1.0 / posture.CONTROL_STEP_S)
    goal = posture.begin(hand.read())
    for _ in range(round(SECONDS / posture.CONTROL_STEP_S)):
        goal = posture.towards(goal, target, posture.CONTROL_STEP_S)
        observation.observe(hand.read(), goal, seen)
        hand.write(policy.infer(seen))
    feedback = hand.read()
    record = np.zeros((), RECORD)
    record["joint_pos"], record["activation"] = feedback.joint_pos, feedback.activation
    record["joint_pos"][0] = PALM_UP_RAD  # the palm to the viewer
    record["solved"] = posture.solved(feedback, goal)
    return record


def draw(policy_file: Path, target: Path) -> None:
    """Write the picture, two rows of five."""
    scene = Scene()
    width, height = TILE
    sheet = Image.new("RGB", (ACROSS * width, 2 * height), "white")
    pen = ImageDraw.Draw(sheet)
    try:
        for digit, wish in enumerate(named()[:DIGITS]):
            record = made(policy_file, wish)
            scene.pose(record)
            frame = Image.fromarray(scene.frame())
            frame.thumbnail(TILE)
            place = (digit % ACROSS * width, digit // ACROSS * height)
            sheet.paste(frame, (place[0] + (width - frame.width) // 2, place[1]))
            name = f"{digit}" if record["solved"] else f"{digit} (not inside 0.7 rad)"
            spot = (place[0] + width / 2, place[1] + height - 22)
            pen.text(spot, name, fill=INK, anchor="mm", font=ImageFont.load_default(20))
    finally:
        scene.close()
    sheet.save(target)


def main() -> None:
    """Draw what the command line names."""
    draw(Path(sys.argv[1]), Path(sys.argv[2]))


if __name__ == "__main__":
    main()
