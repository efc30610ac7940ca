"""Without the extra `train` a tuner is not there, and what is there says how to get it."""

import sys

import pytest

from freehold.app.on_demand import on_demand
from freehold.core.errors import SettingsWrong


@pytest.mark.parametrize("name", ["LoraTuner", "DpoTuner"])
def test_a_tuner_without_its_libraries_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [m for m in sys.modules if m.startswith("freehold.flywheel.tuning.lora.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SettingsWrong, match=r"torch, which is not installed: pip install 'freehold\[train\]'"):
        on_demand("freehold.flywheel.tuning.lora.tuner", name)


def test_what_needs_no_libraries_is_there_without_them() -> None:
    for module, name in (
        ("freehold.flywheel.tuning.prompt.tuner", "PromptTuner"),
        ("freehold.flywheel.tuning.provider.tuner", "ProviderTuner"),
        ("freehold.flywheel.tuning.distil.tuner", "DistilTuner"),
    ):
        assert on_demand(module, name).method == name.removesuffix("Tuner").lower()
