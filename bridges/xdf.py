"""The source ``xdf``: the intention stream of an XDF recording, played in real time."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from bridges.lsl_match import labels_of
from controller.errors import HostError, StreamError
from controller.messages import Intention
from controller.settings import convert
from controller.skills.skill import Channel

MAGIC: Final = b"XDF:"
OVER: Final = "the recording is over"


class XdfOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which recording."""

    file: Annotated[str, Meta(min_length=1)]
    """XDF file, as LabRecorder writes it."""
    name: str = ""
    """Name of the stream; needed where several have the skill's channels."""
    repeat: bool = False
    """Start again at its end."""


def create(options: dict[str, Any], channels: tuple[Channel, ...], origin: str) -> "XdfIntention":
    """Load the one stream that has the skill's channels and ``engage``.

    Args:
        options: fields of XdfOptions.
        channels: of the skill, without ``engage``.
        origin: where the options came from, for errors.

    Raises:
        SettingsError: an option is unknown.
        HostError: the extra is not installed.
        StreamError: the file can't be read, or none or several of its streams fit.
    """
    chosen = convert(options, XdfOptions, origin)
    if find_spec("pyxdf") is None:
        raise HostError(f"{origin}: XDF needs the extra: pip install 'myoloop[view]'")
    labels = labels_of(channels)
    found = [one for one in _streams(Path(chosen.file), origin) if _fits(one, labels, chosen.name)]
    if len(found) != 1:
        seen = "; ".join(map(_shown, _streams(Path(chosen.file), origin))) or "no stream"
        raise StreamError(
            f"{origin}: {chosen.file}: {len(found)} streams have the channels "
            f"{'/'.join(labels)}, only one may (see 'name'); it holds: {seen}"
        )
    stamps_s = np.asarray(found[0]["time_stamps"], np.float64)
    rows = np.asarray(found[0]["time_series"], np.float64)
    if not len(stamps_s) or not np.isfinite(stamps_s).all():
        raise StreamError(f"{origin}: {chosen.file}: {_shown(found[0])}: no samples, or no stamps")
    return XdfIntention(stamps_s, rows, chosen.repeat)


class XdfIntention:
    """Plays from the first read on; each sample comes when it came, to the stamp.

    Args:
        stamps_s: (n,) of the recording's clock [s].
        rows: (n, channels + 1), ``engage`` last.
        repeat: start again at the end.
    """

    def __init__(
        self, stamps_s: NDArray[np.float64], rows: NDArray[np.float64], repeat: bool
    ) -> None:
        newer = stamps_s > np.concatenate([[-np.inf], np.maximum.accumulate(stamps_s)[:-1]])
        self._stamps_s, self._rows = stamps_s[newer], rows[newer]  # as live: not newer, not read
        self._step_s = float(np.median(np.diff(self._stamps_s))) if newer.sum() > 1 else 1.0
        self._length_s = float(self._stamps_s[-1] - self._stamps_s[0]) + self._step_s
        self._repeat = repeat
        self._began_s: float | None = None
        self._newest: tuple[int, int] | None = None  # lap, sample

    def read(self, now_s: float) -> Intention:
        """The sample that is the newest at ``now_s``, and its age.

        Args:
            now_s: CLOCK_MONOTONIC [s].
        """
        self._began_s = now_s if self._began_s is None else self._began_s
        lap, into_s = divmod(now_s - self._began_s, self._length_s)
        over = lap > 0 and not self._repeat
        if over:
            lap, into_s = 0.0, now_s - self._began_s
        first_s = float(self._stamps_s[0])
        index = int(np.searchsorted(self._stamps_s, first_s + into_s, side="right")) - 1
        fresh, self._newest = self._newest != (int(lap), index), (int(lap), index)
        stamp_s = float(self._stamps_s[index])
        return Intention(
            values=self._rows[index, :-1],
            engage=float(self._rows[index, -1]),
            age_s=into_s - (stamp_s - first_s),
            fault=OVER if over else "",
            raw_stamp_s=stamp_s,
            correction_s=self._began_s + lap * self._length_s - first_s,
            fresh=fresh and not over,
        )

    def close(self) -> None:
        """Nothing is held."""


def _streams(path: Path, origin: str) -> list[dict[str, Any]]:
    import pyxdf

    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise StreamError(f"{origin}: {path}: not an XDF file")
        streams: list[dict[str, Any]] = pyxdf.load_xdf(path, dejitter_timestamps=False)[0]
    except OSError as error:
        raise StreamError(f"{origin}: {path}: {error.strerror or error}") from None
    except StreamError:
        raise
    except Exception as error:  # whatever a damaged file leads to
        raise StreamError(f"{origin}: {path}: a damaged XDF file: {error}") from None
    return streams


def _labels(stream: dict[str, Any]) -> tuple[str, ...]:
    """Of the channels, () for a stream that does not describe them."""
    try:
        channels = stream["info"]["desc"][0]["channels"][0]["channel"]
        return tuple(str(channel["label"][0]) for channel in channels)
    except (KeyError, TypeError, IndexError):
        return ()


def _name(stream: dict[str, Any]) -> str:
    return str(stream["info"]["name"][0])


def _fits(stream: dict[str, Any], labels: tuple[str, ...], name: str) -> bool:
    return _labels(stream) == labels and (not name or _name(stream) == name)


def _shown(stream: dict[str, Any]) -> str:
    return f"{_name(stream)!r} with {'/'.join(_labels(stream)) or 'unnamed channels'}"
