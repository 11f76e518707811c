"""Benchmarks of the gradient doctor: its verdicts beside those of torch's own tools, and the cost of the guard."""
