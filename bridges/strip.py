"""The strip below a picture: state, intention, ball errors and time, drawn with Pillow."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bridges import palette
from controller.ports import Skill
from controller.skills.baoding import SOLVED_DISTANCE_M
from controller.skills.skill import Channel
from controller.supervisor.states import State

HEIGHT: Final = 80
FINE: Final = 2  # drawn this much larger, then reduced: smooth edges
PAPER: Final = "#ffffff"
INK: Final = "#20262e"
FAINT: Final = "#7b8591"
TRACK: Final = "#e4e8ec"
ERROR_SPAN_M: Final = 2 * SOLVED_DISTANCE_M  # the limit is in the middle of the bar

Image8 = NDArray[np.uint8]  # (height, width, 3)


def draw(record: NDArray[np.void], skill: Skill, elapsed_s: float, width: int) -> Image8:
    """The strip for one tick (a board.RECORD), (HEIGHT, width, 3)."""
    image = Image.new("RGB", (width * FINE, HEIGHT * FINE), PAPER)
    pen = Pen(ImageDraw.Draw(image))
    _state(pen, State(int(record["state"])), elapsed_s)
    if skill.OBJECTS:
        _channel(pen, skill.CHANNELS[0], float(record["intention"][0]), x=190, width=180)
        _errors(pen, record, x=404, width=width - 404 - 26)
    else:
        _alone(pen, record, skill, x=190)
    return np.asarray(image.resize((width, HEIGHT), Image.Resampling.LANCZOS))


class Pen:
    """Draws in pixels of the finished strip."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def text(
        self, x: float, y: float, text: str, size: int, colour: str = INK, anchor: str = "lm"
    ) -> None:
        """Text of ``size`` pixels, anchored as Pillow names it (left middle)."""
        font = ImageFont.load_default(size * FINE)
        self._draw.text((x * FINE, y * FINE), text, fill=colour, font=font, anchor=anchor)

    def bar(self, left: float, right: float, y: float, height: float, colour: str) -> None:
        """A horizontal bar with round ends, centred on ``y``."""
        if right - left >= 1:
            half = height / 2
            box = [left * FINE, (y - half) * FINE, right * FINE, (y + half) * FINE]
            self._draw.rounded_rectangle(box, radius=half * FINE, fill=colour)

    def mark(self, x: float, y: float, height: float, colour: str) -> None:
        """A short vertical line, centred on ``y``."""
        ends = [(x * FINE, (y + side * height / 2) * FINE) for side in (-1, 1)]
        self._draw.line(ends, fill=colour, width=3)

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        """A filled circle."""
        self._draw.circle((x * FINE, y * FINE), radius * FINE, fill=colour)


def _state(pen: Pen, state: State, elapsed_s: float) -> None:
    pen.dot(32, 31, 7, palette.STATES[state])
    pen.text(50, 31, state.name.capitalize(), 22)
    pen.text(50, 58, f"{elapsed_s:.1f} s", 14, FAINT)


def _channel(pen: Pen, channel: Channel, value: float, x: float, width: float) -> None:
    """The intention, from the middle to the left (clockwise) or right."""
    middle = x + width / 2
    shown = min(max(value, channel.low), channel.high) if math.isfinite(value) else 0.0
    tip = middle + shown / channel.high * width / 2
    pen.text(x, 20, channel.label, 13, FAINT)
    pen.text(x + width, 20, f"{value:+.2f}", 16, anchor="rm")
    pen.bar(x, x + width, 50, 9, TRACK)
    pen.bar(min(middle, tip), max(middle, tip), 50, 9, palette.DRIVE)
    pen.mark(middle, 50, 18, FAINT)


def _alone(pen: Pen, record: NDArray[np.void], skill: Skill, x: float) -> None:
    """A hand alone: what is asked of it, and whether it is there."""
    pen.text(x, 31, skill.said(record["intention"][: len(skill.CHANNELS)]), 22)
    there = bool(record["solved"])
    if skill.SUCCESS:
        pen.dot(x + 7, 58, 5, palette.GOOD if there else TRACK)
        pen.text(x + 20, 58, skill.SUCCESS if there else "on its way", 14, FAINT)


def _errors(pen: Pen, record: NDArray[np.void], x: float, width: float) -> None:
    """How far each ball is from its target, and the limit of success."""
    track = width - 66
    limit = x + track * SOLVED_DISTANCE_M / ERROR_SPAN_M
    pen.text(x, 20, "error", 13, FAINT)
    pen.text(limit, 20, f"{SOLVED_DISTANCE_M * 1e3:.0f} mm", 13, FAINT, anchor="mm")
    for index in range(int(record["objects"])):
        error, y = float(record["error_m"][index]), 41 + 19 * index
        share = min(error / ERROR_SPAN_M, 1.0) if math.isfinite(error) else 1.0
        pen.bar(x, x + track, y, 9, TRACK)
        pen.bar(x, x + max(9.0, share * track), y, 9, palette.BALLS[index])
        digits = 1 if error < 0.1 else 0
        pen.text(x + width, y, f"{error * 1e3:.{digits}f} mm", 14, anchor="rm")
    pen.mark(limit, 50.5, 36, FAINT)
