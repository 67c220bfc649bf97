"""Confines a program by Landlock, then becomes it.

A program of its own: `python -I -S landlock.py FILE PROGRAM ...`.

FILE is JSON: {"readable": [paths], "writable": [paths], "network": bool, "variables": {name:
value}, "filter": hex}; everything not named is closed. Standard library only.

Source of numbers and structures: linux/landlock.h;
https://docs.kernel.org/userspace-api/landlock.html
"""

import ctypes
import json
import os
import stat
import struct
import sys

NEEDED_VERSION = 4
"""The first that closes TCP (Linux 6.7)."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_RULE_PATH_BENEATH, _CREATE_RULESET_VERSION = 1, 1
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _MOST_CAPABILITIES = 24, 38, 64
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_BIND_TCP, _CONNECT_TCP = 1 << 0, 1 << 1
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1 << 0, 1 << 1


def find_version() -> int:
    """Return the Landlock version of this kernel; 0 when there is none or it is disabled."""
    if sys.platform != "linux":
        return 0
    return max(0, _system_call(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION))


def _system_call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    passed = [
        ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments
    ]
    return int(libc.syscall(ctypes.c_long(number), *passed))


def _require(result: int, title: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {title}: {os.strerror(ctypes.get_errno())}")
    return result


def restrict(readable: list[str], writable: list[str], *, network: bool) -> None:
    """Close everything but these paths to this process and all it starts, for good.

    Raises:
        OSError: the kernel does not do it.
    """
    version = find_version()
    if version < NEEDED_VERSION:
        raise OSError(f"Landlock version {version} cannot close TCP")
    all_rights = (1 << (16 if version >= 5 else 15)) - 1
    tcp = 0 if network else _BIND_TCP | _CONNECT_TCP
    scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if version >= 6 else 0
    attributes = struct.pack("=QQQ", all_rights, tcp, scoped)[: 24 if version >= 6 else 16]
    ruleset = _require(
        _system_call(_CREATE_RULESET, attributes, len(attributes), 0), "create_ruleset"
    )
    for paths, rights in ((readable, _EXECUTE | _READ_FILE | _READ_DIR), (writable, all_rights)):
        for path in paths:
            _allow(ruleset, path, rights & all_rights)
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(_MOST_CAPABILITIES):
        # Root's, gone with the next program; others have none.
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    _require(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    _require(_system_call(_RESTRICT_SELF, ruleset, 0), "restrict_self")
    os.close(ruleset)


def install_filter(program: bytes) -> None:
    """Apply a filter of system calls to this process and all it starts.

    Raises:
        OSError: the kernel does not do it.
    """
    if program:
        code = ctypes.create_string_buffer(program)
        counted = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))  # struct sock_fprog
        libc = ctypes.CDLL(None, use_errno=True)
        _require(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, counted, 0, 0), "seccomp")


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # nothing there that could be opened
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= _OF_FILES
    rule = struct.pack("=Qi", rights, place)
    _require(_system_call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0), f"add_rule {path}")
    os.close(place)


def main(arguments: list[str]) -> None:
    """Restrict this process, then become the program."""
    with open(arguments[0], encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes longer to import than all of this
        policy = json.load(file)
    restrict(policy["readable"], policy["writable"], network=policy["network"])
    install_filter(bytes.fromhex(policy["filter"]))
    os.execve(arguments[1], arguments[1:], policy["variables"])  # noqa: S606 - the launcher resolved the program


if __name__ == "__main__":
    main(sys.argv[1:])
