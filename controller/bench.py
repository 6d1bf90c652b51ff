"""``myoloop bench``: measurements of this machine; each floor brings its own by entry point."""

from controller.cli import group

app = group(
    "myoloop.benches",
    "Measure this machine: each measurement prints its figures, and JSON with --json.",
)
