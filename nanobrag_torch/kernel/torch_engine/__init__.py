"""The formula in tiles of torch operations, and its reverse pass written by hand: any device, no graph of the samples.

Index letters of the shapes: P pixels of a tile, innermost since they are the most; K samples of a pixel (layers x
sub-pixels), S sources, R = K x S x P rays, O orientations. Leading axes of 3 are x, y, z of a vector or h, k, l of an
index. ``chunks.py`` bounds the samples that are held at once, whatever K, S and O are.
"""
