"""One active-learning run: rounds, the pool, oracles, carried state."""
