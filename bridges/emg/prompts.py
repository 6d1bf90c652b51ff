"""What a person is asked for in a calibration, and what it means."""

import json
from typing import Final

TURN: Final = 0.10  # rotation of a comfortable turn: one turn in 40 s
FASTER: Final = 0.15  # and of a faster one

PROMPTS: Final = {
    "rest": ("rest", 0.0),
    "turn left": ("left", TURN),
    "turn right": ("right", -TURN),
    "left, faster": ("left", FASTER),
    "right, faster": ("right", -FASTER),
}
"""Class and rotation of each prompt."""

HINTS: Final = {
    "rest": "let the hand lie, quite loose",
    "turn left": "such as bending the wrist back, without effort",
    "turn right": "such as bending the wrist forward, without effort",
    "left, faster": "as before, clearly harder",
    "right, faster": "as before, clearly harder",
}
"""How a person does it."""

STREAM: Final = "myoloop-prompts"
SCHEMA_VERSION: Final = 1


def marker(prompt: str) -> str:
    """A prompt as a marker, for recordings and for the simulated subject."""
    return json.dumps({"schema_version": SCHEMA_VERSION, "prompt": prompt})


def prompt_of(text: str) -> str:
    """The prompt of a marker, "" for what is none."""
    try:
        prompt = json.loads(text)["prompt"]
    except (ValueError, TypeError, KeyError):
        return ""
    return prompt if prompt in PROMPTS else ""
