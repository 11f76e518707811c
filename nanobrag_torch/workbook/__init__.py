"""Briefs, notebooks and report folders: an investigation that runs, leaves proof, and can be shared.

Importing this package, :mod:`environment` or what the runner needs does not import torch, so that a notebook can set
the environment guards first.
"""
