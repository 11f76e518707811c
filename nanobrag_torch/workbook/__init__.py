"""Briefs, notebooks and report folders: an investigation that runs, leaves proof, and can be shared.

Importing this package, or any module of it but :mod:`probe`, does not import torch, so that a notebook can set the
environment guards first.
"""
