"""Runs on disk recomputed and compared with what their lines say."""
