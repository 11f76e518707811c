"""Triage of a test suite: run it in chunks, group its failures, and say what changed since the last time.

Importing this package imports nothing else, so that pytest can load :mod:`.plugin` in any project.
"""
