"""Measures the simulator: ``python -m benchmarks --help``."""
