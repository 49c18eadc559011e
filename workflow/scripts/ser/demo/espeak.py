"""Speech synthesis with eSpeak NG through ctypes."""

import ctypes
from dataclasses import dataclass

import espeakng_loader
import numpy as np

from ser.core.errors import UserError

# From espeak-ng/speak_lib.h.
SYNCHRONOUS = 2  # the asynchronous mode waits for a thread and is slower
CHARS_UTF8 = 1
VARIANTS = {"female": ("f1", "f2", "f3", "f4", "f5"), "male": ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8")}
PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3, "range": 4}
BUFFER_MILLISECONDS = 200
SEED = 1
Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class Manner:
    """Manner of speaking: rate in words per minute, the others on eSpeak's scales.

    Pitch and range are from 0 to 100.
    """

    rate: float
    pitch: float
    range: float
    volume: float


class Espeak:
    """Synthesiser; at most one per process, since the library keeps global state."""

    def __init__(self):
        self._library = ctypes.cdll.LoadLibrary(espeakng_loader.get_library_path())
        self.sample_rate = self._library.espeak_Initialize(
            SYNCHRONOUS, BUFFER_MILLISECONDS, espeakng_loader.get_data_path().encode(), 0
        )
        if self.sample_rate <= 0:
            raise UserError("eSpeak NG cannot be initialised: reinstall the package espeakng-loader")
        self._chunks: list[np.ndarray] = []
        self._callback = Callback(self._collect)  # a reference is needed, or it is garbage-collected while in use
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples, count, _events) -> int:
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def say(self, text: str, voice: str, manner: Manner) -> np.ndarray:
        """Synthesise a text: int16 samples at `sample_rate`, shape (samples,).

        Raises `UserError` if the voice (`language+variant`) does not exist.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise UserError(f"eSpeak NG has no voice {voice!r}: correct `voice` or `voices` in the demo's settings")
        for name, parameter in PARAMETERS.items():
            self._library.espeak_SetParameter(parameter, round(getattr(manner, name)), 0)
        self._library.espeak_ng_SetRandSeed(SEED)  # some voices have random hoarseness, seeded by the clock by default
        content = text.encode() + b"\0"
        self._chunks.clear()
        self._library.espeak_Synth(content, len(content), 0, 0, 0, CHARS_UTF8, None, None)
        self._library.espeak_Synchronize()
        return np.concatenate(self._chunks)
