"""Two experiments, or two learners of one, against each other."""
