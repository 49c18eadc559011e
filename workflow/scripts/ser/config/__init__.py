"""Configuration checks, and the runs that the experiments need."""
