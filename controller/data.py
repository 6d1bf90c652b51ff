"""Finds settings and policies: beside the code in a checkout, as package data when installed."""

from pathlib import Path
from typing import Final

from controller.errors import SettingsError

ROOT: Final = Path(__file__).resolve().parent.parent  # the checkout, or site-packages
PLACES: Final = (ROOT, ROOT / "myoloop_data")


def find(relative: str, beside: Path | None = None) -> Path:
    """Where a path such as ``policies/baoding.onnx`` is; ``beside`` is a folder to try first.

    Raises:
        SettingsError: it is nowhere; names each place that was looked at.
    """
    places = PLACES if beside is None else (beside, *PLACES)
    candidates = list(dict.fromkeys(place / relative for place in places))
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise SettingsError(f"{relative}: not found; looked for {', '.join(map(str, candidates))}")
