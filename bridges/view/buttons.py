"""Buttons and keys that ask the control port, each press for itself: a slow one holds up none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import viser

from bridges.control.client import Client
from bridges.control.messages import Verb
from controller.errors import MyoloopError

NOTE_S: Final = 4.0
Key = Literal["E", "A", "D", "R"]


@dataclass(frozen=True, slots=True)
class Button:
    """One order: its button, its key, what it does."""

    verb: Verb
    label: str
    key: Key
    color: Literal["red", "green", "gray"]
    hint: str


BUTTONS: Final = (
    Button("estop", "E-STOP", "E", "red", "Rest at once, latched until a reset"),
    Button("arm", "Arm", "A", "green", "Then raising the dead-man starts the hand"),
    Button("disarm", "Disarm", "D", "gray", "Relax the hand"),
    Button("reset", "Reset", "R", "gray", "Leave FAULT; nothing moves by it"),
)


class Buttons:
    """The control plane's verbs on the page.

    Args:
        gui: where the buttons go.
        session: name of the session that is shown now.
        key: CURVE secret key file, for a control port with keys.
    """

    def __init__(self, gui: viser.GuiApi, session: Callable[[], str], key: str) -> None:
        self._session, self._key = session, key
        for button in BUTTONS:
            handle = gui.add_button(
                f"{button.label}  [{button.key}]", color=button.color, hint=button.hint
            )
            handle.on_click(self._pressed(button))
            command = gui.add_command(button.label, description=button.hint, hotkey=button.key)
            command.on_trigger(self._pressed(button))

    def _pressed(self, button: Button) -> Callable[[Any], None]:
        def press(event: Any) -> None:
            good, words = self._ask(button.verb)
            if event.client is not None:
                event.client.add_notification(
                    button.label,
                    words,
                    color="green" if good else "red",
                    auto_close_seconds=NOTE_S,
                )

        return press

    def _ask(self, verb: Verb) -> tuple[bool, str]:
        """What came of it, in words."""
        try:
            with Client.of(self._session(), self._key) as client:
                reply = client.ask(verb)
        except MyoloopError as error:
            return False, str(error)
        return reply.ok, f"{reply.message} ({reply.state})"
