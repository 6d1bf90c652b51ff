import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from controller import rundir
from controller.errors import HostError, MyoloopError
from controller.follower import FollowerContext
from controller.rundir import CONTEXT, ENDPOINT, Endpoint, RunFolder


@pytest.fixture
def memory(tmp_path, monkeypatch):
    monkeypatch.setattr(rundir, "MEMORY", tmp_path)
    return tmp_path


def test_a_session_is_found_while_it_is_held(memory):
    assert rundir.running() == []
    with pytest.raises(MyoloopError, match="no session runs here: myoloop run"):
        rundir.find()
    one = RunFolder("one", Path("one.yaml"))
    assert rundir.find() == rundir.find("one") == one.path
    two = RunFolder("two", Path("two.yaml"))
    with pytest.raises(MyoloopError, match="choose one with --session: one, two"):
        rundir.find()
    with pytest.raises(MyoloopError, match="no session 'three' runs here; running: one, two"):
        rundir.find("three")
    one.close()
    assert rundir.find() == two.path
    two.close()
    assert rundir.running() == []


def test_the_lock_names_its_owner(memory):
    held = RunFolder("one", Path("/lab/one.yaml"))
    with pytest.raises(HostError, match=rf"already run by process {os.getpid()} \(/lab/one.yaml"):
        RunFolder("one", Path("other.yaml"))
    held.close()


def test_a_killed_owner_leaves_no_lock_and_no_old_cells(memory):
    code = (
        "import os, sys; from pathlib import Path; from controller import rundir\n"
        "rundir.MEMORY = Path(sys.argv[1])\n"
        "folder = rundir.RunFolder('one', Path('one.yaml'))\n"
        "folder.board.write_bytes(b'old'); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(memory)], check=False)
    assert (rundir.root() / "one" / "board").exists() and rundir.running() == []
    again = RunFolder("one", Path("one.yaml"))
    assert not again.board.exists()
    again.close()


def test_a_folder_that_others_can_write_to_is_refused(memory):
    rundir.root().chmod(0o777)
    with pytest.raises(HostError, match="not private to this user: remove it"):
        rundir.root()


def test_a_link_in_its_place_is_refused(memory):
    (memory / "elsewhere").mkdir(mode=0o700)
    (memory / f"myoloop-{os.getuid()}").symlink_to(memory / "elsewhere")
    with pytest.raises(HostError, match="not private to this user"):
        rundir.root()


def test_a_file_in_its_place_is_named(memory):
    (memory / f"myoloop-{os.getuid()}").write_text("")
    with pytest.raises(HostError, match=r"can't be made: File exists"):
        rundir.root()


def test_without_shared_memory_the_temporary_folder_serves(memory, monkeypatch, tmp_path):
    monkeypatch.setattr(rundir, "MEMORY", tmp_path / "none")
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert rundir.root().parent == tmp_path


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"port": 1}'])
def test_a_control_port_that_does_not_say_where_it_is(memory, content):
    if content is not None:
        (memory / ENDPOINT).write_bytes(content)
    with pytest.raises(HostError, match="control port does not answer"):
        rundir.endpoint(memory, wait_s=0.0)


def test_a_control_port_that_says_where_it_is(memory):
    endpoint = Endpoint(address="tcp://127.0.0.1:5601", server_key="k")
    (memory / ENDPOINT).write_bytes(msgspec.json.encode(endpoint))
    assert rundir.endpoint(memory) == endpoint


def test_a_run_tells_what_it_is_made_of(memory):
    folder = RunFolder("bench", memory / "bench.yaml")
    with pytest.raises(HostError, match="'bench': does not say what it runs"):
        rundir.context(folder.path)
    told = FollowerContext(
        session="bench", board="b", folder="f", rate_hz=40.0, about={"skill": "baoding"}
    )
    folder.tell(told)
    assert rundir.context(folder.path) == told
    folder.close()
    assert not (folder.path / CONTEXT).exists()
