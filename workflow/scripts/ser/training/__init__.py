"""Training loop, resuming, devices and inference."""
