"""The benchmark: protocols, datasets, models, the engine, the active-learning loop, the grid and the reports."""

__version__ = "0.2.0.dev0"

ENGINE_VERSION = 2  # raised whenever the golden run changes its bits
