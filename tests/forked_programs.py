"""Run programs that use torch as `python` would, but for its 3 s of imports.

One process has imported torch and numpy, and forks for each program. In the child neither counts as
imported, so that the shim sees the program's own import and patches what it gets.
"""

import atexit
import contextlib
import functools
import gc
import importlib.abc
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NoReturn

HIDDEN = ("torch", "numpy")


def run_program(
    words: list[str], *, cwd: Path, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Do what `subprocess.run([sys.executable, *words], capture_output=True, text=True)` does.

    Args:
        words: a program and its arguments, or `-c` and a text.
    """
    server = _server()
    with tempfile.TemporaryDirectory() as folder:
        outputs = [os.path.join(folder, name) for name in ("out", "err")]
        request = {"words": words, "cwd": str(cwd), "env": env, "outputs": outputs}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        out, err = (Path(path).read_text() for path in outputs)
    return subprocess.CompletedProcess(words, status, out, err)


@functools.cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # what libraries read when they are loaded
    )

    def end() -> None:
        server.communicate()

    atexit.register(end)
    return server


class _Again(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Hides what was imported before the fork, until it is imported again."""

    def __init__(self) -> None:
        self.modules = {
            name: {
                each: sys.modules.pop(each)
                for each in list(sys.modules)
                if each == name or each.startswith(f"{name}.")
            }
            for name in HIDDEN
        }

    def find_spec(self, name, path, target=None):
        if name in self.modules:
            return importlib.util.spec_from_loader(name, self, is_package=True)
        return None

    def create_module(self, spec) -> ModuleType:
        return self.modules[spec.name][spec.name]

    def exec_module(self, module: ModuleType) -> None:
        sys.modules.update(self.modules.pop(module.__name__))
        if module.__name__ == "torch":
            import numpy  # noqa: F401 - which a first import of torch imports, too


def serve(path: list[str]) -> None:
    """Fork for each request."""
    import numpy
    import torch._dynamo  # noqa: F401 - what the first step of an optimizer imports

    gc.collect()
    gc.freeze()  # a collection in a child would copy all of it
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    while line := requests.readline():
        child = os.fork()
        if child == 0:
            requests.close()
            answers.close()
            numpy.random.seed()
            _end(functools.partial(_become, json.loads(line), path))
        answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        answers.flush()


def _end(program: Callable[[], None]) -> NoReturn:
    """End as the interpreter does after a program, but leave its memory to the system."""
    status = 0
    try:
        program()
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _become(request: dict, path: list[str]) -> None:
    """Be the interpreter that was just started for a program, and run it."""
    for number, output in enumerate(request["outputs"], start=1):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    program, *arguments = request["words"]
    is_text = program == "-c"
    source = arguments[0] if is_text else Path(program).read_text()
    sys.argv = ["-c", *arguments[1:]] if is_text else [program, *arguments]
    own = request["env"].get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [
        "" if is_text else str(Path(program).resolve().parent),
        *filter(None, own),
        *path,
    ]
    sys.meta_path.insert(0, _Again())
    sys.modules.pop("sitecustomize", None)
    with contextlib.suppress(ModuleNotFoundError):
        import sitecustomize  # noqa: F401

    main = ModuleType("__main__")
    file = "<string>" if is_text else str(Path(program).resolve())
    if not is_text:
        main.__file__ = file
    sys.modules["__main__"] = main
    exec(compile(source, file, "exec"), vars(main))


if __name__ == "__main__":
    serve(sys.path[1:])
