"""The variables that a run's commands see: the recipe's, ours, and few of the person's."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scaffold.records.fields import fill_slots
from scaffold.records.program import Command
from scaffold.running.plan import Plan
from scaffold.running.workspace import Workspace

SHIM = Path(__file__).with_name("shim")

_PASSED_ON = re.compile(
    r"(LANG|LANGUAGE|LC_\w+|TZ|TERM|COLUMNS|LINES|USER|LOGNAME|SHELL|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|SSL_CERT_FILE|"
    r"SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|CUDA\w*|(CUDNN|CUBLAS|NVIDIA|NCCL|ROCM|ROCR|HIP|HSA|MIOPEN|XLA|TF_CPP|"
    r"TORCH|PYTORCH|OMP|MKL|KMP|OPENBLAS|NUMBA)_\w+|(HTTPS?|NO|ALL)_PROXY)",
    re.IGNORECASE,
)
"""Names of the person's variables that a run gets to see: language, devices, libraries, the way to the network. Any
other may hold a token, whatever it is called."""

_SECRET = re.compile(r"TOKEN|SECRET|PASS|CREDENTIAL|KEY|COOKIE", re.IGNORECASE)
_CREDENTIALS_IN_URL = re.compile(r"(^|://)[^/@\s]+@")
"""Even of those, names and values that are withheld."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def run_variables(
    plan: Plan, seed: int, workspace: Workspace, command: Command, values: Mapping[str, Any]
) -> dict[str, str]:
    """All variables of one command; `values` fill the slots of the recipe's own."""
    variables = {name: value for name, value in os.environ.items() if is_passed_on(name, value)}
    bin_dir = plan.environment.python.parent
    own = {name: fill_slots(value, values) for name, value in command.variables.items()}
    seeds = plan.program.seeds
    variables |= {
        "PATH": f"{bin_dir}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "VIRTUAL_ENV": str(bin_dir.parent),
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONHASHSEED": str(seed % 2**32),
        "HOME": str(workspace.home),
        "TMPDIR": "/tmp" if plan.sandbox.kind == "bubblewrap" else str(workspace.short_temporary),  # noqa: S108
        "MPLBACKEND": "Agg",
        "SCAFFOLD_SEED_HOW": seeds.how,
        "SCAFFOLD_SEED": str(seed),
        "SCAFFOLD_SEED_ALSO": ",".join(seeds.unseeded),
        "SCAFFOLD_SEED_REPORT": str(workspace.seeding),
        **({"SCAFFOLD_STREAMS": "1"} if plan.program.has_streams else {}),
        **dict.fromkeys(_THREAD_VARIABLES, str(plan.threads)),
        **({seeds.variable: str(seed)} if seeds.variable else {}),
        **own,
    }
    variables["PYTHONPATH"] = os.pathsep.join([str(SHIM), *([own["PYTHONPATH"]] if "PYTHONPATH" in own else [])])
    return variables


def is_passed_on(name: str, value: str) -> bool:
    """Whether a run gets to see this variable of the person's."""
    return bool(_PASSED_ON.fullmatch(name) and not _SECRET.search(name) and not _CREDENTIALS_IN_URL.search(value))
