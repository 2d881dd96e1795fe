"""Data sets by name or path, as tensors."""
