"""Self-supervised and pretrained features of images, computed once and cached."""
