"""What a strategy is and what it sees: the interfaces that plugins import, by way of ``strategies``."""
