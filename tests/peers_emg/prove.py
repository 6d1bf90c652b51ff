"""EMG that was really recorded: ``make peers-emg``; docs/emg.md has what came of it."""

import sys
from pathlib import Path

import armband
import facial
import force


def main(packages: Path, folder: str = "") -> None:
    (wheel,) = packages.glob("emgflow-*.whl")
    facial.prove(wheel)
    (wheel,) = packages.glob("openhdemg-*.whl")
    force.prove(wheel)
    if folder:
        armband.prove(Path(folder))
    else:
        print("armband: git clone https://github.com/aljazfrancic/myo-readings-dataset, then")
        print("    make peers-emg ARGS=myo-readings-dataset")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
