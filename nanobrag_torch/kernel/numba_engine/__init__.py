"""The formula compiled by numba: the sum of ``kernel/formula.py`` and its reverse pass, block by block of pixels.

A block is a fixed number of pixels, the lanes of a vector processor. Numbers that vary from pixel to pixel lie in rows
of one number a lane; loops over lanes are innermost, loops over samples, sources and orientations are outside them.
Positions and Miller indices take the same operations in the same order as the formula, so that nearest integers are
equal bit by bit; all that follows the reduction of the index to its remainder may be contracted and may be float32.
"""
