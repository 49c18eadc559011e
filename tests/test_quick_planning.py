"""Remembered, what Snakemake does again for every job comes out the same."""

from types import SimpleNamespace

import pytest
import snakemake.common
import snakemake.rules

from ser.legacy import quick_planning


@pytest.fixture
def sourcecache(monkeypatch):
    """A stand-in that counts, with Snakemake put back afterwards."""
    original = snakemake.common.get_function_params
    for module in (snakemake.common, snakemake.rules):
        monkeypatch.setattr(module, "get_function_params", original)
    asked = []
    return SimpleNamespace(_cache=lambda file: asked.append(file) or f"/cache/{file}", asked=asked)


def test_what_is_remembered_is_right(sourcecache):
    class Bound:
        def method(self, wildcards, attempt):
            pass

    inspected = snakemake.common.get_function_params
    functions = [lambda wildcards: 0, lambda wildcards, input, threads: 0, Bound().method, Bound().method]
    expected = [list(inspected(function)) for function in functions]
    quick_planning.prepare(SimpleNamespace(sourcecache=sourcecache))
    for _ in range(2):
        for module in (snakemake.common, snakemake.rules):
            assert [list(module.get_function_params(function)) for function in functions] == expected
        assert [sourcecache._cache(file) for file in "ab"] == ["/cache/a", "/cache/b"]
    assert sourcecache.asked == ["a", "b"]
    assert snakemake.rules.get_function_params is not inspected


def test_another_version_is_left_alone(sourcecache, monkeypatch):
    monkeypatch.delattr(snakemake.common, "get_function_params")
    inspected = snakemake.rules.get_function_params
    quick_planning.prepare(SimpleNamespace(sourcecache=object()))
    assert snakemake.rules.get_function_params is inspected
