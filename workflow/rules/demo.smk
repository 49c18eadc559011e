"""Synthetic speech, noise and encoders of the demo, which otherwise runs the code of real experiments.

INPUTS  speech/{layout}.yaml: voice, sentences and emotions of a language
        checkpoints/{checkpoint}.yaml: architecture and languages of a tiny encoder
        resources/urdu-sha256.tsv: numbers of utterances by speaker
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
    wildcard_constraints:
        layout="[a-z]+",
        kind=r"zip|tar\.gz",
    localrule: True
    conda:
        "../../envs/ser.yaml"
    params:
        settings=uses("demo_speech.py", "resources/urdu-sha256.tsv"),
    script:
        "../scripts/demo_speech.py"


rule demo_noise:
    output:
        archive="resources/demo/{environment}_16k.zip",
    log:
        "results/logs/demo_noise/{environment}.log",
    wildcard_constraints:
        environment="[A-Z]+",
    localrule: True
    conda:
        "../../envs/ser.yaml"
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
    wildcard_constraints:
        checkpoint="[a-z0-9]+",
    conda:
        "../../envs/ser.yaml"
    params:
        settings=uses("demo_checkpoint.py"),
    script:
        "../scripts/demo_checkpoint.py"
