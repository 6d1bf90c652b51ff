from pathlib import Path

import msgspec

from training.curve import plot, read


def line(steps: int, stage: int) -> bytes:
    scores = [{"task": "all", "solved": 0.5, "survival": 0.75}]
    point = {"steps": steps, "stage": stage, "seconds": steps / 1000, "scores": scores}
    return msgspec.json.encode(point) + b"\n"


def test_every_line_is_a_point(trained: Path) -> None:
    assert [point["steps"] for point in read(trained / "curve.jsonl")] == [64, 128]


def test_an_empty_line_is_no_point(tmp_path: Path) -> None:
    path = tmp_path / "curve.jsonl"
    path.write_bytes(line(1, 0) + b"\n" + line(2, 0))
    assert len(read(path)) == 2


def test_a_picture_of_several_stages(tmp_path: Path) -> None:
    path, target = tmp_path / "curve.jsonl", tmp_path / "curve.png"
    path.write_bytes(b"".join(line(n * 10**6, stage) for n, stage in enumerate((0, 0, 1, 1, 2))))
    plot(path, target)
    assert target.read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_one_point(tmp_path: Path) -> None:
    path, target = tmp_path / "curve.jsonl", tmp_path / "curve.png"
    path.write_bytes(line(64, 0))
    plot(path, target)
    assert target.stat().st_size > 1000
