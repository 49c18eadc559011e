"""Tables and figures: the data and the drawing of each in one module."""
