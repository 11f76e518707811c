"""X-ray diffraction from small crystals in differentiable PyTorch, as the C program nanoBragg computes it."""

__version__ = "0.1.0"
