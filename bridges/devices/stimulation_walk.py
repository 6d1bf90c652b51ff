"""Walking a channel up while a key is held. No terminal, no port and no clock in here."""

from typing import Final

LAPSE_S: Final = 0.3  # without the key again, it was let go
REPEATS: Final = 2  # a terminal repeats a held key; one press alone is no hold


class DeadMan:
    """A key that has to be held.

    A terminal tells a held key by repeating it, after a pause of up to 0.7 s, 25-40 times a
    second: so that it counts as held from the first quick repetition on, and as let go when
    none comes for 0.3 s.

    Attributes:
        pressed_s: when it was last heard [s].
    """

    def __init__(self) -> None:
        self.pressed_s = float("-inf")
        self._quick = 0

    def press(self, now_s: float) -> None:
        """The key was heard."""
        self._quick = self._quick + 1 if now_s - self.pressed_s <= LAPSE_S else 1
        self.pressed_s = now_s

    def held(self, now_s: float) -> bool:
        """Whether it is held."""
        return self._quick >= REPEATS and now_s - self.pressed_s <= LAPSE_S


class Walk:
    """A width that rises while the key is held, up to a ceiling.

    It rises with the key's repetitions and not with the time: in the 0.3 s that it takes to
    notice that the key was let go, it stands still.

    Attributes:
        width_us: now [us].
        done: whether the key was let go after a hold; ``width_us`` is then what was found.
    """

    def __init__(self, ceiling_us: float, rise_us_s: float) -> None:
        self.width_us, self.done = 0.0, False
        self._ceiling, self._rise = ceiling_us, rise_us_s
        self._pressed_s: float | None = None

    @property
    def at_ceiling(self) -> bool:
        """Whether it can not rise further."""
        return self.width_us >= self._ceiling

    @property
    def begun(self) -> bool:
        """Whether the key has been held."""
        return self._pressed_s is not None

    def step(self, dead_man: DeadMan, now_s: float) -> None:
        """Follow the key."""
        if not dead_man.held(now_s):
            self.done = self.begun
            return
        if self._pressed_s is not None:
            risen = self.width_us + self._rise * (dead_man.pressed_s - self._pressed_s)
            self.width_us = min(self._ceiling, risen)
        self._pressed_s = dead_man.pressed_s
