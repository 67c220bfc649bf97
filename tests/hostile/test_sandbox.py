"""What an untrusted program tries while it runs, in each sandbox that works here."""

import json
import os
import pty
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ACCURACY, toy_recipe, write_tree

from scaffold import sandbox as sandboxes
from scaffold.sandbox import Sandbox, confine
from scaffold.sandbox.seccomp import build_filter
from scaffold.sandbox.visible import Policy
from scaffold.user_state import sign

ATTEMPTS = """\
    import json, os, pathlib, pwd, socket, sys
    got = {}
    def attempt(name, call):
        try:
            got[name] = str(call())
        except Exception as error:
            got[name] = None
    """
DONE = """
json.dump({"accuracy": 0.9, "got": got}, open("metrics.json", "w"))
"""


@pytest.fixture(params=["bubblewrap", "landlock"])
def kind(request, monkeypatch):
    problem = getattr(sandboxes, f"{request.param}_problem")()
    if problem:
        pytest.skip(f"{request.param} does not work on this machine: {problem}")
    if request.param == "landlock":
        monkeypatch.setattr(sandboxes, "bubblewrap_problem", lambda: "taken away by the test")
    return request.param


@pytest.fixture
def attempt(cli, tmp_path, kind):
    """Run lines that call `attempt(name, function)`.

    Returns what each got, and the run's record.
    """

    def run(lines: str, *options, **changes):
        program = write_tree(tmp_path / "program", {"train.py": ATTEMPTS}) / "train.py"
        program.write_text(f"{program.read_text()}\n{lines}\n{DONE}")
        recipe = toy_recipe(
            tmp_path / "recipe",
            {"train.py": program.read_bytes()},
            **{
                "metrics": [ACCURACY],
                "progress": None,
                "seeds": {"how": "inject"},
                **changes,
                "commands": {
                    "train": {"run": "python train.py"},
                    "smoke": None,
                    **changes.pop("commands", {}),
                },
            },
        )
        project = cli.new(recipe)
        record = cli("run", "--json", *options, cwd=project).json["runs"][0]
        left = json.loads(
            (project / ".scaffold/runs" / record["id"] / "tree/metrics.json").read_text()
        )
        assert record["confinement"]["sandbox"] == kind or "--no-sandbox" in options
        return left["got"], record

    return run


def test_token_home_and_socket_are_denied_and_the_evidence_says_so(
    attempt, cli, monkeypatch, isolated, tmp_path
):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    # None for how its name begins.
    for name in (
        "MY_ODD_AUTH",
        "NVIDIA_NGC_CODE",
        "LC_MAIL",
        "TORCH_HUB_LOGIN",
    ):
        monkeypatch.setenv(name, "secret too")
    home = f"pathlib.Path({str(isolated)!r})"
    got, record = attempt(f"""\
attempt("token", lambda: os.environ["HF_TOKEN"])
attempt("odd", lambda: os.getenv("MY_ODD_AUTH") or 1 / 0)
attempt("all", lambda: [name for name in os.environ if "secret" in os.environ[name]][0])
attempt("home", lambda: ({home} / "stolen").write_text("x"))
attempt("stand-in", lambda: (pathlib.Path.home() / "stolen").write_text("x"))
attempt("socket", lambda: socket.create_connection(("192.0.2.1", 80), 2))
attempt("name", lambda: socket.getaddrinfo("example.org", 80))
""")
    assert got == {
        "token": None,
        "odd": None,
        "all": None,
        "home": None,
        "stand-in": "1",
        "socket": None,
        "name": None,
    }
    assert not (isolated / "stolen").exists()
    denied = record["confinement"]["denied"]
    for what in (
        "variable HF_TOKEN",
        "variable MY_ODD_AUTH",
        f"write {isolated}/stolen",
        "network 192.0.2.1:80",
        "network example.org:80",
        "write to the home directory: stolen, into a stand-in",
    ):
        assert what in denied
    verdict = cli.any_status("verify", "--json", cwd=tmp_path / "project").json
    assert any(
        "denied by the sandbox: variable HF_TOKEN" in reason["text"]
        for reason in verdict["deviations"]
    )
    evidence = json.loads((tmp_path / "project/evidence/reproduce.json").read_text())
    assert evidence["runs"][0]["confinement"]["denied"] == denied


