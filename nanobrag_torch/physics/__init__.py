"""The laws of diffraction: one law a file, pure functions, tensors in and tensors out."""
