"""What a student looks like on disk."""

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from freehold.core.errors import SettingsWrong
from freehold.runtime.student import artifact
from freehold.runtime.student.artifact import Manifest, Rules, load, packed, save, unpacked
from freehold.runtime.student.contract import Contract, Enum
from freehold.runtime.student.student import Student


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_a_student_is_a_manifest_and_weights_and_nothing_that_is_executed(student_folder: Path) -> None:
    assert sorted(f.name for f in student_folder.iterdir()) == ["manifest.json", "weights.safetensors"]
    manifest = json.loads((student_folder / "manifest.json").read_text())
    assert manifest["format"] == 3
    assert manifest["rules"]["out_of_scope"] == ["other"]
    assert manifest["contract"]["fields"][0]["values"] == [
        "card_lost",
        "exchange_rate",
        "other",
        "pin_change",
        "top_up",
    ]
    assert {"accuracy", "answered", "answered_accuracy", "in_scope_kept"} <= manifest["metrics"].keys()


def test_weights_that_were_changed_are_refused(student_folder: Path, tmp_path: Path) -> None:
    changed = copied(student_folder, tmp_path / "changed")
    weights = bytearray((changed / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (changed / "weights.safetensors").write_bytes(weights)

    with pytest.raises(SettingsWrong, match="was changed or cut"):
        Student.load(changed)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("manifest.json", b"{", "is no student"),
        ("manifest.json", b"{}", "is no student"),
        ("weights.safetensors", None, "is no student"),
    ],
)
def test_a_folder_that_is_no_student_is_refused(
    student_folder: Path, tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    broken = copied(student_folder, tmp_path / "broken")
    (broken / name).unlink()
    if content is not None:
        (broken / name).write_bytes(content)

    with pytest.raises(SettingsWrong, match=says):
        Student.load(broken)


def test_a_student_of_a_later_format_is_refused(student_folder: Path, tmp_path: Path) -> None:
    later = copied(student_folder, tmp_path / "later")
    text = (later / "manifest.json").read_text().replace('"format": 3', '"format": 4')
    (later / "manifest.json").write_text(text)

    with pytest.raises(SettingsWrong, match="tune it again"):
        Student.load(later)


def small(name: str = "small") -> tuple[Manifest, dict[str, artifact.Tensor]]:
    manifest = Manifest(
        name=name,
        contract=Contract((Enum((), ("a", "b")),)),
        kinds=(),
        rules=Rules(threshold=0.5),
        dataset="d",
        seed=0,
        rows=2,
        metrics={},
    )
    return manifest, {"x": np.arange(3, dtype=np.float16), "y": packed(["è", "b c"])}


def test_the_same_student_has_the_same_name_and_another_has_another(tmp_path: Path) -> None:
    manifest, tensors = small()

    first = save(tmp_path, manifest, tensors)

    assert save(tmp_path, manifest, tensors) == first
    assert save(tmp_path, manifest, tensors | {"x": np.zeros(3, np.float16)}) != first
    read, back = load(first)
    assert read.rules == manifest.rules
    assert back["x"].tolist() == [0, 1, 2]
    assert unpacked(back["y"]) == ["è", "b c"]
    assert stat.S_IMODE(first.stat().st_mode) & 0o700 == 0o700


def test_a_student_that_could_not_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(OSError, match="disk full"):
        save(tmp_path / "models", *small())
    assert list((tmp_path / "models").iterdir()) == []


def test_a_student_with_an_encoder_is_not_run_without_it(tmp_path: Path) -> None:
    manifest, tensors = small()
    folder = save(
        tmp_path,
        Manifest(**{f: getattr(manifest, f) for f in manifest.__struct_fields__} | {"encoder": "mini"}),
        tensors,
    )

    with pytest.raises(SettingsWrong, match="There is no sentence encoder mini"):
        Student.load(folder)
