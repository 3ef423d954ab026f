"""A process whose file locks answer with an error, as on a disk where they do not work: a real error of the kernel."""

from __future__ import annotations

import textwrap

# A seccomp filter of six instructions: one system call returns an errno, every other one is allowed.
DENY = textwrap.dedent(
    """
    import ctypes, errno, struct

    FLOCK, FCNTL, F_SETLK = 73, 72, 6

    def deny(call, answer, argument=None):
        def instruction(code, k, if_true=0, if_false=0):
            return struct.pack("HBBI", code, if_true, if_false, k)

        load, equal, give = 0x20, 0x15, 0x06
        program = [instruction(load, 0), instruction(equal, call, 0, 1 if argument is None else 3)]
        if argument is not None:
            program += [instruction(load, 16 + 8), instruction(equal, argument, 0, 1)]
        program += [instruction(give, 0x00050000 | answer), instruction(give, 0x7FFF0000)]
        buffer = ctypes.create_string_buffer(b"".join(program))
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(38, 1, 0, 0, 0) == 0
        described = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer))
        assert libc.prctl(22, 2, ctypes.c_char_p(described), 0, 0) == 0, ctypes.get_errno()
    """
)
