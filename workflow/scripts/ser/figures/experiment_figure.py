"""Steps that figures of scores share: read the inputs, write the values drawn, and draw them."""

from collections.abc import Callable

from ser.evaluation import confusions
from ser.evaluation.tables import read_table
from ser.figures import style


def make(values: Callable, draw: Callable, inputs, outputs, settings: dict) -> None:
    """Compute the values of an experiment's figure, write them as CSV and draw them.

    Args:
        values: function of scores, confusion counts and the experiment.
        draw: function of the values, the experiment, titles of models, notes and paths.
    """
    scores, counts = read_table(inputs.scores), confusions.read(inputs.confusions)
    drawn = values(scores, counts, settings["experiment"])
    notes = style.notes(settings, inputs)
    style.write_drawn(drawn, notes, outputs.csv)
    draw(drawn, settings["experiment"], settings["titles"], notes, outputs.png, outputs.pdf)
