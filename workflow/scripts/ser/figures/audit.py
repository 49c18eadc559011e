"""Corpus audit page: contents, speaker confounds, duplicates, and splits."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.colors import ListedColormap

from ser.core import files
from ser.core.constants import EMOTIONS
from ser.core.errors import listing
from ser.corpora import audio_array, audit, leakage
from ser.figures import style

CHECKED = {  # level of verification -> description
    "sha256": "checked by sha256",
    "names": "checked by file names, or by the number of utterances of each emotion (IEMOCAP, URDU)",
    "table": "checked for missing files",
    "none": "not checked",
}
READABLE = 40  # maximum number of rows with readable names


def make(inputs, outputs, settings: dict) -> None:
    """Write the audit as JSON and page, and check splits and subsets for leaks."""
    rows, overlaps = files.read_rows(inputs.utterances), files.read_rows(inputs.overlaps)
    checked = {
        "source": read_splits(inputs.source_splits, rows, overlaps),
        "target": read_splits(inputs.target_splits, rows, overlaps),
    }
    for path in inputs.subsets:
        subset = [row["utterance"] for row in files.read_rows(path)]
        leakage.check_subset(subset, checked["target"][int(Path(path).stem.removeprefix("seed"))], path)
    waveforms = audio_array.waveforms_of(rows, audio_array.open_audio(inputs.audio))
    levels, silence = ([of(w) for w in waveforms] for of in (audit.level_db, audit.silence_percent))
    report = {"language": settings["language"]}
    report |= audit.audit(rows, waveforms, levels, silence, files.read_json(inputs.archive), overlaps, checked)
    files.write_json(outputs.audit, report)
    corpus = Path(outputs.audit).parent.name
    notes = style.footnotes(settings["label"], style.archive_notes([inputs.archive]))
    draw(corpus, report, rows, levels, silence, notes, outputs.page)


def read_splits(paths: Sequence[str], rows, overlaps) -> dict[int, dict[str, str]]:
    """Read seed -> utterance -> role. Raises `UserError` if a split leaks."""
    found = {}
    for path in paths:
        roles = leakage.read_roles(path)
        leakage.check_no_leak(rows, overlaps, roles, path)
        found[int(Path(path).parent.name.removeprefix("seed"))] = roles
    return found


def draw(corpus: str, report: dict, rows: Sequence[dict], levels, silence, notes: list[str], path) -> None:
    """Draw facts, speakers, durations, levels, silence and splits on one page.

    Args:
        levels: dB of full scale, one per row.
        silence: share of silence in %, one per row.
    """
    figure = plt.figure(figsize=(11, 8.5), layout="constrained")
    figure.suptitle(f"{corpus}: corpus audit", fontsize=15, fontweight="bold")
    facts, panels = figure.subfigures(2, 1, height_ratios=[1.15, 4.45])
    write_facts(facts, report)
    places = [["speakers", "seconds", "levels", "silence"], ["speakers", "splits", "splits", "splits"]]
    axes = panels.subplot_mosaic(places, width_ratios=[1.7, 1, 1, 1])
    draw_speakers(axes["speakers"], report["speaker_emotion"])
    draw_by_emotion(axes["seconds"], rows, [float(row["seconds"]) for row in rows], "seconds", "Duration")
    draw_by_emotion(axes["levels"], rows, levels, "dB, of full scale", "Level")
    draw_by_emotion(axes["silence"], rows, silence, "% of the utterance", "Silence")
    draw_splits(axes["splits"], report["splits"])
    style.save(figure, notes, path)


def write_facts(figure, report: dict) -> None:
    """Write the summary above the panels."""
    verification = report["archive"]["verification"]
    overlaps = sorted(report["overlaps"], key=lambda overlap: not overlap["across_groups"])
    across = [overlap for overlap in overlaps if overlap["across_groups"]]
    contradictory = [overlap for overlap in overlaps if len(set(overlap["emotions"])) > 1]
    seconds, level = report["seconds"], report["level_db"]
    genders, emotions = (
        ", ".join(f"{count} {name}" for name, count in report[kind].items()) for kind in ("genders", "emotions")
    )
    lines = [
        f"{report['language']}. {report['utterances']} utterances ({emotions}) by {report['speakers']} speakers"
        f" ({genders}) in {report['groups']} groups; {seconds['total'] / 60:.1f} minutes, {seconds['least']:.1f} to"
        f" {seconds['most']:.1f} s, mean {seconds['mean']:.2f} s.",
        f"Archive {report['archive']['archive']}, "
        + CHECKED[verification["level"]]
        + (f": {verification['files']} files" if "files" in verification else "")
        + (f", {verification['altered']} altered" if verification.get("altered") else "")
        + ". "
        + " ".join(f"{warning}." for warning in verification["warnings"]),
        f"Guessing the emotion from the speaker alone scores {report['speaker_only_uar']:.0f} % UAR"
        f" (chance {style.CHANCE:.0f} %)" + speaker_only_across_splits(report["splits"]) + ".",
        f"Level {level['least']:.0f} to {level['most']:.0f} dB, mean {level['mean']:.0f}. Silence:"
        f" {report['silence_percent']['mean']:.0f} % of an utterance, on average. Clipped utterances:"
        f" {len(report['clipped'])}. Duplicate recordings: {len(report['duplicates'])}."
        f" Overlapping pairs of utterances: {len(overlaps)}"
        + (f" ({listing([' with '.join(overlap['utterances']) for overlap in overlaps], 2)})" if overlaps else "")
        + (f", {len(across)} of them across groups, which splits keep together" if across else "")
        + (f", {len(contradictory)} with two emotions" if contradictory else "")
        + ".",
        " ".join(f"{sentence}." for sentence in coverage(report)),
    ]
    figure.text(0.02, 0.95, "\n".join(wrapped(line) for line in lines), va="top", fontsize=10, linespacing=1.35)


def coverage(report: dict) -> list[str]:
    """Return who is never held out, and repeated splits, as sentences."""
    sentences = []
    for kind, name in (("source", "development"), ("target", "few-shot test")):
        if seeds := len(report["splits"][kind]):
            never = audit.never_held_out(report, kind)
            utterances = sum(sum(report["speaker_emotion"][speaker].values()) for speaker in never)
            share = f" ({100 * utterances / report['utterances']:.0f} % of the utterances)" if never else ""
            sentences.append(f"Speakers in no {name} set ({seeds} seeds): {listing(never, 10) or 'none'}{share}")
    return [*sentences, *report["repeated_splits"]]


def wrapped(line: str) -> str:
    """Wrap a paragraph to the width of the page."""
    return "\n".join(textwrap.wrap(line, 140))


def speaker_only_across_splits(splits: Mapping[str, Mapping]) -> str:
    """Return the UAR of guessing from the speaker alone across splits, as text."""
    scores = [split["speaker_only_uar"] for by_seed in splits.values() for split in by_seed.values()]
    return f"; across the splits used here, {np.mean(scores):.0f} %" if scores else ""


def draw_speakers(axes, table: Mapping[str, Mapping[str, int]]) -> None:
    """Draw the number of utterances by speaker and emotion."""
    speakers = sorted(table, key=by_number)
    counts = np.array([[table[speaker][emotion] for emotion in EMOTIONS] for speaker in speakers])
    readable = len(table) <= READABLE
    sns.heatmap(
        counts,
        ax=axes,
        cmap="Blues",
        vmin=0,
        annot=np.where(counts, counts, "").astype(str) if readable else False,
        fmt="",
        annot_kws={"fontsize": 9 if len(table) <= 20 else 7},
        cbar=not readable,
        xticklabels=EMOTIONS,
        yticklabels=speakers if readable else False,
        linewidths=0.5 if readable else 0,
    )
    axes.set_title("Utterances by speaker and emotion")
    axes.set_ylabel("" if readable else f"{len(table)} speakers")
    axes.tick_params(axis="y", rotation=0, labelsize=9 if len(table) <= 20 else 7)


def by_number(name: str) -> list:
    """Return a sort key that puts SM2 before SM10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def draw_by_emotion(axes, rows: Sequence[dict], values: Sequence[float], unit: str, title: str) -> None:
    """Draw the distribution of a quantity for every emotion."""
    sns.boxplot(
        x=[row["emotion"] for row in rows], y=values, order=EMOTIONS, ax=axes, color="#9ecae1", width=0.6, fliersize=2
    )
    axes.set_title(title)
    axes.set_ylabel(unit)
    axes.set_xlabel("")
    axes.tick_params(axis="x", labelsize=8)


