"""Few-shot examples from a target corpus: balanced over the emotions, and nested."""

from collections.abc import Sequence

from ser.core.constants import EMOTIONS
from ser.core.errors import UserError
from ser.core.seeding import named_generator


def few_shot_subset(pool: Sequence[dict], shots: int, seed: int, target: str) -> list[str]:
    """Draw `shots` utterances in total from a target's pool.

    The utterances of each emotion are shuffled and then taken from the emotions in turn. Counts per emotion
    differ by at most 1, and a smaller subset is part of every larger one.

    Raises `UserError` if an emotion has too few utterances in the pool.
    """
    generator = named_generator("few-shot", target, seed)
    by_emotion = {
        emotion: generator.permutation(sorted(row["utterance"] for row in pool if row["emotion"] == emotion)).tolist()
        for emotion in EMOTIONS
    }
    turns = generator.permutation(EMOTIONS).tolist()
    chosen = []
    for i in range(shots):
        emotion, turn = turns[i % len(turns)], i // len(turns)
        if turn >= len(by_emotion[emotion]):
            available = ", ".join(f"{len(by_emotion[e])} {e}" for e in EMOTIONS)
            raise UserError(
                f"{shots} balanced few-shot examples of {target} need {-(-shots // len(EMOTIONS))} of each emotion, but"
                f" the pool of seed {seed} has {available}. Lower `shots` of the experiment, or, if the corpus has"
                " more of each emotion, raise `few_shot.pool_per_emotion`."
            )
        chosen.append(by_emotion[emotion][turn])
    return chosen
