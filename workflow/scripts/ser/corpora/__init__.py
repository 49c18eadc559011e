"""Corpora: downloading, ingestion, noise, splits and audits."""
