"""Runs `opentrons.cli` within limits: drive.py PROTOCOL analyze …

With a PROTOCOL each command's key says which line of it the command comes from: line-NUMBER-COUNT. Without ("") keys are as
they always are.
"""

import itertools
import runpy
import sys

MEMORY = 4 << 30
FILE = 64 << 20

try:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
except (ImportError, OSError, ValueError):
    # Windows has none, and a stricter limit stays.
    pass

protocol = sys.argv.pop(1)
numbers = itertools.count(1)


def name_of(path):
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def with_line(execute):
    def said(self, request, *args, **kwargs):
        frame = sys._getframe(1)
        while frame and name_of(frame.f_code.co_filename) != name_of(protocol):
            frame = frame.f_back
        if frame and request.key is None:
            request.key = f"line-{frame.f_lineno}-{next(numbers)}"
        return execute(self, request, *args, **kwargs)

    return said


if protocol:
    try:
        from opentrons.protocol_engine.clients.transports import ChildThreadTransport as Transport

        for method in ("execute_command", "execute_command_wait_for_recovery"):
            setattr(Transport, method, with_line(getattr(Transport, method)))
    except (ImportError, AttributeError):
        # Another version of the package: lines are a help, not a must.
        pass

runpy.run_module("opentrons.cli", run_name="__main__", alter_sys=True)
