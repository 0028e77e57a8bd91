"""Fenxiao: a WeChat social-commerce distribution system."""

import gc

# A cold start makes a hundred thousand objects that stay. With Python's own threshold the collector walks through them
# again and again and finds nothing, which is a tenth of the start (`cold_init_ratio` of `make bench`). Cycles are still
# collected, later.
gc.set_threshold(100_000, 20, 20)
