"""Runs a command to which the system denies some calls, as a seccomp filter or a policy of SELinux does.

    python3 tests/deny.py ERRNO CALL[,CALL…] COMMAND…     ERRNO is what these calls fail with
"""

import ctypes
import errno
import os
import platform
import struct
import sys

# The numbers of the calls on x86-64 and on ARM64; None if the machine has no such call.
CALLS = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "fork": (57, None),
    "memfd_create": (319, 279),
    "userfaultfd": (323, 282),
    "vfork": (58, None),
}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, FILTER = 38, 22, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def step(code, yes=0, no=0, value=0):
    return struct.pack("HBBI", code, yes, no, value)


def program(error, calls):
    machine = {"x86_64": 0, "aarch64": 1}[platform.machine()]
    steps = [step(LOAD)]
    for number in (CALLS[call][machine] for call in calls):
        if number is not None:
            steps += [step(JUMP_IF_EQUAL, 0, 1, number), step(RETURN, value=FAIL | error)]
    return steps + [step(RETURN, value=ALLOW)]


def main():
    error, calls, command = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
    steps = program(getattr(errno, error), calls)
    instructions = ctypes.create_string_buffer(b"".join(steps))
    filter = Program(len(steps), ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, FILTER, ctypes.byref(filter), 0, 0):
        sys.exit("deny.py: " + os.strerror(ctypes.get_errno()))
    os.execvp(command[0], command)


main()
