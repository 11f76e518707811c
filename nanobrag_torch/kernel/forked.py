"""A forked process computes on one thread.

It inherits the number of threads and not the threads themselves, and OpenMP, which serves torch's operations, would
wait for them for ever. The compiled loops have Python threads, which start anew.
"""

import os

import torch


def _single_thread() -> None:
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_single_thread)
