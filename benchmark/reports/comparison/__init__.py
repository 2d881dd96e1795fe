"""The comparison of two experiments, or of two learners of one experiment."""
