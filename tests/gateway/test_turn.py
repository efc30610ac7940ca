"""The end of a turn of the event loop: written together, in the order that the promises of the ledger need."""

import asyncio
from collections.abc import Callable

import pytest

from freehold.core.errors import FreeholdError, StoreFailed
from freehold.core.inference import Accepted, Inference
from freehold.gateway.turn import Turn

FULL = StoreFailed("The disk is full")


class Log:
    """A ledger that tells what it was given, in order with what else happens. `full`: it takes nothing."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.full = False

    def accept(self, *accepted: Accepted) -> None:
        self._take("accept", [one.id for one in accepted])

    def close(self, *inferences: Inference) -> None:
        self._take("close", [one.id for one in inferences])

    def _take(self, verb: str, ids: list[str]) -> None:
        if self.full:
            raise FULL
        if "bad" in ids:
            raise TypeError("no such value")
        self.happened.append(f"{verb} {' '.join(ids)}")

    def then(self, what: str) -> Callable[[FreeholdError | None], None]:
        return lambda error: self.happened.append(what if error is None else f"not {what}: {error.message}")


@pytest.fixture
def log() -> Log:
    return Log()


def busy(log: Log) -> Turn:
    """With more requests than one, so that each waits for the end of the turn."""
    turn = Turn(log)
    for _ in range(8):
        turn.enter()
    return turn


def accepted(id: str) -> Accepted:
    return Accepted(id=id, at=0, route="r")


def closed(id: str) -> Inference:
    return Inference(id=id, at=0, outcome="answered", route="r")


async def turned() -> None:
    """Until what was put off has been done, and what that put off too."""
    for _ in range(4):
        await asyncio.sleep(0)


async def test_what_comes_in_one_turn_is_written_once_promises_first_and_only_then_anything_leaves(log: Log) -> None:
    turn = busy(log)
    turn.write(lambda: log.happened.append("chunk"))
    turn.close(closed("a"), log.then("end of a"))
    turn.accept(accepted("b"), log.then("call for b"))
    turn.close(closed("c"), log.then("end of c"))
    turn.accept(accepted("d"), log.then("call for d"))
    assert log.happened == []

    await turned()
    assert log.happened == [
        "accept b d",
        "call for b",
        "call for d",
        "close a c",
        "end of a",
        "end of c",
        "chunk",
    ]


async def test_what_cannot_be_written_is_told_to_each_that_waits_and_the_next_turn_may_do_better(log: Log) -> None:
    turn = busy(log)
    log.full = True
    turn.accept(accepted("a"), log.then("call for a"))
    turn.close(closed("b"), log.then("end of b"))
    await turned()
    log.full = False
    turn.accept(accepted("c"), log.then("call for c"))
    await turned()

    assert log.happened == [
        "not call for a: The disk is full",
        "not end of b: The disk is full",
        "accept c",
        "call for c",
    ]


async def test_what_follows_from_a_turn_is_not_forgotten(log: Log) -> None:
    turn = busy(log)

    def again(error: FreeholdError | None) -> None:
        turn.accept(accepted("b"), log.then("call for b"))

    turn.close(closed("a"), again)
    await turned()

    assert log.happened == ["close a", "accept b", "call for b"]


async def test_one_that_goes_wrong_holds_up_none_of_the_others(log: Log) -> None:
    turn, told = busy(log), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(repr(context["exception"])))

    def fail(error: FreeholdError | None = None) -> None:
        raise ValueError("broken")

    turn.accept(accepted("a"), fail)
    turn.accept(accepted("b"), log.then("call for b"))
    turn.close(closed("bad"), log.then("end of bad"))
    turn.close(closed("c"), log.then("end of c"))
    turn.write(fail)
    turn.write(lambda: log.happened.append("chunk"))
    await turned()

    assert log.happened == [
        "accept a b",
        "call for b",
        "not end of bad: The record could not be written: TypeError('no such value')",
        "close c",
        "end of c",
        "chunk",
    ]
    assert told == ["ValueError('broken')"] * 2


async def test_a_request_that_is_alone_waits_for_nobody(log: Log) -> None:
    turn = Turn(log)
    turn.enter()
    turn.accept(accepted("a"), log.then("call for a"))
    assert log.happened == ["accept a", "call for a"]

    turn.close(closed("a"), lambda error: turn.write(lambda: log.happened.append("end of a")))
    assert log.happened[2:] == ["close a", "end of a"]


async def test_one_that_is_no_longer_alone_waits_for_the_others(log: Log) -> None:
    turn = Turn(log)
    turn.enter()
    turn.accept(accepted("a"), log.then("call for a"))
    turn.enter()
    turn.accept(accepted("b"), log.then("call for b"))
    turn.close(closed("a"), log.then("end of a"))
    assert log.happened == ["accept a", "call for a"]

    await turned()
    assert log.happened[2:] == ["accept b", "call for b", "close a", "end of a"]


async def test_what_a_lone_stream_says_leaves_together(log: Log) -> None:
    turn = Turn(log)
    turn.enter()
    turn.write(lambda: log.happened.append("chunks"))
    assert log.happened == []

    await turned()
    assert log.happened == ["chunks"]


async def test_a_lone_record_that_cannot_be_written_and_a_write_that_goes_wrong_are_told(log: Log) -> None:
    turn, told = Turn(log), list[str]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(repr(context["exception"])))

    def fail() -> None:
        raise ValueError("broken")

    turn.enter()
    turn.close(closed("bad"), log.then("end of bad"))
    turn.write(fail)

    assert log.happened == ["not end of bad: The record could not be written: TypeError('no such value')"]
    assert told == ["ValueError('broken')"]
