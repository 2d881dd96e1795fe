"""The engine: tasks and results, batches, augmentation, training steps, prediction, metrics."""
