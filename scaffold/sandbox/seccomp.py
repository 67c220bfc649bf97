"""A filter of system calls for what name spaces and Landlock leave open: the kernel's keys, and odd kinds of sockets.

A filter is a program for the kernel's packet filter, here as bytes, as bubblewrap takes it.

Source: linux/seccomp.h, linux/filter.h, linux/bpf_common.h; https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import errno
import platform
import struct
from collections.abc import Collection

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # places in struct seccomp_data
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_X32 = 0x40000000  # the other numbering of x86_64

# Architecture, then the numbers of add_key, request_key, keyctl, io_uring_setup (which makes sockets too), and socket.
_KNOWN = {
    "x86_64": (0xC000003E, (248, 249, 250, 425), 41),
    "aarch64": (0xC00000B7, (217, 218, 219, 425), 198),
}
UNIX, INTERNET, INTERNET6, NETLINK = 1, 2, 10, 16


def build_filter(domains: Collection[int]) -> bytes:
    """A filter that admits sockets of these kinds only, and no keys; empty on a machine whose numbers are not known."""
    if platform.machine() not in _KNOWN:
        return b""
    architecture, refused, socket = _KNOWN[platform.machine()]
    refuse, allow = (_RETURN, 0, 0, _REFUSE | errno.EACCES), (_RETURN, 0, 0, _ALLOW)
    program = [(_LOAD, 0, 0, _ARCHITECTURE), (_IF_EQUAL, 1, 0, architecture), refuse]
    program += [(_LOAD, 0, 0, _NUMBER), (_IF_AT_LEAST, 0, 1, _X32), refuse]
    for number in refused:
        program += [(_IF_EQUAL, 0, 1, number), refuse]
    program += [(_IF_EQUAL, 1, 0, socket), allow, (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    for domain in domains:
        program += [(_IF_EQUAL, 0, 1, domain), allow]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in [*program, refuse])
