"""Corpora: from a published archive to audio and utterances.

INPUTS  the user's copy of a corpus, or its published source
OUTPUTS results/corpora/{corpus}/utterances.csv, archive.json, audit.json
        results/corpora/{corpus}/clean/audio.npy
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
    retries: 2
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
        mem_mb=4000,
        runtime=60,
    params:
        settings=corpus_settings,
    script:
        "../scripts/corpus.py"


rule audit:
    input:
        utterances="results/corpora/{corpus}/utterances.csv",
        audio=f"results/corpora/{{corpus}}/{CLEAN}/audio.npy",
        archive="results/corpora/{corpus}/archive.json",
    output:
        audit=report(
            "results/corpora/{corpus}/audit.json",
            caption="../report/audit.rst",
            category="Corpora",
            labels={"corpus": "{corpus}"},
        ),
    log:
        "results/logs/audit/{corpus}.log",
    benchmark:
        "results/benchmarks/audit/{corpus}.tsv"
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=uses("audit.py"),
    script:
        "../scripts/audit.py"


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
        mem_mb=4000,
        runtime=30,
    params:
        settings=uses("log_mel.py"),
    script:
        "../scripts/log_mel.py"
