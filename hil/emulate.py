"""``myoloop emulate``: devices that are not there, each by entry point."""

from controller.cli import group

app = group(
    "myoloop.emulators",
    "Be a device, on a pty of its own: real bytes, watchdogs, limits, and faults by name.",
)
