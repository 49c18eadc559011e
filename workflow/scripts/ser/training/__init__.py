"""Training loop, resuming, devices and predictions."""
