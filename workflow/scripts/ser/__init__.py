"""Cross-language speech emotion recognition: the functions behind the workflow's scripts."""