def draw_splits(axes, splits: Mapping[str, Mapping]) -> None:
    """Draw the groups that splits hold out, and the size of the smallest class."""
    named = [(kind, seed, split) for kind, by_seed in splits.items() for seed, split in by_seed.items()]
    if not named:
        axes.axis("off")
        axes.set_title("No experiment uses splits of this corpus")
        return
    groups = sorted(
        {group for _, _, split in named for side in split["groups"].values() for group in side}, key=by_number
    )
    held_out = np.array(
        [[group in split["groups"][audit.HELD_OUT[kind]] for group in groups] for kind, _, split in named]
    )
    readable = len(groups) <= READABLE
    sns.heatmap(
        held_out,
        ax=axes,
        cmap=ListedColormap(["#deebf7", "#08519c"]),
        vmin=0,
        vmax=1,
        cbar=False,
        linewidths=1 if readable else 0,
        xticklabels=groups if readable else False,
        yticklabels=[f"{audit.HELD_OUT[kind]}, seed {seed}" for kind, seed, _ in named],
    )
    for row, (kind, _, split) in enumerate(named):
        smallest = min(split["emotions"][audit.HELD_OUT[kind]].values())
        axes.text(len(groups) * 1.01, row + 0.5, f"{smallest}", va="center", fontsize=9)
    axes.text(len(groups) * 1.01, -0.25, "smallest\nclass", va="bottom", fontsize=8)
    axes.set_title("Groups held out (dark) for every seed")
    axes.set_xlabel("" if readable else f"{len(groups)} groups")
    axes.tick_params(axis="x", rotation=90 if len(groups) > 12 else 0, labelsize=9 if len(groups) <= 20 else 7)
    axes.tick_params(axis="y", rotation=0, labelsize=9)
