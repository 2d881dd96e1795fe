"""The engine: batches, augmentation, recipes and training steps."""
