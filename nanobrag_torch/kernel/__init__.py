"""Evaluation of scenes: the formula, the engines, and what torch may do around them."""

from nanobrag_torch.kernel import forked as forked
