"""Networks that return logits, embedding and stage features in one forward, built by name in ``factory``."""
