"""Tables and figures, each with its data and drawing in one module."""
