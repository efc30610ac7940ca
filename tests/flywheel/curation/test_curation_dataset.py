"""Datasets: built, named by their digest, signed, read, compared; and damaged ones named."""

from pathlib import Path

import msgspec
import pytest
from curation_world import SIGNER, World, example, pseudonym
from msgspec.structs import replace

from freehold.core.errors import InvalidRequest, SettingsWrong, StoreFailed
from freehold.core.feedback import Correction
from freehold.flywheel.curation.build import Built
from freehold.flywheel.curation.dataset import diff, find, load, read_bill, verify
from freehold.flywheel.curation.gates import Policy, Rules, imported_gates
from freehold.flywheel.curation.importing import Imported, imported
from freehold.flywheel.curation.terms import terms

WORDS = [
    *("where", "card", "money", "lost", "parcel", "refund", "order", "account"),
    *("password", "change", "cancel", "late", "broken", "open", "close", "hello"),
]


def fill(world: World, count: int = 40) -> None:
    for n in range(count):
        text = f"{n * 7919 % 1009} {WORDS[n % 16]} {n * 31 % 97} {WORDS[n * 5 % 16]}"
        id_ = world.said(text, f"label {n % 4}", episode=f"e{n // 2}", subject=f"s{n // 4}")
        if n % 5 == 0:
            world.judge(id_, Correction(f"label {(n + 1) % 4}"))


def test_a_dataset_is_what_its_digest_says_and_its_bill_counts_everything(world: World) -> None:
    fill(world)
    world.said("my password is Tr0ub4dor&3! help", "label 1")
    built = world.build()

    bill = verify(built.home, SIGNER.verifier.text)
    assert bill == built.bill == read_bill(built.home)
    assert built.home.name == bill.reference == f"support@{bill.digest[:12]}"
    assert (bill.rows_in, bill.examples, bill.sources) == (41, 40, {"answer": 32, "correction": 8})
    assert sum(bill.splits.values()) == 40
    assert (bill.splits["test"], bill.splits["validation"]) == (4, 4)
    assert bill.subjects == tuple(sorted(pseudonym(f"s{n}") for n in range(10)))
    assert (bill.episodes, bill.inferences, len(built.inferences)) == (20, 40, 40)
    assert bill.deployments == {"own/small": 40}
    for passage in bill.gates:
        assert passage.rows_in == passage.rows_out + sum(passage.reasons.values())
    assert next(p.samples for p in bill.gates if p.gate == "secrets")[0].inference == "i0040"
    assert "Tr0ub4dor" not in (built.home / "bill.json").read_text()
    assert bill.warnings == ("4 test examples: too few for a verdict",)
    shares = [share for share, _ in world.told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_what_is_loaded_is_what_was_previewed(world: World) -> None:
    fill(world)
    built = world.build()
    whole = list(load(world.folder, "support"))
    assert sorted(whole, key=lambda e: e.id) == sorted(world.preview().examples, key=lambda e: e.id)
    parts = [list(load(world.folder, built.bill.reference, split)) for split in ("train", "validation", "test")]
    assert [e for part in parts for e in part] == whole
    assert all(
        e.split == split for split, part in zip(("train", "validation", "test"), parts, strict=True) for e in part
    )


def test_the_same_build_has_the_same_name_and_the_first_bill_stays(world: World) -> None:
    fill(world)
    first, second = world.build(at=1), world.build(at=2)
    assert (first.new, second.new) == (True, False)
    assert second.home == first.home
    assert second.bill.at == 1
    assert [p.name for p in world.folder.iterdir()] == [first.home.name]


def test_a_preview_writes_nothing(world: World) -> None:
    fill(world)
    preview = world.preview()
    assert len(preview.first) == 10
    assert list(world.folder.iterdir()) == []


def test_nothing_left_is_a_dataset_that_says_so(world: World) -> None:
    built = world.build()
    assert built.bill.warnings == ("nothing is left: the gates say why",)
    assert list(load(world.folder, "support")) == []


def test_another_correction_is_another_dataset_and_the_difference_is_named(world: World) -> None:
    fill(world)
    before = world.build(at=1)
    world.judge("i0001", Correction("new label"))
    world.said("something that nobody has asked before", "label 9")
    after = world.build(at=2)
    assert before.bill.digest != after.bill.digest
    assert find(world.folder, "support") == after.home

    found = diff(list(load(world.folder, before.home.name)), list(load(world.folder, after.home.name)))
    assert [(a.target, b.target) for a, b in found.changed] == [("label 1", "new label")]
    assert [e.target for e in found.added] == ["label 9"]
    assert found.removed == ()
    assert found.same + len(found.moved) == 39


def test_a_difference_tells_added_removed_changed_and_moved_apart() -> None:
    same, gone, old, new = example("a"), example("b"), example("c", "x"), example("c", "y")
    come, here, there = example("d"), example("e"), replace(example("e"), split="test")
    found = diff([same, gone, old, here], [same, new, come, there])
    assert (found.added, found.removed, found.changed) == ((come,), (gone,), ((old, new),))
    assert (found.moved, found.same) == (((here, there),), 1)


@pytest.mark.parametrize("name", ["train.parquet", "test.parquet", "bill.json", "bill.note"])
def test_a_damaged_file_is_named(world: World, name: str) -> None:
    fill(world)
    built = world.build()
    path = built.home / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreFailed, match=name.replace(".", r"\.")):
        verify(built.home, SIGNER.verifier.text)
    path.unlink()
    with pytest.raises(StoreFailed, match=rf"{name} cannot be read"):
        verify(built.home, SIGNER.verifier.text)


