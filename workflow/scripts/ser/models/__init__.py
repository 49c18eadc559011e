"""Model families, checkpoints, fine-tuning methods and batching."""