def contents(folder: Path) -> dict[Path, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {path: path.read_bytes() for path in files if "/.scaffold/" not in str(path)}


def test_nothing_outside_can_be_written(attempt, tmp_path, isolated, request):
    elsewhere = [
        Path(place) / "written-by-a-test-of-mlloop-new"
        for place in ("/var/lib", "/usr/lib", "/sys")
    ]
    request.addfinalizer(lambda: [place.unlink(missing_ok=True) for place in elsewhere])
    places = [
        tmp_path / "project" / name
        for name in ("recipe.yaml", "reference/train.py", ".git/config", "new")
    ]
    places += [
        isolated / ".gitconfig",
        isolated / "cache/mlloop-new/data/x",
        tmp_path / "x",
        *elsewhere,
    ]
    attempt(
        "\n".join(
            f"attempt('x', lambda: open({str(place)!r}, 'a').write('ESCAPED-HERE'))"
            for place in places
        )
    )
    assert not (tmp_path / "x").exists() and not any(place.exists() for place in elsewhere)
    written = {
        **contents(tmp_path / "project"),
        **contents(isolated),
        **contents(tmp_path / "recipe"),
    }
    assert not [
        path
        for path, content in written.items()
        if b"ESCAPED-HERE" in content and path.name != "train.py"
    ]
    copies = [
        (tmp_path / folder / "reference/train.py").read_bytes() for folder in ("project", "recipe")
    ]
    assert copies[0] == copies[1]


def test_its_own_logs_and_other_runs_cannot_be_written(attempt, tmp_path):
    got, record = attempt("""\
folder = pathlib.Path.cwd().parent
attempt("log", lambda: open(folder / "logs" / "fake.out", "w").write("accuracy 1.0"))
attempt("result", lambda: open(folder / "result.json", "w").write("{}"))
attempt("another", lambda: (folder.parent / "seed-9-forged").mkdir())
attempt("own", lambda: open("mine", "w").write("fine"))
""")
    assert got["own"] == "4" and record["outcome"] == "COMPLETED"
    runs = tmp_path / "project/.scaffold/runs"
    assert os.listdir(runs) == [record["id"]]
    assert sorted(os.listdir(runs / record["id"] / "logs")) == ["0-train.err", "0-train.out"]


def test_what_it_printed_stays_as_it_was(attempt, tmp_path):
    _, record = attempt("""\
print("accuracy 0.1", flush=True)
attempt("truncate", lambda: os.ftruncate(1, 0))
attempt("write anew", lambda: open("/proc/self/fd/1", "r+").write("accuracy 0.9"))
attempt("open anew", lambda: os.open("/proc/self/fd/1", os.O_WRONLY | os.O_TRUNC))
""")
    log = tmp_path / "project/.scaffold/runs" / record["id"] / "logs/0-train.out"
    assert log.read_text().startswith("accuracy 0.1\n")


@pytest.mark.parametrize("place", ["/srv", "/opt", "/var/lib"])
def test_what_is_on_no_list_is_absent(attempt, kind, place):
    """Also what nobody thought of: data, sockets and keys lie anywhere."""
    folder = Path(place) / f"of-a-test-of-mlloop-new-{kind}"
    try:
        write_tree(folder, {"secret": "private"})
    except OSError:
        pytest.skip(f"{place} cannot be written here")
    try:
        got, _ = attempt(f"attempt('read', lambda: open({str(folder / 'secret')!r}).read())")
    finally:
        shutil.rmtree(folder)
    assert got == {"read": None}


def test_the_key_is_hidden_wherever_it_lies(attempt, monkeypatch, kind):
    """As in a folder that is visible since it is on PATH."""
    tools = Path("/opt") / f"tools-of-a-test-of-mlloop-new-{kind}"
    state = tools / "state"
    try:
        write_tree(tools, {"bin/tool": "a tool"})
    except OSError:
        pytest.skip("/opt cannot be written here")
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    sign("anything")  # which makes the key
    lines = f"attempt('key', lambda: open({str(state / 'mlloop-new/key')!r}).read())"
    try:
        got, _ = attempt(
            f"{lines}\nattempt('tool', lambda: open({str(tools / 'bin/tool')!r}).read())"
        )
        assert (state / "mlloop-new/key").exists()
    finally:
        shutil.rmtree(tools)
    assert got == {"key": None, "tool": "a tool"}


@pytest.mark.skipif(
    not build_filter(()), reason="no filter of system calls is known for this kind of processor"
)
def test_what_processes_share_by_key(attempt, kind):
    got, _ = attempt(f"""\
import ctypes, resource
libc = ctypes.CDLL(None, use_errno=True)
attempt("memory", lambda: libc.shmget(0x41545441, 4096, 0o1600) >= 0 or 1 / 0)
attempt("queue", lambda: libc.msgget(0x41545442, 0o1600) >= 0 or 1 / 0)
attempt("limit of another", lambda: resource.prlimit({os.getpid()}, resource.RLIMIT_CORE))
attempt("limit", lambda: len(resource.getrlimit(resource.RLIMIT_CORE)))
""")
    is_alone = kind == "bubblewrap"
    assert (got["memory"] is not None) == is_alone and (got["queue"] is not None) == is_alone
    assert got["limit of another"] is None and got["limit"] == "2"


@pytest.mark.parametrize(
    "value", ["http://proxy:1", "http://ada:pa/ss@proxy:1", "ada:pass@proxy:1"]
)
def test_a_proxy_is_for_who_has_the_network(attempt, monkeypatch, value):
    monkeypatch.setenv("HTTPS_PROXY", value)
    prepare = {
        "run": (
            "python -c \"import os; open('seen', 'w').write(str(os.environ.get('HTTPS_PROXY')))\""
        ),
        "timeout_s": 20,
        "network": True,
    }
    lines = (
        "attempt('proxy', lambda: os.environ['HTTPS_PROXY'])\nattempt('prepare', lambda:"
        " open('seen').read())"
    )
    got, _ = attempt(lines, commands={"prepare": prepare})
    assert got == {"proxy": None, "prepare": "None" if "@" in value else value}


def test_what_lies_in_the_home_cannot_be_read(attempt, isolated):
    write_tree(isolated, {".ssh/id_ed25519": "private"})
    got, record = attempt(
        f"attempt('key', lambda: open({str(isolated / '.ssh/id_ed25519')!r}).read())"
    )
    assert got == {"key": None}
    assert f"read {isolated}/.ssh/id_ed25519" in record["confinement"]["denied"]


def test_processes_outside_are_out_of_reach(attempt, kind):
    got, _ = attempt(f"""\
attempt("environment", lambda: open("/proc/{os.getpid()}/environ").read())
attempt("parents", lambda: open(f"/proc/{{os.getppid()}}/environ").read() or 1 / 0)
attempt("kill", lambda: os.kill({os.getpid()}, 0))
attempt("capabilities", lambda: int(open("/proc/self/status").read().split("CapEff:")[1].split()[0], 16) or 1 / 0)
""")
    if kind == "landlock" and sandboxes.landlock.find_version() < 6:
        got.pop("kill")  # said to be open
    assert set(got.values()) == {None}


@pytest.fixture
def listener():
    """A server of the user's on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


CONNECTS = """\
    import json, os, socket, sys
    try:
        socket.create_connection(("127.0.0.1", %d), 2)
        got = "yes"
    except OSError:
        got = "no"
    open(sys.argv[1], "w").write(got)
    json.dump({"accuracy": 0.9}, open("metrics.json", "w"))
    """


@pytest.mark.parametrize("network", [False, True])
def test_the_network_is_for_prepare_only_and_only_if_the_recipe_says_so(
    cli, tmp_path, kind, listener, network
):
    commands = {
        "prepare": {"run": "python train.py prepare", "timeout_s": 20, "network": network},
        "train": {"run": "python train.py train", "timeout_s": 20},
        "smoke": None,
    }
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": CONNECTS % listener[1]},
        metrics=[ACCURACY],
        progress=None,
        seeds={"how": "inject"},
        commands=commands,
    )
    project = cli.new(recipe)
    record = cli("run", "--json", cwd=project).json["runs"][0]
    tree = project / ".scaffold/runs" / record["id"] / "tree"
    assert (tree / "prepare").read_text() == ("yes" if network else "no")
    assert (tree / "train").read_text() == "no"
    assert record["confinement"]["network"] == (["prepare"] if network else [])


@pytest.mark.skipif(sandboxes.landlock_problem() is not None, reason="needs Landlock")
def test_landlock_alone_closes_tcp(listener, tmp_path):
    """Also on machines for which no filter of system calls is known."""
    policy = {"readable": ["/"], "writable": [], "network": False, "variables": {}, "filter": ""}
    (tmp_path / "policy").write_text(json.dumps(policy))
    connect = f"import socket; socket.create_connection(('127.0.0.1', {listener[1]}), 2)"
    program = [sys.executable, "-I", "-S", sandboxes.landlock.__file__, tmp_path / "policy"]
    words = [*program, sys.executable, "-c", connect]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Permission denied" in done.stderr


def test_no_other_step_may_ask_for_the_network(cli, tmp_path):
    recipe = toy_recipe(tmp_path / "recipe", commands={"train": {"network": True}})
    assert (
        "train.network: only prepare may use the network"
        in cli("new", "x", "--from", recipe, code=2).err
    )


def test_sockets_that_are_files(attempt, kind, tmp_path):
    if kind == "landlock":
        assert "sockets that are files" in sandboxes.require_sandbox().open_doors
        pytest.skip("Landlock cannot close them, and says so")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        connect = f"socket.socket(socket.AF_UNIX).connect({str(tmp_path / 's')!r})"
        assert attempt(f"attempt('daemon', lambda: {connect})")[0] == {"daemon": None}


def test_variables_of_a_recipe_do_not_act_on_the_sandboxs_own_program(attempt, tmp_path, marker):
    """LD_DEBUG_OUTPUT has the loader of any program write a file.

    LD_PRELOAD would have it load one.
    """
    variables = {"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": str(marker)}
    attempt("", commands={"train": {"run": "python train.py", "variables": variables}})
    assert os.listdir(marker.parent) == (
        [] if not (marker.parent / "payload.sh").exists() else ["payload.sh"]
    )


def test_no_variable_reaches_the_programs_that_confine(tmp_path, kind):
    policy = Policy(
        writable=(),
        temporary=tmp_path,
        visible=(),
        network=False,
        accelerator=False,
        memory_bytes=1 << 20,
    )
    variables = {"LD_PRELOAD": "/evil.so", "PYTHONPATH": "/evil"}
    wrapper = confine(Sandbox(kind=kind), policy, tmp_path, variables, tmp_path / "policy")
    assert wrapper.variables == {} and "/evil.so" in " ".join([*wrapper.words, wrapper.policy])


KEYS = """\
import ctypes, platform
numbers = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
attempt("key", lambda: libc.syscall(numbers[0], b"user", b"mine", b"x", 1, -3) > 0 or 1 / 0)
attempt("keyring", lambda: libc.syscall(numbers[1], 0, -3, 0) > 0 or 1 / 0)
attempt("virtual socket", lambda: socket.socket(40, socket.SOCK_STREAM))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53)))
attempt("pair", lambda: len(socket.socketpair()))
"""


@pytest.mark.skipif(
    not build_filter(()), reason="no filter of system calls is known for this kind of processor"
)
def test_keys_of_the_kernel_and_odd_sockets(attempt):
    got, _ = attempt(KEYS)
    assert got == {"key": None, "keyring": None, "virtual socket": None, "udp": None, "pair": "2"}


def test_settings_of_the_whole_machine(attempt):
    """Opened, not written to: a hole here would change the machine that runs the tests."""
    places = ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger"]
    got, _ = attempt(
        "\n".join(
            f"attempt({place!r}, lambda: os.open({place!r}, os.O_WRONLY))" for place in places
        )
    )
    assert got == dict.fromkeys(places)


def test_devices_are_no_place_to_write_or_listen(attempt):
    persons, terminal = pty.openpty()
    got, _ = attempt(
        f"attempt('terminal', lambda: open({os.ttyname(terminal)!r}))"
        """
