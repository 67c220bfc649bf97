"""The variables that a run's commands see: the recipe's, ours, and few of the user's."""

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

_PASSED_ON = frozenset(
    re.findall(
        r"\w+",
        """
        LANG LANGUAGE LC_ALL LC_ADDRESS LC_COLLATE LC_CTYPE LC_IDENTIFICATION LC_MEASUREMENT
        LC_MESSAGES LC_MONETARY LC_NAME LC_NUMERIC LC_PAPER LC_TELEPHONE LC_TIME TZ TERM COLUMNS
        LINES USER LOGNAME SHELL LD_LIBRARY_PATH DYLD_LIBRARY_PATH SSL_CERT_FILE SSL_CERT_DIR
        REQUESTS_CA_BUNDLE CURL_CA_BUNDLE HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY
        CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER CUDA_HOME CUDA_PATH CUDA_LAUNCH_BLOCKING
        CUDA_MODULE_LOADING CUBLAS_WORKSPACE_CONFIG NVIDIA_VISIBLE_DEVICES
        NVIDIA_DRIVER_CAPABILITIES NVIDIA_TF32_OVERRIDE NCCL_DEBUG NCCL_IB_DISABLE NCCL_P2P_DISABLE
        NCCL_SOCKET_IFNAME HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES HSA_OVERRIDE_GFX_VERSION
        MIOPEN_FIND_MODE XLA_FLAGS XLA_PYTHON_CLIENT_MEM_FRACTION XLA_PYTHON_CLIENT_PREALLOCATE
        TF_CPP_MIN_LOG_LEVEL PYTORCH_ALLOC_CONF PYTORCH_CUDA_ALLOC_CONF PYTORCH_HIP_ALLOC_CONF
        PYTORCH_ENABLE_MPS_FALLBACK TORCH_ALLOW_TF32_CUBLAS_OVERRIDE OMP_NUM_THREADS OMP_DYNAMIC
        OMP_PLACES OMP_PROC_BIND OMP_SCHEDULE OMP_STACKSIZE OMP_WAIT_POLICY MKL_NUM_THREADS MKL_CBWR
        MKL_DYNAMIC MKL_ENABLE_INSTRUCTIONS MKL_THREADING_LAYER KMP_AFFINITY KMP_BLOCKTIME
        KMP_DUPLICATE_LIB_OK OPENBLAS_NUM_THREADS OPENBLAS_CORETYPE NUMBA_NUM_THREADS
        """,
    )
)
"""The user's variables that a run gets to see, in either case: language, devices, libraries, the
way to the network. Any other may hold a token, whatever it is called; none is passed on for how its
name begins."""

_PROXIES = frozenset(("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"))
"""Those of them that only a command with the network gets."""

_CREDENTIALS_IN_URL = re.compile(r"://[^\s]*@")
"""Values that are withheld even of those."""

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


def run_variables(
    plan: Plan, seed: int, workspace: Workspace, command: Command, values: Mapping[str, Any]
) -> dict[str, str]:
    """Return all variables of one command; `values` fill the slots of the recipe's own."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if is_passed_on(name, value) and (command.network or name.upper() not in _PROXIES)
    }
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
        "TMPDIR": ("/tmp" if plan.sandbox.kind == "bubblewrap" else str(workspace.short_temporary)),  # noqa: S108
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
    variables["PYTHONPATH"] = os.pathsep.join(
        [str(SHIM), *([own["PYTHONPATH"]] if "PYTHONPATH" in own else [])]
    )
    return variables


def is_passed_on(name: str, value: str) -> bool:
    """Return whether a run gets to see this variable of the user's."""
    has_credentials = (
        "@" in value if name.upper() in _PROXIES else _CREDENTIALS_IN_URL.search(value)
    )
    return name.upper() in _PASSED_ON and not has_credentials
