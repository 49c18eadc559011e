"""Use of trained models: classifying recordings, exporting, model cards."""
