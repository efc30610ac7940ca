"""The demo's inbox: varied, each row right in itself, nobody real in it."""

import re
from collections import Counter
from itertools import combinations

from demo.inbox import FIELDS, Message, inbox
from msgspec.structs import replace

MESSAGES = inbox()
INTENTS = Counter(message.intent for message in MESSAGES)

TEST_CARDS = {"4111111111111111", "4000056655665556"}
"""Numbers that card networks publish for tests."""

EXAMPLE_IBANS = {
    "DE89370400440532013000",
    "ES9121000418450200051332",
    "FR1420041010050500013M02606",
    "GB33BUKB20201555555555",
    "IE29AIBK93115212345678",
}
"""The examples of the IBAN registry and of its national pages; nobody has them."""


def shingles(text: str) -> frozenset[str]:
    """Five characters at a time, without case and punctuation."""
    plain = " ".join(re.findall(r"\w+", text.lower()))
    return frozenset(plain[at : at + 5] for at in range(max(len(plain) - 4, 1)))


def runs(text: str, words: int) -> set[str]:
    """The runs of so many words."""
    split = re.findall(r"\w+", text.lower())
    return {" ".join(split[at : at + words]) for at in range(max(len(split) - words + 1, 1))}


def luhn(digits: str) -> bool:
    """Whether the digits could be a card number (ISO/IEC 7812-1, annex B)."""
    doubled = [int(d) * (2 if at % 2 else 1) for at, d in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def iban(text: str) -> bool:
    """Whether the text is a right IBAN (ISO 13616: mod 97 is 1)."""
    return int("".join(str(int(c, 36)) for c in text[4:] + text[:4])) % 97 == 1


def test_there_are_more_than_a_thousand_messages_and_enough_of_each_of_24_intents() -> None:
    assert len(MESSAGES) >= 1000
    assert len(INTENTS) == 24
    assert min(INTENTS.values()) >= 30


def test_every_id_and_every_text_is_there_once() -> None:
    assert len({m.id for m in MESSAGES}) == len(MESSAGES)
    assert len({" ".join(m.text.lower().split()) for m in MESSAGES}) == len(MESSAGES)
    assert all(m.text == m.text.strip() and m.text for m in MESSAGES)


def test_every_field_is_a_known_one_and_a_piece_of_its_text() -> None:
    wrong = [
        (m.id, name, value)
        for m in MESSAGES
        for name, value in m.fields.items()
        if name not in FIELDS or not value.strip() or value not in m.text
    ]

    assert wrong == []
    assert [m.id for m in MESSAGES if not re.fullmatch(r"\d{4}", m.fields.get("card_last4", "0000"))] == []
    assert set(FIELDS) == {name for m in MESSAGES for name in m.fields}


def test_no_two_messages_are_nearly_the_same() -> None:
    places: dict[str, list[int]] = {}
    for at, message in enumerate(MESSAGES):
        for run in runs(message.text, 3):
            places.setdefault(run, []).append(at)
    pairs = {pair for sharing in places.values() for pair in combinations(sharing, 2)}
    known = [shingles(message.text) for message in MESSAGES]

    near = [
        (MESSAGES[a].id, MESSAGES[b].id)
        for a, b in sorted(pairs)
        if len(known[a] & known[b]) > 0.3 * len(known[a] | known[b])
    ]

    assert near == []


def test_no_phrase_gives_a_template_away() -> None:
    phrases = Counter(run for m in MESSAGES for run in runs(m.text, 6) if run.count(" ") == 5)
    openings = Counter(" ".join(m.text.lower().split()[:3]) for m in MESSAGES)

    assert [phrase for phrase, count in phrases.items() if count > 4] == []
    assert openings.most_common(1)[0][1] <= 15


def test_it_is_written_in_many_languages_lengths_and_moods() -> None:
    languages = Counter(m.language for m in MESSAGES)
    lengths = [len(m.text) for m in MESSAGES]

    assert len(languages) >= 8
    assert min(languages.values()) >= 15
    assert 0.5 < languages["en"] / len(MESSAGES) < 0.8
    assert all(len({m.language for m in MESSAGES if m.intent == intent}) >= 5 for intent in INTENTS)
    assert sum(n < 50 for n in lengths) >= 50
    assert sum(n > 300 for n in lengths) >= 100
    assert {m.channel for m in MESSAGES} == {"chat", "email", "form"}
    assert min(Counter(m.urgency for m in MESSAGES).values()) >= 100
    assert sum(m.text.isupper() for m in MESSAGES) >= 10


def test_an_address_or_number_in_it_is_nobodys() -> None:
    """Domains of RFC 2606, mobile numbers that Ofcom and ComReg keep for drama, test cards, example IBANs."""
    everything = "\n".join(m.text for m in MESSAGES)
    hosts = re.findall(r"@([\w.-]+\w)", everything) + re.findall(
        r"\b[\w-]+(?:\.[\w-]+)*\.(?:com|net|org)\b", everything
    )
    phones = re.findall(r"(?<!\d )(?<![\d/])(?:\+\d{2,3}|0)[ \d]{9,14}\d", everything)
    cards = [re.sub(r"\D", "", found) for found in re.findall(r"(?<![\w])(?:\d[ -]?){12,18}\d(?!\w)", everything)]
    ibans = [found for found in re.findall(r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b", everything) if iban(found)]

    assert len(hosts) >= 40
    assert [h for h in hosts if not re.search(r"(^|\.)example\.(com|net|org)$", h)] == []
    assert len(phones) >= 60
    assert [p for p in phones if not re.match(r"07700 900\d{3}$|\+353 20 91\d \d{4}$", p)] == []
    assert {c for c in cards if luhn(c)} == TEST_CARDS
    assert set(ibans) == EXAMPLE_IBANS


def test_a_message_knows_its_route_and_its_truth() -> None:
    calm = Message(
        id="m1",
        intent="pin_help",
        language="en",
        channel="form",
        urgency="low",
        fields={"amount": "£1"},
        text="£1",
    )

    assert calm.route == "letters"
    assert calm.truth == {"intent": "pin_help", **dict.fromkeys(FIELDS), "amount": "£1"}
    assert replace(calm, channel="chat", urgency="normal").route == "chat"
    assert replace(calm, channel="chat", urgency="high").route == "urgent"
    assert replace(calm, channel="email", urgency="high").truth == "pin_help"
