"""The embedded demo's own speech and noise; everything after it is the real experiment's code.

INPUTS  speech/{layout}.yaml: how a language is spoken
        checkpoints/{checkpoint}.yaml: what a tiny encoder is, and which languages it hears
OUTPUTS resources/demo/{layout}.zip (or .tar.gz), resources/demo/{environment}_16k.zip
        resources/demo/checkpoints/{checkpoint}/, in Hugging Face format
"""


rule demo_speech:
    input:
        language="speech/{layout}.yaml",
    output:
        archive="resources/demo/{layout}.{kind}",
    log:
        "results/logs/demo_speech/{layout}.{kind}.log",
    benchmark:
        "results/benchmarks/demo_speech/{layout}.{kind}.tsv"
    wildcard_constraints:
        layout="[a-z]+",
        kind=r"zip|tar\.gz",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=uses("demo_speech.py"),
    script:
        "../scripts/demo_speech.py"


rule demo_noise:
    output:
        archive="resources/demo/{environment}_16k.zip",
    log:
        "results/logs/demo_noise/{environment}.log",
    benchmark:
        "results/benchmarks/demo_noise/{environment}.tsv"
    wildcard_constraints:
        environment="[A-Z]+",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=uses("demo_noise.py"),
    script:
        "../scripts/demo_noise.py"


rule demo_checkpoint:
    input:
        architecture="checkpoints/{checkpoint}.yaml",
    output:
        weights="resources/demo/checkpoints/{checkpoint}/model.safetensors",
        config="resources/demo/checkpoints/{checkpoint}/config.json",
        preprocessor="resources/demo/checkpoints/{checkpoint}/preprocessor_config.json",
    log:
        "results/logs/demo_checkpoint/{checkpoint}.log",
    benchmark:
        "results/benchmarks/demo_checkpoint/{checkpoint}.tsv"
    wildcard_constraints:
        checkpoint="[a-z0-9]+",
    conda:
        "../../envs/ser.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=uses("demo_checkpoint.py"),
    script:
        "../scripts/demo_checkpoint.py"