attempt("fill", lambda: open("/dev/fill", "w").write("x"))
attempt("nothing", lambda: open("/dev/null", "w").write("x"))
shared = "/dev/shm/of-a-test-of-mlloop-new"
attempt("shared", lambda: open(shared, "w").write("x") and os.remove(shared))
attempt("random", lambda: len(open("/dev/urandom", "rb").read(4)))
"""
    )
    os.close(persons)
    os.close(terminal)
    assert got == {"terminal": None, "fill": None, "nothing": "1", "shared": "None", "random": "4"}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_only_a_program_for_a_gpu_writes_to_its_own_process_and_to_no_other(attempt, kind, device):
    got, _ = attempt(
        """
attempt("own", lambda: open("/proc/self/comm", "w").write("name"))
attempt("own thread", lambda: open(f"/proc/self/task/{os.getpid()}/comm", "w").write("name"))
attempt("parent", lambda: open(f"/proc/{os.getppid()}/comm", "w").write("name"))
attempt("machine", lambda: open("/proc/sys/kernel/hostname", "w").write("name"))
""",
        resources={"device": device},
    )
    can = "4" if device == "cuda" or kind == "bubblewrap" else None
    # In bubblewrap the parent is one of its own: no other process is to be seen there.
    parent = "4" if kind == "bubblewrap" else None
    assert got == {"own": can, "own thread": can, "parent": parent, "machine": None}


def test_torch_with_loader_workers(cli, tmp_path, kind):
    pytest.importorskip("torch")
    loads = """\
        import json
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        if __name__ == "__main__":
            data = TensorDataset(torch.arange(4000.0).reshape(1000, 4))
            loader = DataLoader(data, batch_size=50, num_workers=2)
            total = sum(float(batch.sum()) for _ in range(2) for (batch,) in loader)
            json.dump({"accuracy": total / 2 / (4000 * 3999)}, open("metrics.json", "w"))
        """
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": loads},
        metrics=[ACCURACY],
        progress=None,
        seeds={"how": "inject"},
        environment={"packages": ["torch"]},
        commands={"train": {"run": "python train.py", "timeout_s": 120}, "smoke": None},
    )
    record = cli("run", "--json", cwd=cli.new(recipe)).json["runs"][0]
    assert record["metrics"]["accuracy"]["value"] == 0.5
    # But for this checkout, which may lie in a hidden place and is on the path of the interpreter
    # that runs the tests.
    checkout = str(Path(__file__).parent.parent.parent)
    assert [what for what in record["confinement"]["denied"] if what != f"read {checkout}"] == []


def test_without_a_sandbox_nothing_runs_until_the_person_says_so(
    cli, tmp_path, calibrated_recipe, monkeypatch
):
    monkeypatch.setattr(sandboxes, "bubblewrap_problem", lambda: "bwrap is not installed")
    monkeypatch.setattr(sandboxes, "landlock_problem", lambda: "this kernel has none")
    project = cli.new(calibrated_recipe)
    error = cli("verify", cwd=project, code=4).err
    assert "bubblewrap: bwrap is not installed; landlock: this kernel has none" in error
    assert "scaffold doctor" in error and "--no-sandbox" in error
    assert not (project / ".scaffold/runs").exists() or os.listdir(project / ".scaffold/runs") == []
    verdict = cli("verify", "--no-sandbox", "--json", cwd=project).json
    assert any(
        "run without a sandbox: seed 0" in reason["text"] for reason in verdict["deviations"]
    )
    evidence = json.loads((project / "evidence/reproduce.json").read_text())
    assert evidence["runs"][0]["confinement"]["sandbox"] == "none"
    doctor = cli("doctor", "--json", cwd=project, code=4).json["checks"]
    assert next(checked for checked in doctor if checked["name"] == "sandbox")["state"] == "missing"


@pytest.mark.parametrize("state", ["limited", "ok"])
def test_doctor_says_what_stays_open(cli, monkeypatch, state):
    monkeypatch.setattr(
        sandboxes, "bubblewrap_problem", lambda: None if state == "ok" else "not installed"
    )
    monkeypatch.setattr("scaffold.doctor.bubblewrap_problem", sandboxes.bubblewrap_problem)
    monkeypatch.setattr(sandboxes, "landlock_problem", lambda: None)
    sandbox = next(
        checked
        for checked in cli.any_status("doctor", "--json").json["checks"]
        if checked["name"] == "sandbox"
    )
    assert sandbox["state"] == state
    assert ("sockets that are files" in sandbox["detail"]) == (state == "limited")


# --- what it leaves behind ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leave", "words"),
    [
        ("os.mkfifo('metrics.json')", "is not a plain file"),
        ("os.symlink('/etc/passwd', 'metrics.json')", "is a link out of the run's folder"),
        ("os.symlink('/dev/zero', 'metrics.json')", "is a link out of the run's folder"),
        (
            "os.truncate(os.open('metrics.json', os.O_CREAT | os.O_WRONLY), 1 << 40)",
            "results have at most 256 MB",
        ),
        ("os.mkdir('metrics.json')", "is not a plain file"),
        ("open('metrics.json', 'w').write('[' * 100000)", "is neither JSON nor"),
    ],
)
def test_results_that_are_no_plain_files(cli, tmp_path, leave, words):
    recipe = toy_recipe(
        tmp_path / "recipe",
        {"train.py": f"import os\n{leave}\n"},
        metrics=[ACCURACY],
        progress=None,
        seeds={"how": "inject"},
        commands={"train": {"run": "python train.py"}, "smoke": None},
    )
    error = cli("run", cwd=cli.new(recipe), code=4).err
    assert "NO_METRIC" in error and words in error


@pytest.mark.parametrize(
    "leave",
    [
        "os.mkfifo(reports / 'a.json')",
        "os.symlink('/etc/passwd', reports / 'a.json')",
        "(reports / 'a.json').write_text('[' * 100000)",
        (
            "(reports / 'a.json').write_text(json.dumps({'calls': 7, 'missed': {}, 'attempts':"
            " [{}], 'variables': 'x'}))"
        ),
        (
            "(reports / 'a.json').write_text(json.dumps({'calls': {chr(27): [chr(27) * 9999] *"
            " 9999}}))"
        ),
        "(reports / 'a.json').write_bytes(bytes(range(256)))",
        "(reports / 'a.json').mkdir()",
        (
            "[(reports / f'{n}.json').write_text(json.dumps({'attempts': {'read': [str(n)]}})) for"
            " n in range(3000)]"
        ),
    ],
)
def test_reports_that_were_forged(attempt, leave):
    _, record = attempt(f"reports = pathlib.Path(os.environ['SCAFFOLD_SEED_REPORT'])\n{leave}")
    assert record["outcome"] == "COMPLETED"
    assert len(record["confinement"]["denied"]) <= 60 and len(json.dumps(record)) < 30000
    assert chr(27) not in json.dumps(record, ensure_ascii=False)


@pytest.mark.parametrize(
    "leave",
    [
        "os.makedirs('locked/in'); os.chmod('locked/in', 0); os.chmod('locked', 0)",
        "[(os.mkdir('d'), os.chdir('d')) for _ in range(1500)]",
        "os.mkfifo('pipe'); socket.socket(socket.AF_UNIX).bind('sock'); os.symlink('/', 'root')",
        "open(b'\\xff\\xfe\\n\\x1b', 'w')",
    ],
)
def test_folders_that_are_hard_to_remove(attempt, leave, cli, tmp_path):
    """In the temporary folder, which is removed; links in it are not followed."""
    place = "start = os.getcwd(); os.chdir(os.environ['TMPDIR']);"
    _, record = attempt(f"{place} {leave}; os.chdir(start)")
    assert not (tmp_path / "project/.scaffold/runs" / record["id"] / "tmp").exists()
    assert [path.name for path in (tmp_path / "project/.scaffold/runs").iterdir()] == [record["id"]]


@pytest.mark.parametrize("folder", ["/etc/ssl/private", "/etc/ssh", "/etc/sudoers.d"])
def test_settings_that_hold_keys_are_absent(attempt, folder):
    """Also to root, which may read all that is there, as in a container."""
    assert attempt(f"attempt('listed', lambda: os.listdir({folder!r}))")[0] == {"listed": None}
