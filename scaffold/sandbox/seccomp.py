"""Filter system calls that name spaces and Landlock leave open: kernel keys, odd sockets.

A filter is a program for the kernel's packet filter, here as bytes, as bubblewrap takes it.

Source: linux/seccomp.h, linux/filter.h, linux/bpf_common.h;
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import errno
import platform
import struct
from collections.abc import Collection
from typing import NamedTuple

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # places in struct seccomp_data
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_X32 = 0x40000000  # the other numbering of x86_64


class _Numbers(NamedTuple):
    """System calls of one architecture, by number."""

    architecture: int
    refused: tuple[int, ...]
    """add_key, request_key, keyctl, io_uring_setup (which makes sockets too)"""
    shared: tuple[int, ...]
    """shmget, msgget, semget, mq_open: what processes of this machine share, unless they have a
    name space"""
    prlimit: int
    socket: int


_KNOWN = {
    "x86_64": _Numbers(0xC000003E, (248, 249, 250, 425), (29, 68, 64, 240), 302, 41),
    "aarch64": _Numbers(0xC00000B7, (217, 218, 219, 425), (194, 186, 190, 180), 261, 198),
}
UNIX, INTERNET, INTERNET6, NETLINK = 1, 2, 10, 16


def build_filter(domains: Collection[int], *, has_namespaces: bool = True) -> bytes:
    """Return a filter that admits sockets of these kinds only, and no keys.

    Args:
        domains: of sockets.
        has_namespaces: whether the command is alone with its processes; else it also gets no shared
            memory or queue by key, and no limit of another process.

    Returns:
        the filter; empty on a machine whose numbers are not known.
    """
    if platform.machine() not in _KNOWN:
        return b""
    architecture, refused, shared, prlimit, socket = _KNOWN[platform.machine()]
    refuse, allow = (_RETURN, 0, 0, _REFUSE | errno.EACCES), (_RETURN, 0, 0, _ALLOW)
    program = [(_LOAD, 0, 0, _ARCHITECTURE), (_IF_EQUAL, 1, 0, architecture), refuse]
    program += [(_LOAD, 0, 0, _NUMBER), (_IF_AT_LEAST, 0, 1, _X32), refuse]
    for number in refused if has_namespaces else (*refused, *shared):
        program += [(_IF_EQUAL, 0, 1, number), refuse]
    if not has_namespaces:  # prlimit of process 0 is of its own
        program += [
            (_IF_EQUAL, 0, 4, prlimit),
            (_LOAD, 0, 0, _FIRST_ARGUMENT),
            (_IF_EQUAL, 1, 0, 0),
            refuse,
            allow,
        ]
    program += [(_IF_EQUAL, 1, 0, socket), allow, (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    for domain in domains:
        program += [(_IF_EQUAL, 0, 1, domain), allow]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in [*program, refuse])
