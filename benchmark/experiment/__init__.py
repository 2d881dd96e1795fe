"""What an experiment is, as data: protocol, recipe, seeds."""