def test_a_file_that_was_exchanged_for_another_good_one_is_not_read(world: World) -> None:
    fill(world)
    built = world.build()
    (built.home / "train.parquet").write_bytes((built.home / "test.parquet").read_bytes())
    with pytest.raises(StoreFailed, match=r"train\.parquet is not the file that its bill names"):
        list(load(world.folder, "support", "train"))


def test_examples_exchanged_under_a_new_bill_are_noticed_by_the_signature(world: World) -> None:
    fill(world)
    built = world.build()
    bill = replace(built.bill, rows_in=1)
    (built.home / "bill.json").write_bytes(msgspec.json.encode(bill))
    with pytest.raises(StoreFailed, match=r"bill\.note signs another bill"):
        verify(built.home, SIGNER.verifier.text)


def test_a_dataset_is_found_by_name_by_both_and_by_digest_or_said_not_to_be_there(world: World) -> None:
    fill(world)
    built = world.build()
    digest = built.bill.digest
    for reference in ("support", f"support@{digest[:12]}", f"support@{digest}", digest[:8]):
        assert find(world.folder, reference) == built.home
    for reference in ("sales", "support@000000", f"support@{digest[:3]}", digest[:3]):
        with pytest.raises(StoreFailed, match=f"names no datasets .* There are: {built.home.name}"):
            find(world.folder, reference)


def test_a_name_that_is_no_name_of_a_folder_is_refused(world: World) -> None:
    with pytest.raises(SettingsWrong, match=r"Dataset name '\.\./x' is not"):
        world.build("../x")


def bring(world: World, path: Path, name: str = "mine") -> Imported:
    return imported(
        path,
        name,
        folder=world.folder,
        at=1,
        sign=SIGNER.sign,
        through=imported_gates(Policy(), Rules(terms=terms())),
        pseudonym=pseudonym,
    )


def test_a_labelled_table_becomes_a_dataset_and_bad_rows_are_named(world: World, tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    rows = [f'"{n * 7919 % 1009} {WORDS[n % 16]}, {n}",label {n % 3},cust{n}\n' for n in range(60)]
    path.write_text("text,label,subject\n" + "".join(rows) + "no label,,\n" + '"mail ann@example.org",label 1,\n')
    found = bring(world, path)
    built: Built = found.built
    bill = verify(built.home, SIGNER.verifier.text)
    assert (bill.rows_in, bill.examples, bill.sources) == (62, 61, {"import": 61})
    assert [(r.line, r.reason) for r in found.refused] == [(62, "label: is missing")]
    assert bill.gates[0].reasons == {"is no example": 1}
    assert [p.gate for p in bill.gates[1:]] == [
        "secrets",
        "injection",
        "personal data",
        "contradictions",
        "duplicates",
        "contamination",
    ]
    assert (bill.file or "").startswith("my.csv sha256:")
    examples = list(load(world.folder, "mine"))
    assert "mail [EMAIL]" in {e.text for e in examples}
    assert pseudonym("cust7") in {e.subject for e in examples}
    assert {e.split for e in examples} == {"train", "validation", "test"}


def test_conversations_are_imported_from_json_lines(world: World, tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text(
        '{"messages":[{"role":"system","content":"Be kind"},{"role":"user","content":"hi"}],'
        '"target":{"intent":"hello"}}\n'
        '{"messages":[{"role":"robot","content":"hi"}],"target":"x"}\n'
        '{"messages":"hi","target":"x"}\n'
        '{"messages":[],"target":"x"}\n'
        '{"text":7,"label":"x"}\n'
        '{"text":"a","label":"x","weight":3}\n'
    )
    found = bring(world, path)
    (only,) = load(world.folder, "mine")
    assert (only.text, only.target, [m.role for m in only.messages]) == ("hi", '{"intent":"hello"}', ["system", "user"])
    assert [r.reason for r in found.refused] == [
        "messages[0]: expected a role (assistant, system, tool, user) and a text as content",
        "messages: is not JSON",
        "messages: expected a list of messages",
        "text: is no text",
        "weight: 3.0 is not between 0 and 1",
    ]


def test_a_file_without_examples_is_refused_with_the_first_reason(world: World, tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text("text,label\nonly text,\n")
    with pytest.raises(InvalidRequest, match=r"my\.csv holds no example: line 2 label: is missing\. Its columns"):
        bring(world, path)
