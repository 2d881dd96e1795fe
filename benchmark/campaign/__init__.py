"""From a request to finished runs: plan, preflight checks, executors, progress."""
