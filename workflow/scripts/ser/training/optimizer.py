"""Adam on PyTorch's own functional form.

`torch.optim.Adam` imports the compiler when it is first used, nearly 2 CPU seconds in each of hundreds of short
jobs. The function behind it does not, and makes the same update to the last bit.
"""

import torch
from torch.optim.adam import adam


class Adam:
    """Adam (Kingma and Ba, 2015) with PyTorch's defaults but for the learning rate.

    Its state is tensors under the parameters' names, ready to be saved.
    """

    def __init__(self, parameters: dict[str, torch.nn.Parameter], learning_rate: float):
        self._parameters = parameters
        self._learning_rate = learning_rate
        self._moments = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        self._squares = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
        self._steps = {name: torch.zeros(()) for name in parameters}

    def step(self) -> None:
        """Update every parameter that has a gradient, and forget the gradients."""
        names = [name for name, parameter in self._parameters.items() if parameter.grad is not None]
        parameters = [self._parameters[name] for name in names]
        with torch.no_grad():
            adam(
                parameters,
                [parameter.grad for parameter in parameters],
                [self._moments[name] for name in names],
                [self._squares[name] for name in names],
                [],
                [self._steps[name] for name in names],
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self._learning_rate,
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )
        self.forget_gradients()

    def forget_gradients(self) -> None:
        """Start a new sum of gradients."""
        for parameter in self._parameters.values():
            parameter.grad = None

    def state(self) -> dict[str, torch.Tensor]:
        """The state's tensors, not copied: `moments/NAME`, `squares/NAME` and `steps/NAME`."""
        parts = {"moments": self._moments, "squares": self._squares, "steps": self._steps}
        return {f"{part}/{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Take up a state that `state` gave."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])
