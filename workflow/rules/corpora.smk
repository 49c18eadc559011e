"""Corpora: download, ingestion and audits.

INPUTS  your copy of a corpus, or its published source; for the audit also results/splits/, results/fewshot/
OUTPUTS resources/corpora/{archive}
        results/corpora/{corpus}/utterances.csv, archive.json
        results/corpora/{corpus}/clean/audio.npy
        results/corpora/{corpus}/overlaps.csv, audit.json, audit.png
        results/audit.csv, audit_emotions.csv, audit_speakers.csv
        results/corpora/{corpus}/{condition}/log_mel.npy, functionals/{features}.npy
"""


rule download_corpus:
    output:
        "resources/corpora/{archive}",
    log:
        "results/logs/download_corpus/{archive}.log",
    wildcard_constraints:
        archive=names(inputs.downloads),
    retries: 3
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.download,
    script:
        "../scripts/download.py"


rule corpus:
    """Read, check and resample the four-class utterances of a corpus."""
    input:
        archive=inputs.archive,
    output:
        audio="results/corpora/{corpus}/clean/audio.npy",
        utterances="results/corpora/{corpus}/utterances.csv",
        archive="results/corpora/{corpus}/archive.json",
    log:
        "results/logs/corpus/{corpus}.log",
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.corpus,
    script:
        "../scripts/corpus.py"


rule overlaps:
    """Find pairs of utterances that overlap, which no split may separate."""
    input:
        utterances="results/corpora/{corpus}/utterances.csv",
        audio="results/corpora/{corpus}/clean/audio.npy",
    output:
        overlaps="results/corpora/{corpus}/overlaps.csv",
    log:
        "results/logs/overlaps/{corpus}.log",
    conda:
        "../../envs/ser.yaml"
    params:
        settings=uses("overlaps.py"),
    script:
        "../scripts/overlaps.py"


rule corpus_audit:
    """Summarise a corpus on one page, and check early that no split leaks."""
    input:
        utterances="results/corpora/{corpus}/utterances.csv",
        audio="results/corpora/{corpus}/clean/audio.npy",
        archive="results/corpora/{corpus}/archive.json",
        overlaps="results/corpora/{corpus}/overlaps.csv",
        source_splits=collect(
            "results/splits/{corpus}/seed{seed}/source.csv", seed=inputs.seeds_as_source, allow_missing=True
        ),
        target_splits=collect(
            "results/splits/{corpus}/seed{seed}/target.csv", seed=inputs.seeds_as_target, allow_missing=True
        ),
        subsets=collect(
            "results/fewshot/{corpus}/{shots}-shot/seed{seed}.csv",
            shots=inputs.drawn_shots,
            seed=config["seeds"],
            allow_missing=True,
        ),
    output:
        audit="results/corpora/{corpus}/audit.json",
        page=report(
            "results/corpora/{corpus}/audit.png",
            caption="../report/audit.rst",
            category="Corpora",
            labels={"corpus": "{corpus}"},
        ),
    log:
        "results/logs/corpus_audit/{corpus}.log",
    priority: 10
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=settings.corpus_audit,
    script:
        "../scripts/figure.py"


rule audit:
    """Collect the audits of the experiments' corpora in tables: a row per corpus, per emotion and per speaker."""
    input:
        audits=collect("results/corpora/{corpus}/audit.json", corpus=inputs.experiments.corpora()),
    output:
        audits="results/audit.csv",
        emotions="results/audit_emotions.csv",
        speakers="results/audit_speakers.csv",
    log:
        "results/logs/audit.log",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=uses("collect_audits.py"),
    script:
        "../scripts/collect_audits.py"


rule log_mel:
    """Compute the log-mel frames of a corpus for CNN-LSTM."""
    input:
        audio="results/corpora/{corpus}/{condition}/audio.npy",
        utterances="results/corpora/{corpus}/utterances.csv",
    output:
        frames="results/corpora/{corpus}/{condition}/log_mel.npy",
    log:
        "results/logs/log_mel/{corpus}/{condition}.log",
    conda:
        "../../envs/ser.yaml"
    params:
        settings=uses("log_mel.py"),
    script:
        "../scripts/log_mel.py"


rule functionals:
    """Compute functionals of the utterances of a corpus for SVMs."""
    input:
        audio="results/corpora/{corpus}/{condition}/audio.npy",
        utterances="results/corpora/{corpus}/utterances.csv",
    output:
        functionals="results/corpora/{corpus}/{condition}/functionals/{features}.npy",
    log:
        "results/logs/functionals/{corpus}/{condition}/{features}.log",
    wildcard_constraints:
        features="egemaps|level-duration",
    conda:
        "../../envs/ser.yaml"
    params:
        settings=uses("functionals.py"),
    script:
        "../scripts/functionals.py"
