"""Training of a linear SVM: its solution for every regularisation strength, and the choice among them."""

import logging
import time

import torch

from ser.models.svm import LinearSvm
from ser.models.trainable_state import trained_state
from ser.training.data import Examples
from ser.training.loop import check_emotions, evaluate, is_best
from ser.training.resume import Progress

log = logging.getLogger(__name__)

COSTS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)  # C of the SVM, strongest regularisation first


def fine_tune(
    model: LinearSvm, train: Examples, dev: Examples, *, settings: dict, started: float, **unused
) -> Progress:
    """Solve the SVM for every C, and keep the best on development data, by the same rule as the best epoch.

    Functionals are standardised with the mean and standard deviation of the training data. The loss of training is the
    squared hinge loss; the losses in the history are cross-entropies, as for other models. `epoch` in the history
    counts the values of C. The solver has no random choices.

    Args:
        settings: `batch_size` of the evaluation, which is in float32 like predictions.
        started: start time of the job, from `time.perf_counter()`.
        unused: other arguments of `loop.fine_tune`. It is too fast to be resumed.

    Raises `UserError` if a class is missing from the training data.
    """
    from sklearn.svm import LinearSVC  # slow to import, and only needed for this family

    check_emotions(train)
    device, settings = torch.device("cpu"), settings | {"precision": "float32"}
    values = torch.cat([frames.values for frames in train.frames]).double().numpy()
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale[scale == 0] = 1.0
    model.mean.copy_(torch.from_numpy(mean))
    model.scale.copy_(torch.from_numpy(scale))
    progress = Progress(converged=True)
    for number, cost in enumerate(COSTS, 1):
        solution = LinearSVC(C=cost, dual=False, tol=1e-6, max_iter=10_000).fit((values - mean) / scale, train.labels)
        with torch.no_grad():
            model.margins.weight.copy_(torch.from_numpy(solution.coef_))
            model.margins.bias.copy_(torch.from_numpy(solution.intercept_))
        train_loss = evaluate(model, train, settings, device)["dev_loss"]
        row = {"train_loss": train_loss, **evaluate(model, dev, settings, device)}
        progress.history.append({"epoch": number, **row})
        progress.epochs_done = number
        if is_best(progress.history):
            progress.best_epoch = number
            progress.best_weights = trained_state(model)
        log.info("C = %g: %s", cost, ", ".join(f"{key} {value:.4g}" for key, value in row.items()))
    progress.seconds = time.perf_counter() - started
    return progress
