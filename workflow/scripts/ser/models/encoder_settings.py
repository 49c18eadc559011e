"""Settings of an encoder that depend on its size."""

from ser.core.errors import UserError


def check_layers(layers: str | int, count: int) -> None:
    """Raise `UserError` if `pooling.layers` is a layer that an encoder with `count` layers does not have."""
    if isinstance(layers, int) and layers > count:
        raise UserError(
            f"pooling.layers: {layers} is not a layer of this encoder, which has {count}: use at most {count}"
        )
