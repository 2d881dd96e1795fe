"""Curves from the lines, and what they say: areas, intervals, tests, labels saved; numbers alone."""
