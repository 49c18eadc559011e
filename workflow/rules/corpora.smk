"""Corpora: from a published archive to audio and utterances.

INPUTS  the user's copy of a corpus, or its published source
OUTPUTS results/corpora/{corpus}/utterances.csv, archive.json
        results/corpora/{corpus}/clean/audio.npy
        results/corpora/{corpus}/overlaps.csv, audit.json, audit.png, results/audit.csv
        results/corpora/{corpus}/{condition}/log_mel.npy
"""


rule download_corpus:
    output:
        "resources/corpora/{archive}",
    log:
        "results/logs/download_corpus/{archive}.log",
    benchmark:
        "results/benchmarks/download_corpus/{archive}.tsv"
    wildcard_constraints:
        archive=names(downloads()),
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        runtime=240,
        mem_mb=2000,
    params:
        # Snakemake does not track params that are functions of the output: a mirror or a licence's wording may change
        # without a new download, and what was downloaded is checked at ingestion.
        refusal=lambda wildcards, output: refusal_of(corpus_behind(wildcards.archive)),
        corpus=lambda wildcards, output: least_demanding_entry(wildcards.archive),
        source=lambda wildcards, output: source_behind(wildcards.archive),
    script:
        "../scripts/download.py"


rule corpus:
    input:
        archive=archive_of,
    output:
        audio=f"results/corpora/{{corpus}}/{CLEAN}/audio.npy",
        utterances="results/corpora/{corpus}/utterances.csv",
        archive="results/corpora/{corpus}/archive.json",
    log:
        "results/logs/corpus/{corpus}.log",
    benchmark:
        "results/benchmarks/corpus/{corpus}.tsv"
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("corpus"),
        runtime=minutes_of("corpus"),
    params:
        settings=corpus_settings,
    script:
        "../scripts/corpus.py"


rule overlaps:
    """Pairs of utterances that hold the same recording: no split may part them."""
    input:
        utterances="results/corpora/{corpus}/utterances.csv",
        audio=f"results/corpora/{{corpus}}/{CLEAN}/audio.npy",
    output:
        overlaps="results/corpora/{corpus}/overlaps.csv",
    log:
        "results/logs/overlaps/{corpus}.log",
    benchmark:
        "results/benchmarks/overlaps/{corpus}.tsv"
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("overlaps"),
        runtime=minutes_of("overlaps"),
    params:
        settings=uses("overlaps.py"),
    script:
        "../scripts/overlaps.py"


rule corpus_audit:
    """A corpus on one page; and a check, before most of the training, that no split leaks."""
    input:
        utterances="results/corpora/{corpus}/utterances.csv",
        audio=f"results/corpora/{{corpus}}/{CLEAN}/audio.npy",
        archive="results/corpora/{corpus}/archive.json",
        overlaps="results/corpora/{corpus}/overlaps.csv",
        source_splits=source_splits_of,
        target_splits=target_splits_of,
        subsets=subsets_of,
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
    benchmark:
        "results/benchmarks/corpus_audit/{corpus}.tsv"
    priority: 10
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("corpus_audit"),
        runtime=minutes_of("corpus_audit"),
    params:
        settings=figure_settings("audit", label=config["label"]),
    script:
        "../scripts/figure.py"


rule audit:
    """Every corpus on a page, and all of them in one table."""
    input:
        audits=[f"results/corpora/{corpus}/audit.json" for corpus in experiments.used_corpora(config)],
    output:
        audits="results/audit.csv",
    log:
        "results/logs/audit.log",
    benchmark:
        "results/benchmarks/audit.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=uses("audits.py"),
    script:
        "../scripts/audits.py"


rule log_mel:
    input:
        audio="results/corpora/{corpus}/{condition}/audio.npy",
        utterances="results/corpora/{corpus}/utterances.csv",
    output:
        frames="results/corpora/{corpus}/{condition}/log_mel.npy",
    log:
        "results/logs/log_mel/{corpus}/{condition}.log",
    benchmark:
        "results/benchmarks/log_mel/{corpus}/{condition}.tsv"
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("log_mel"),
        runtime=minutes_of("log_mel"),
    params:
        settings=uses("log_mel.py"),
    script:
        "../scripts/log_mel.py"
