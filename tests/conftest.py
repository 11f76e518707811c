"""Shared set-up: workers side by side take one thread each, since two pools on two cores spend their time waiting."""

import os

import torch

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)
