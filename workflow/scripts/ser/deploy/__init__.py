"""Use of trained models: labelling recordings, exporting, model cards."""
