"""Programs that take more than they may.

Each ends with a word of its own, none hangs, none is left running.
"""

import os
import re
import sys
import time

import pytest
from helpers import ACCURACY, living_in, toy_recipe

METRIC = {
    "name": "accuracy",
    "split": "t",
    "direction": "higher",
    "unit": "fraction",
    "read": {"stdout": r"^accuracy (?P<value>\S+)"},
}


@pytest.fixture
def project(cli, tmp_path):
    """Makes a project of a program, with limits of its own."""

    def make(program: str, timeout_s: float = 20, metric=METRIC, **resources):
        recipe = toy_recipe(
            tmp_path / "recipe",
            {"train.py": program},
            metrics=[metric],
            progress=None,
            seeds={"how": "inject"},
            resources=resources,
            commands={"train": {"run": "python train.py", "timeout_s": timeout_s}, "smoke": None},
        )
        return cli.new(recipe)

    return make


@pytest.fixture
def refused(cli):
    def run(project) -> str:
        started = time.monotonic()
        error = cli("run", cwd=project, code=4).err
        assert time.monotonic() - started < 20
        assert living_in(project) == []
        assert len(os.listdir(project / ".scaffold/runs")) == 1
        return error

    return run


def test_time(project, refused):
    """Asked to end, it stays: then it is made to."""
    stays = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)\n"
    assert "TIMED_OUT: train did not end by itself within its limit of 1 s" in refused(
        project(stays, 1)
    )


def test_memory_of_one_process(project, refused):
    error = refused(
        project("import time\nx = bytearray(b'x') * 300_000_000\ntime.sleep(30)\n", memory_gb=0.2)
    )
    assert re.search(
        r"OUT_OF_MEMORY: train took 0\.\d\d GB of memory, more than the limit of 0.2 GB", error
    )
    assert "resources.memory_gb" in error and "--jobs" in error


def test_memory_of_many_processes(project, refused):
    forks = """\
        import os, time
        for _ in range(5):
            if os.fork() == 0:
                x = bytearray(b"x") * 60_000_000
                time.sleep(30)
        time.sleep(30)
        """
    assert "OUT_OF_MEMORY" in refused(project(forks, memory_gb=0.2))


def test_memory_of_a_daemon(cli, project, monkeypatch):
    """It has left its parents.

    Where there is no name space of processes it hangs below the supervisor.
    """
    daemon = """\
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                x = bytearray(b"x") * 400_000_000
                time.sleep(30)
            os._exit(0)
        time.sleep(30)
        """
    error = cli("run", "--no-sandbox", cwd=project(daemon, memory_gb=0.2), code=4).err
    assert "OUT_OF_MEMORY" in error


def test_memory_that_is_taken_while_it_is_asked_to_end(cli, project):
    """Whoever ignores the request gets no time to take more."""
    takes = """\
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        taken = [bytearray(b"x") * 250_000_000]
        for _ in range(40):
            time.sleep(0.1)
            taken.append(bytearray(b"x") * 20_000_000)
        """
    made = project(takes, memory_gb=0.2)
    started = time.monotonic()
    assert "OUT_OF_MEMORY" in cli("run", "--no-sandbox", cwd=made, code=4).err
    assert time.monotonic() - started < 3.2  # the grace alone is 3 s, on top of some 0.6


def test_memory_that_processes_share_counts_once(cli, project):
    shares = """\
        import os, time
        x = bytearray(b"x") * 100_000_000
        children = [os.fork() for _ in range(1)]
        if children[-1]:
            grandchildren = [os.fork() or time.sleep(0.8) or os._exit(0) for _ in range(4)]
            time.sleep(1)
            print("accuracy 0.9")
        """
    made = project(shares, memory_gb=0.25)
    assert cli("run", "--json", cwd=made).json["runs"][0]["outcome"] == "COMPLETED"


def test_memory_error_of_the_program_itself(project, refused):
    error = refused(
        project(
            "import sys\nsys.exit('torch.OutOfMemoryError: CUDA out of memory. Tried to"
            " allocate')\n"
        )
    )
    assert "OUT_OF_MEMORY: train exited with status 1: torch.OutOfMemoryError" in error


def test_disk_of_the_run(project, refused):
    fills = "import time\nopen('big', 'wb').write(bytes(60_000_000))\ntime.sleep(30)\n"
    assert "OUT_OF_DISK: train filled the disk: its folder passed 0.05 GB" in refused(
        project(fills, disk_gb=0.05)
    )


