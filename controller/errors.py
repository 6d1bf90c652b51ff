"""One small exception tree that reads as the list of what can be wrong before a start."""


class MyoloopError(Exception):
    """A message for the user: what is wrong, where it came from, what is allowed."""


class SettingsError(MyoloopError):
    """A settings file or option that can't be used."""


class ContractError(MyoloopError):
    """A policy, plant or stream whose names, sizes, rate or version do not fit."""


class StreamError(MyoloopError):
    """No intention stream, several, or the wrong one."""


class PlantError(MyoloopError):
    """A plant that can't be built, reached or trusted."""


class HostError(MyoloopError):
    """The machine lacks something: a port, a permission, a system package."""
