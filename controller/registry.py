"""Finds plants, sources, skills and commands by name, through entry points.

The core knows no adapter: a third party adds one by installing a package.
"""

from importlib.metadata import entry_points
from typing import Any

from controller.errors import SettingsError


def find(kind: str, name: str, origin: str) -> Any:
    """Load what is installed as ``name`` in the group ``myoloop.<kind>``.

    Raises:
        SettingsError: nothing of that name; lists what there is.
    """
    group = {entry.name: entry for entry in entry_points(group=f"myoloop.{kind}")}
    if name not in group:
        raise SettingsError(
            f"{origin}: no {kind.removesuffix('s')} {name!r}; installed: "
            f"{', '.join(sorted(group)) or 'none'}"
        )
    return group[name].load()