def test_disk_that_is_nearly_full(project, refused, monkeypatch):
    from scaffold import machine
    from scaffold.running import job, recording

    free = machine.free_bytes(os.getcwd())
    for module in (job, recording):
        monkeypatch.setattr(module, "FREE_BYTES", free - 100_000_000)
    fills = "import time\nopen('big', 'wb').write(bytes(400_000_000))\ntime.sleep(30)\n"
    error = refused(project(fills))
    assert "OUT_OF_DISK: train filled the disk" in error and "free some space" in error


def test_disk_that_was_full_before(cli, project, monkeypatch):
    from scaffold import machine

    monkeypatch.setattr(machine, "FREE_BYTES", 1 << 60)
    error = cli("run", cwd=project("print('accuracy 0.9')\n"), code=4).err
    assert "MB free" in error and "free some space" in error


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_without_end(project, refused, stream):
    endless = (
        f"import sys\nprint('head', file=sys.{stream})\nwhile True: sys.{stream}.write('x' * 99 +"
        " chr(10))\n"
    )
    made = project(endless, output_mb=5)
    error = refused(made)
    assert "TOO_MUCH_OUTPUT: train printed more than 5 MB, of which head and tail are kept" in error
    (log,) = made.glob(f".scaffold/runs/*/logs/*.{'out' if stream == 'stdout' else 'err'}")
    text = log.read_bytes()
    assert (
        len(text) < 2_100_000 and text.startswith(b"head\n") and text.endswith(b"x" * 50 + b"\n")
    ) or text[-20:]
    assert re.search(rb"\n\[\.\.\. \d+ bytes left out: it printed too much \.\.\.\]\n", text)


def test_output_that_passes_its_limit_in_the_last_moment(project, refused):
    assert "TOO_MUCH_OUTPUT" in refused(
        project("print('accuracy 0.9')\nprint('x' * 2_000_000)\n", output_mb=1)
    )


def test_line_without_end(cli, project):
    made = project("print('x' * 30_000_000)\nprint('accuracy 0.9')\n")
    assert cli("run", "--json", cwd=made).json["runs"][0]["metrics"]["accuracy"]["value"] == 0.9


def test_pattern_without_end(project, refused, monkeypatch):
    from scaffold.running import recording

    monkeypatch.setattr(recording, "_READING_LIMIT_S", 1)
    metric = {**METRIC, "read": {"stdout": r"^(?P<value>(a+)+)$"}}
    error = refused(project("print('a' * 5000 + 'b')\n", metric=metric))
    assert (
        "NO_METRIC: metric accuracy: reading it took longer than 1 s (simplify its pattern)"
        in error
    )


@pytest.mark.parametrize("text", [b"", b"\xff\xfe\x00", b"accuracy 0.9\r\x00", b"\x1b[2J" * 1000])
def test_output_that_is_no_text(cli, project, text):
    made = project(f"import sys\nsys.stdout.buffer.write({text!r} + b'\\naccuracy 0.9\\n')\n")
    assert cli("run", "--json", cwd=made).json["runs"][0]["metrics"]["accuracy"]["value"] == 0.9


@pytest.mark.skipif(sys.platform != "linux", reason="bounds the address space, as Linux does")
def test_a_file_that_takes_more_memory_than_it_has_bytes(cli, tmp_path):
    """Sixty million empty lists are 180 MB on the disk and some four gigabytes in memory."""
    writes = 'open("metrics.json", "w").write("[" + "[]," * 60_000_000 + "[]]")\n'
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": writes},
        metrics=[ACCURACY],
        progress=None,
        commands={"train": {"timeout_s": 60}, "smoke": None},
    )
    error = cli("run", cwd=cli.new(recipe), code=4).err
    assert "reading it took more than 2 GB of memory" in error


HOLDS = """\
    import os, sys, time
    if sys.argv[1] == "unlinked":
        file = open("scratch", "wb")
        os.unlink("scratch")
    else:
        os.mkdir("closed")
        file = open("closed/scratch", "wb")
        os.chmod("closed", 0)
    for _ in range(400):
        file.write(b"x" * 1_000_000)
        file.flush()
        time.sleep(0.02)
    time.sleep(20)
    """


@pytest.mark.parametrize("how", ["unlinked", "closed"])
def test_files_that_nobody_sees_take_disk_too(cli, tmp_path, how):
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": HOLDS},
        resources={"disk_gb": 0.1},
        progress=None,
        commands={"train": {"run": f"python train.py {how}", "timeout_s": 60}, "smoke": None},
        seeds={"how": "inject"},
    )
    error = cli("run", cwd=cli.new(recipe), code=4).err
    assert "OUT_OF_DISK" in error
