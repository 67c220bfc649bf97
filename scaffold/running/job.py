"""What is to be run in a run's folder, and how it is started on the machine that runs it.

Imports nothing heavy: a node of a cluster does so for each run.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from scaffold.machine import FREE_BYTES, memory_bytes
from scaffold.running.workspace import Workspace, make_short_name
from scaffold.sandbox import FILTER_DESCRIPTOR, Kind, Sandbox, confine
from scaffold.sandbox.denials import denial_variables
from scaffold.sandbox.visible import Policy

_SUPERVISOR = Path(__file__).with_name("supervisor.py")

_USABLE_MEMORY = 0.9
"""Of the machine's memory: what one run may take whose recipe does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStep:
    """One command of a run."""

    name: str
    argv: list[str]
    variables: Mapping[str, str]
    directory: Path
    network: bool
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A filled folder and the commands to run in it.

    Names paths, no machine: memory, devices and confinement are those of the machine that starts
    it.

    Attributes:
        folder: of the run.
        sandbox: kind that must work on that machine.
        device: that the recipe names.
        visible: what the commands may read besides their own folders and the system.
        memory_bytes: that all its processes may take; None for most of the machine's.
        folder_bytes: that the folder may grow to; None for what is free.
        output_bytes: that a step may print to each stream.
        steps: in order.
    """

    folder: Path
    sandbox: Kind
    device: Literal["cpu", "cuda", "mps"]
    visible: tuple[Path, ...]
    memory_bytes: int | None
    folder_bytes: int | None
    output_bytes: int
    steps: tuple[JobStep, ...]

    def differences(self, other: "Job") -> list[str]:
        """Return in what another job for this folder would be executed otherwise.

        What decides its result is in the folder's name; the user's variables, such as TERM, may
        change from one command to the next.
        """
        texts = [
            f"{name.replace('_', ' ')} {old}, not {new}"
            for name in ("sandbox", "memory_bytes", "folder_bytes", "output_bytes")
            if (old := getattr(self, name)) != (new := getattr(other, name))
        ]
        for old_step, new_step in zip(self.steps, other.steps, strict=True):
            if old_step.timeout_s != new_step.timeout_s:
                limits = f"{old_step.timeout_s:g} s, not {new_step.timeout_s:g} s"
                texts.append(f"limit of {old_step.name} {limits}")
            threads = [step.variables.get("OMP_NUM_THREADS") for step in (old_step, new_step)]
            if threads[0] != threads[1]:
                texts.append(f"{threads[0]} threads, not {threads[1]}")
        return list(dict.fromkeys(texts))

    def to_json(self) -> str:
        """Return the job as a text."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Read what `to_json` wrote."""
        data = json.loads(text)
        return cls(
            **{
                **data,
                "folder": Path(data["folder"]),
                "visible": tuple(map(Path, data["visible"])),
                "steps": tuple(
                    JobStep(**{**step, "directory": Path(step["directory"])})
                    for step in data["steps"]
                ),
            }
        )


def start_supervisor(job: Job, accelerators: str | None) -> "subprocess.Popen[bytes]":
    """Start a job's commands on this machine, under a supervisor.

    It ends with all that it started when its standard input is closed.

    Args:
        job: its folder is filled.
        accelerators: what CUDA_VISIBLE_DEVICES is to be; None leaves it as it is.
    """
    if job.sandbox != "bubblewrap":  # which gives the run a /tmp of its own
        make_short_name(Workspace(job.folder))
    path = job.folder / "supervisor.json"
    path.write_text(json.dumps(_supervisor_input(job, accelerators)))
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SUPERVISOR), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def missing_result(job: Job, messages: bytes, status: int) -> str:
    """Return why a supervisor that has ended left no result; empty where it left one."""
    if (job.folder / "result.json").exists():
        return ""
    last = messages.decode(errors="replace").strip().splitlines()[-1:]
    how = f"ended by signal {-status}" if status < 0 else "ended"
    return f"its supervisor {': '.join([how, *last])}"


def _supervisor_input(job: Job, accelerators: str | None) -> dict[str, Any]:
    workspace = Workspace(job.folder)
    memory_limit = job.memory_bytes or int(memory_bytes() * _USABLE_MEMORY)
    own = {} if accelerators is None else {"CUDA_VISIBLE_DEVICES": accelerators}
    steps = []
    for index, step in enumerate(job.steps):
        policy = Policy(
            writable=(
                workspace.tree,
                workspace.drivers,
                workspace.seeding,
                workspace.trace,
                workspace.home,
            ),
            temporary=workspace.temporary,
            visible=job.visible,
            network=step.network,
            accelerator=job.device == "cuda",
            memory_bytes=memory_limit,
        )
        sandbox = Sandbox(kind=job.sandbox)
        variables = {**step.variables, **own, **denial_variables(sandbox, policy)}
        policy_file = job.folder / f"policy-{index}.json"
        wrapper = confine(sandbox, policy, step.directory, variables, policy_file)
        if wrapper.policy:
            policy_file.write_text(wrapper.policy)
        steps.append(
            {
                "name": step.name,
                "argv": step.argv,
                "wrapper": wrapper.words,
                "filter": wrapper.socket_filter.hex(),
                "filter_descriptor": FILTER_DESCRIPTOR,
                "directory": str(step.directory),
                "environment": dict(wrapper.variables),
                "stdout": str(workspace.logs / f"{index}-{step.name}.out"),
                "stderr": str(workspace.logs / f"{index}-{step.name}.err"),
                "timeout_s": step.timeout_s,
            }
        )
    return {
        "result": str(job.folder / "result.json"),
        "folder": str(job.folder),
        "limits": {
            "memory_bytes": memory_limit,
            "folder_bytes": job.folder_bytes or sys.maxsize,
            "free_bytes": FREE_BYTES,
            "output_bytes": job.output_bytes,
        },
        "steps": steps,
    }
