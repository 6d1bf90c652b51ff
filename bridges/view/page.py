"""The page itself: what stands where, and how often it is drawn."""

import functools
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, Final

import viser
import websockets.asyncio.server as websocket_server

from bridges import stage
from bridges.view import words
from bridges.view.buttons import Buttons
from bridges.view.hand import FOV_RAD, Hand, camera
from bridges.view.plots import Plots
from bridges.view.watch import SIGNALS, Watch

HOST: Final = "127.0.0.1"  # the page has buttons: other machines come through ssh -L
ORIGINS: Final = re.compile(r"http://(127\.0\.0\.1|localhost)(:\d+)?")
HAND_S: Final = 0.05
WORDS_S: Final = 0.2
PLOTS_PX: Final = 390
BRAND: Final = (47, 128, 237)
UPRIGHT: Final = 0.8  # width by height
PHONE_AWAY: Final = 1.6  # times the usual distance
PHONE_UP: Final = 0.25  # of the picture's height: the middle of what the sheet leaves free


class Page:
    """One session in as many browsers as like.

    Args:
        watch: of the session.
        port: to listen on, a free one: viser would quietly take another; 0 takes any.
        key: CURVE secret key file, for a control port with keys.
    """

    def __init__(self, watch: Watch, port: int, key: str = "") -> None:
        self._watch = watch
        self._dark: dict[int, bool] = {}
        self._server = _serve(port)
        self._words_due_s = 0.0
        gui = self._server.gui
        gui.configure_theme(show_logo=False, show_share_button=False, brand_color=BRAND)
        gui.set_panel_label("myoloop")
        Buttons(gui, lambda: watch.name, key)  # first: what is said below may grow, they stay
        self._state, self._task = gui.add_html(""), gui.add_html("")
        gui.main_panel.dock_right()
        self._add_panels(gui)
        self._stand()
        self._server.on_client_connect(self._aim)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self._server.get_port()}"

    def _add_panels(self, gui: viser.GuiApi) -> None:
        """What is looked at, beside what is pressed; on a phone each is a line to be opened."""
        signals, deadlines = gui.add_panel(), gui.add_panel()
        tab = signals.add_tab("Signals, last 10 s", viser.Icon.CHART_LINE)
        self._plots = Plots(gui, tab)
        with tab:
            self._muscles = gui.add_html("", order=len(SIGNALS))
        with deadlines.add_tab("Deadlines", viser.Icon.CLOCK):
            self._ledger = gui.add_html("")
            turn = gui.add_button("Dark / light", color="gray", icon=viser.Icon.SUN_MOON)
            turn.on_click(self._turn)
        deadlines.dock_below(gui.main_panel)
        signals.dock_left()
        signals.set_width(PLOTS_PX)

    def _stand(self) -> None:
        """Put hand and camera where they belong."""
        server = self._server
        eye, centre = camera()
        server.initial_camera.position, server.initial_camera.look_at = eye, centre
        server.initial_camera.fov = FOV_RAD
        server.initial_camera.near, server.initial_camera.far = 0.01, 10.0
        server.scene.configure_default_lights(cast_shadow=False)
        server.scene.configure_environment_map(None)
        self._hand = Hand(server.scene)

    def _aim(self, client: viser.ClientHandle) -> None:
        """Look at the hand where it is; on a phone held upright, above the sheet of buttons."""
        tick = self._watch.newest
        palm = stage.PALM_M if tick is None else tick["palm_pos"]
        away, up = (PHONE_AWAY, PHONE_UP) if client.camera.aspect < UPRIGHT else (1.0, 0.0)
        client.camera.position, client.camera.look_at = camera(palm, away, up)

    def _turn(self, event: Any) -> None:
        """Dark or light, for this browser alone."""
        client = event.client
        dark = self._dark[client.client_id] = not self._dark.get(client.client_id, False)
        client.gui.configure_theme(
            dark_mode=dark, show_logo=False, show_share_button=False, brand_color=BRAND
        )

    def show(self, now_ns: int) -> None:
        """Draw what is new, if anybody looks.

        Args:
            now_ns: CLOCK_MONOTONIC.
        """
        watch = self._watch
        watch.look(now_ns)
        if not self._server.get_clients():
            return
        with self._server.atomic():
            if watch.newest is not None:
                self._hand.show(watch.newest)
            if now_ns / 1e9 >= self._words_due_s:
                self._words_due_s = now_ns / 1e9 + WORDS_S
                self._state.content = words.state(watch, watch.silent_s(now_ns))
                self._task.content = words.task(watch)
                self._ledger.content = words.ledger(watch)
                self._muscles.content = words.muscles(watch.newest)
                self._plots.show(watch)

    def run(self) -> None:
        """Until the process is told to end."""
        while True:
            began_s = time.monotonic()
            self.show(time.monotonic_ns())
            time.sleep(max(HAND_S / 2, HAND_S - (time.monotonic() - began_s)))

    def close(self) -> None:
        """Hang up."""
        self._server.stop()


def _serve(port: int) -> viser.ViserServer:
    with _from_here_only(), redirect_stdout(io.StringIO()):  # it prints a box
        return viser.ViserServer(HOST, port, label="myoloop", verbose=False)


@contextmanager
def _from_here_only() -> Iterator[None]:
    """Have the server refuse sockets that pages of other sites open: there are buttons behind it.

    viser has no setting for it; what it calls has (websockets' ``origins``).
    """
    serve = websocket_server.serve
    websocket_server.serve = functools.partial(serve, origins=[ORIGINS])  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        websocket_server.serve = serve  # type: ignore[misc]
