"""Imported by each Python process of a watched run: on SIGUSR1 the process writes its traceback and ends."""

import os
import sys

if sys.version_info >= (3, 11) and "STREAMVAL_TRACES" in os.environ:
    import faulthandler
    import signal

    # A bare descriptor, which no test finds unclosed.
    path = "%s/%d" % (os.environ["STREAMVAL_TRACES"], os.getpid())  # noqa: UP031  # old Pythons read this, too
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(descriptor, " ".join(sys.orig_argv)[:200].replace("\n", " ").encode(errors="replace") + b"\n")
    faulthandler.register(signal.SIGUSR1, file=descriptor, all_threads=True, chain=True)
