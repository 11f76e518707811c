"""Sweeps: many points from one request, computed by a cluster, kept on disk one by one, read on one page."""
