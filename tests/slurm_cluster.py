"""A Slurm cluster of two nodes on this machine, on loopback, with all its state in one folder."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")


def is_installed() -> bool:
    """Whether Debian's slurm-wlm and munge are here, and this user may start them."""
    return os.getuid() == 0 and all(map(shutil.which, PROGRAMS))


_CONFIGURATION = """\
ClusterName=toy
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmUser=root
SlurmdUser=root
MailProg=/bin/true
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={base}/munge/socket,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={base}/state
SlurmdSpoolDir={base}/spool/%n
SlurmctldPidFile={base}/slurmctld.pid
SlurmdPidFile={base}/slurmd-%n.pid
SlurmctldLogFile={base}/log/slurmctld
SlurmdLogFile={base}/log/slurmd-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=200
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=5
KillWait=5
MinJobAge=30
InactiveLimit=0
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs={cores} RealMemory=2000 Gres=gpu:2
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs={cores} RealMemory=2000 Gres=gpu:2
PartitionName=toy Nodes=node1,node2 Default=YES MaxTime=60 State=UP
"""


class SlurmCluster:
    """Use as a context manager; `configuration` is what SLURM_CONF must name."""

    def __init__(self, base: Path, cores: int = 2) -> None:
        self.base, self._cores = base, cores
        self.configuration = base / "slurm.conf"
        self._environ = {**os.environ, "SLURM_CONF": str(self.configuration)}

    def call(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            words, env=self._environ, capture_output=True, text=True, check=check, timeout=30
        )
        return done.stdout

    def __enter__(self) -> "SlurmCluster":
        for name in ("munge", "state", "log", "spool/node1", "spool/node2"):
            (self.base / name).mkdir(parents=True)
        self.base.chmod(0o755)
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            control, first, second = (one.getsockname()[1] for one in sockets)
        key = self.base / "munge/key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        host = socket.gethostname().partition(".")[0]
        self.configuration.write_text(
            _CONFIGURATION.format(
                base=self.base,
                host=host,
                control=control,
                first=first,
                second=second,
                cores=self._cores,
            )
        )
        devices = [self.base / f"gpu{index}" for index in range(2)]
        for device in devices:  # Slurm takes device files alone
            os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
        (self.base / "gres.conf").write_text(
            f"NodeName=node[1-2] Name=gpu File={self.base}/gpu[0-1]\n"
        )
        self.call(
            "munged",
            "--force",
            f"--key-file={key}",
            f"--socket={self.base}/munge/socket",
            f"--pid-file={self.base}/munged.pid",
            f"--log-file={self.base}/log/munged",
            f"--seed-file={self.base}/munge/seed",
        )
        self.call("slurmctld", "-c")
        for node in ("node1", "node2"):
            self.call("slurmd", "-N", node)
        limit = time.monotonic() + 20
        while self.call("sinfo", "-h", "-N", "-o", "%T", check=False).split() != ["idle"] * 2:
            assert time.monotonic() < limit, "the nodes did not come up"
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.SubprocessError):
            self.call("scancel", "--full", "--signal=KILL", "--user=root", check=False)
        for name in ("slurmd-node1", "slurmd-node2", "slurmctld", "munged"):
            self._end(name)

    def _end(self, name: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            process = int((self.base / f"{name}.pid").read_text())
            os.kill(process, signal.SIGTERM)
            limit = time.monotonic() + 5
            while _is_alive(process) and time.monotonic() < limit:
                time.sleep(0.05)
            os.kill(process, signal.SIGKILL)

    def jobs(self) -> list[str]:
        """What waits or runs."""
        return self.call("squeue", "--noheader", "--array", "--format=%i").split()

    def recover_node(self, node: str) -> None:
        """Take it in again, unless Slurm did so by itself."""
        self.call("scontrol", "update", f"NodeName={node}", "State=RESUME", check=False)


def _is_alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2][:3]
    except OSError:
        return False
