"""The checked configuration, and the runs that its experiments need."""
