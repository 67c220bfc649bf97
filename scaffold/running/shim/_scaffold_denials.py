"""Notes what a program tries and the sandbox denies. It watches; the sandbox is what denies.

Like sitecustomize beside it: no dependencies, Python 3.7 syntax, never the reason that a program
fails.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable

    Place = int | str | bytes | os.PathLike[str] | os.PathLike[bytes]

attempts: dict[str, list[str]] = {}
variables: list[str] = []
_MOST = 50
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events whose arguments at these places are paths that are changed.
# https://docs.python.org/3/library/audit_events.html
_CHANGING = {
    "os.mkdir": (0,),
    "os.rmdir": (0,),
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.link": (1,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
}
_policy: dict[str, Any] = {}
_busy: list[bool] = []


def _report() -> None:
    pass


def start(policy: dict[str, Any], report: Callable[[], None]) -> None:
    """Watch this process for what the policy denies; call `report` when there is something new."""
    global _report
    _report = report
    _policy.update(policy)
    _denial_variables()
    if hasattr(sys, "addaudithook"):  # Python 3.8
        sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _busy:
        return
    _busy.append(True)
    try:
        if event == "open":
            _look_at_open(*arguments)
        elif event in _CHANGING:
            for place in _CHANGING[event]:
                _look_at_path(arguments[place], True)
        elif event.startswith("socket.") and not _policy["network"]:
            _look_at_socket(event, arguments)
    except Exception:  # an odd argument is the program's business
        pass
    finally:
        _busy.pop()


def _look_at_open(path: Place, mode: str | None, flags: int) -> None:
    _look_at_path(
        path,
        bool(flags & _WRITING) or (isinstance(mode, str) and any(sign in mode for sign in "wax+")),
    )


def _look_at_path(path: Place, writes: bool) -> None:
    if isinstance(path, int):
        return
    path = os.path.realpath(os.fsdecode(path))
    if _below(path, _policy["writable"]) or "__pycache__" in path:
        return
    is_hidden = _below(path, _policy["hidden"])
    is_private = _below(path, _policy["private"]) and not is_hidden
    if writes:
        if not is_private:
            _note(attempts.setdefault("write", []), path)
    elif not is_private and not _is_visible(path, is_hidden):
        _note(attempts.setdefault("read", []), path)


def _is_visible(path: str, is_hidden: bool) -> bool:
    """Return whether a place is visible.

    A hidden place may be in a visible one, and have a visible one in it.
    """
    within = [folder for folder in _policy["visible"] if _below(path, [folder])]
    if not is_hidden:
        return bool(within)
    hiding = max(len(folder) for folder in _policy["hidden"] if _below(path, [folder]))
    return any(len(folder) > hiding for folder in within)


def _look_at_socket(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(
        arguments[1], tuple
    ):
        host, port = arguments[1][:2]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host, port = arguments[0], arguments[1] if event == "socket.getaddrinfo" else None
    else:
        return
    host = os.fsdecode(host) if isinstance(host, bytes) else str(host)
    if _policy["loopback"] and (host in ("localhost", "::1", "") or host.startswith("127.")):
        return
    _note(attempts.setdefault("network", []), host if port is None else "%s:%s" % (host, port))


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _note(collected: list[str], entry: str) -> None:
    if entry not in collected and len(collected) < _MOST:
        collected.append(entry)
        _report()


def _denial_variables() -> None:
    """Watch variables: os.environ[...], .get, os.getenv and `in` all end in __getitem__."""
    kind: Any = type(os.environ)
    original = kind.__getitem__

    def look_up(self: object, key: object) -> object:
        try:
            return original(self, key)
        except KeyError:
            if isinstance(key, str):
                _note(variables, key)
            raise

    kind.__getitem__ = look_up
