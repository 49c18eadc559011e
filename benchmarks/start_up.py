"""CPU seconds that a process spends before its first step and after its last, by family.

    python benchmarks/start_up.py [--processes N]

Each figure is the least of N fresh processes (5): imports and the end alone, as of a job and plainly.
"""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "workflow" / "scripts"
JOB = "from ser import lean_imports\nfrom ser import families, files, inference, job, placement, runs, training\n"
END = "\nimport gc\ngc.freeze()\n"
PEFT = "with lean_imports.lean_imports():\n    import peft\n"
CASES = {
    "torch, plainly": "import torch",
    "CNN-LSTM": JOB + "families.load('cnn-lstm')" + END,
    "transformers and peft, plainly": "import torch, peft\nfrom transformers.models.wav2vec2 import modeling_wav2vec2",
    "wav2vec 2.0": JOB + "families.load('wav2vec2')" + END,
    "wav2vec 2.0, LoRA": JOB + "families.load('wav2vec2')\n" + PEFT + END,
    "Whisper": JOB + "families.load('whisper')" + END,
    "Whisper, LoRA": JOB + "families.load('whisper')\n" + PEFT + END,
}


def cpu_seconds(code: str) -> float:
    """User and system time of one fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(SCRIPTS)})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=5)
    processes = parser.parse_args().processes
    print("| imports | CPU s |\n|---|---:|")
    for name, code in CASES.items():
        print(f"| {name} | {min(cpu_seconds(code) for _ in range(processes)):.1f} |")


if __name__ == "__main__":
    main()
