"""Personal data that a form, a checksum or a word beside it gives away: found, and masked, in linear time.

Every pattern is bounded, so looking at a text costs a constant for each character, whatever it says. Names and places
need understanding and are not found here. The module stands on its own, for governance to build on.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import AddressValueError, IPv6Address

from msgspec import Struct

from freehold.flywheel.curation import checksums as check

NEAR = 48
"""Characters before a candidate in which a word may vouch for it."""


class Found(Struct, frozen=True, order=True):
    """Personal data in a text: from `start` to before `end`, in code points."""

    start: int
    end: int
    type: str


class Rule(Struct, frozen=True, kw_only=True):
    """A form. `holds` decides on a candidate without separators, in upper case; `words`: one must stand before it
    (None: the form speaks for itself); `mark`: a character without which there is no match (None: some digits);
    `before`: what may not stand just before it. Where two overlap, the rule that stands first in `RULES` wins."""

    type: str
    pattern: re.Pattern[str]
    holds: Callable[[str], bool] = lambda _: True
    words: re.Pattern[str] | None = None
    mark: str | None = None
    before: re.Pattern[str] | None = None


_BEHIND = re.compile(r"\(\?<!(\[[^]]*\])\)")


def _rule(
    type_: str,
    pattern: str,
    holds: Callable[[str], bool] = lambda _: True,
    words: str | None = None,
    mark: str | None = None,
) -> Rule:
    before = _BEHIND.match(pattern)
    if before is not None:  # asked of a match rather than of every character, which is many times faster
        pattern = pattern[before.end() :]
    return Rule(
        type=type_,
        pattern=re.compile(pattern),
        holds=holds,
        mark=mark,
        before=None if before is None else re.compile(before[1]),
        words=None if words is None else re.compile(words, re.IGNORECASE),
    )


def _ipv4(text: str) -> bool:
    return text not in _NOBODY and all(int(part) < 256 and (part == "0" or part[0] != "0") for part in text.split("."))


def _ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return sum(c in "0123456789ABCDEFabcdef" for c in text) >= 3


_NOBODY = frozenset({"0.0.0.0", "127.0.0.1", "255.255.255.255"})
_DATE = re.compile(r"(?:19|20)\d\d[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d")

_NUMBERED = re.compile(r"/(?:19|20)\d\d$")  # the number of an invoice in a year


def _phone(text: str) -> bool:
    digits = sum(c.isdigit() for c in text)
    return not _DATE.match(text) and not _NUMBERED.search(text) and 7 <= digits <= 15 and len(set(text)) > 3


_B, _E = r"(?<![\w.@#/+-])", r"(?![\w@])"  # not inside a longer word, path or id
_S = r"[ .-]?"

RULES: tuple[Rule, ...] = (
    _rule("EMAIL", r"(?<![\w.%+-])[\w.%+'-]{1,64}@(?:[\w-]{1,63}\.){1,6}[^\W\d_]{2,24}(?![^\W_]|@)", mark="@"),
    _rule("IBAN", rf"{_B}[A-Za-z]{{2}}\d{{2}}(?:[ -]?[A-Za-z0-9]){{11,30}}(?!\w)", check.iban),
    _rule("MAC_ADDRESS", rf"{_B}(?:[0-9A-Fa-f]{{2}}[:-]){{5}}[0-9A-Fa-f]{{2}}(?![\w:-])", mark=":"),
    _rule("MAC_ADDRESS", rf"{_B}(?:[0-9A-Fa-f]{{4}}\.){{2}}[0-9A-Fa-f]{{4}}(?![\w.])"),
    _rule("IP_ADDRESS", r"(?<![\w.:])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])", _ipv6, mark=":"),
    _rule("IP_ADDRESS", r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)", _ipv4),
    _rule("CRYPTO_WALLET", r"(?<!\w)(?:0x[0-9a-fA-F]{40}|(?:bc1|tb1)[02-9ac-hj-np-z]{11,71})(?!\w)"),
    _rule("CRYPTO_WALLET", r"(?<!\w)[13][1-9A-HJ-NP-Za-km-z]{25,34}(?!\w)", check.eth_or_btc),
    _rule("ZA_ID", rf"{_B}\d{{13}}{_E}", check.za_id),
    _rule("PHONE", r"(?<![\w.+])(?:\+|(?<!\d )00(?=[1-9]\d))\d{1,3}(?:[ ./()-]{0,3}\d){6,13}(?![\w])", _phone),
    _rule("CREDIT_CARD", r"(?<![\w.@#/+-])\d(?:[ -]?\d){11,18}(?![\w@]|-\d)", check.card),
    _rule("CN_RIC", rf"{_B}\d{{17}}[\dXx]{_E}", check.cn_ric),
    _rule(
        "IT_FISCAL_CODE",
        rf"{_B}[A-Za-z]{{6}}\d\d[A-EHLMPRSTa-ehlmprst]\d\d[A-Za-z]\d{{3}}[A-Za-z]{_E}",
        check.codice_fiscale,
    ),
    _rule("FR_NIR", rf"{_B}[1-478] ?\d\d ?\d\d ?(?:\d\d|2[ABab]) ?\d{{3}} ?\d{{3}} ?\d\d{_E}", check.nir),
    _rule("FI_HETU", rf"{_B}\d{{6}}[-+A-FU-Y]\d{{3}}[0-9A-FHJ-NPR-Y]{_E}", check.hetu),
    _rule(
        "US_MBI",
        rf"{_B}[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{{2}}\d\d{_E}",
    ),
    _rule("ES_NIE", rf"{_B}[XYZxyz][ -]?\d{{7}}[ -]?[A-Za-z]{_E}", check.nie),
    _rule("ES_NIF", rf"{_B}\d{{8}}[ -]?[A-HJ-NP-TV-Za-hj-np-tv-z]{_E}", check.nif),
    _rule("SG_NRIC_FIN", rf"{_B}[STFGM]\d{{7}}[A-Z]{_E}", check.nric),
    _rule("IN_PAN", rf"{_B}[A-Z]{{3}}[ABCFGHJLPT][A-Z]\d{{4}}[A-Z]{_E}"),
    _rule(
        "UK_NINO",
        rf"{_B}(?!BG|GB|NK|KN|TN|NT|"
        rf"ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]{_E}",
    ),
    _rule("PL_ID_CARD", rf"{_B}[A-Z]{{3}} ?\d{{6}}{_E}", check.pl_id_card, r"dow[oó]d|id card|identity|osobist"),
    _rule("KR_RRN", rf"{_B}\d{{6}}-\d{{7}}{_E}", check.rrn),
    _rule("BR_CPF", rf"{_B}\d{{3}}\.?\d{{3}}\.?\d{{3}}-?\d\d{_E}", check.cpf),
    _rule(
        "TH_TNIN",
        rf"{_B}\d[ -]?\d{{4}}[ -]?\d{{5}}[ -]?\d\d[ -]?\d{_E}",
        check.th_id,
        r"thai|บัตร|ประชาชน|citizen|national id",
    ),
    _rule("IN_AADHAAR", rf"{_B}\d{{4}}[ -]?\d{{4}}[ -]?\d{{4}}{_E}", check.verhoeff),
    _rule("PL_PESEL", rf"{_B}\d{{11}}{_E}", check.pesel),
    _rule("TR_NATIONAL_ID", rf"{_B}\d{{11}}{_E}", check.tr_id),
    _rule("DE_TAX_ID", rf"{_B}\d{{2}} ?\d{{3}} ?\d{{3}} ?\d{{3}}{_E}", check.de_tax_id),
    _rule(
        "SE_PERSONNUMMER",
        rf"{_B}(?:19|20)?\d{{6}}[-+]?\d{{4}}{_E}",
        check.personnummer,
        r"person|pnr|\bssn\b|samordn|identi",
    ),
    _rule("SE_PERSONNUMMER", rf"{_B}(?:(?:19|20)\d{{6}}-?|\d{{6}}[-+])\d{{4}}{_E}", check.personnummer),
    _rule("US_SSN", rf"{_B}\d{{3}}-\d\d-\d{{4}}{_E}(?!-)", check.ssn),
    _rule("US_ITIN", rf"{_B}9\d\d[- ]\d\d[- ]\d{{4}}{_E}", check.itin),
    _rule("US_SSN", rf"{_B}\d{{3}}[ .]?\d\d[ .]?\d{{4}}{_E}", check.ssn, r"\bssn\b|social sec|soc\.? sec"),
    _rule("US_ITIN", rf"{_B}9\d{{8}}{_E}", check.itin, r"\bitin\b|taxpayer"),
    _rule("UK_NHS", rf"{_B}\d{{3}}[ -]?\d{{3}}[ -]?\d{{4}}{_E}", check.nhs, r"\bnhs\b|health service"),
    _rule("US_NPI", rf"{_B}\d{{10}}{_E}", words=r"\bnpi\b[^\d]{0,12}$"),
    _rule("US_NPI", rf"{_B}[12]\d{{9}}{_E}", check.npi, r"\bnpi\b|provider|prescri|physician"),
    _rule(
        "EU_VAT",
        rf"{_B}(?:ATU\d{{8}}|BE[01]\d{{9}}|DE\d{{9}}|DK\d{{8}}|FR[A-Z0-9]{{2}}\d{{9}}|IT\d{{11}}|NL\d{{9}}B\d\d|"
        rf"PL\d{{10}}|ES[A-Z0-9]\d{{7}}[A-Z0-9]|IE\d[A-Z0-9]\d{{5}}[A-Z]{{1,2}}|SE\d{{12}}|FI\d{{8}}|PT\d{{9}}|"
        rf"CZ\d{{8,10}}){_E}",
    ),
    _rule(
        "PL_NIP",
        rf"{_B}(?:PL ?)?\d{{3}}-?\d{{3}}-?\d\d-?\d\d{_E}",
        lambda t: check.nip(t.removeprefix("PL")),
        r"\bnip\b|podatk|\bvat\b|\btax\b",
    ),
    _rule("AU_MEDICARE", rf"{_B}\d{{4}}[ -]?\d{{5}}[ -]?\d{_E}", check.medicare, r"medicare"),
    _rule("CA_SIN", rf"{_B}\d{{3}}[ -]\d{{3}}[ -]\d{{3}}{_E}", check.sin),
    _rule("CA_SIN", rf"{_B}\d{{9}}{_E}", check.sin, r"\bsin\b|social ins|\bnas\b|assurance soc"),
    _rule("AU_TFN", rf"{_B}\d{{3}} ?\d{{3}} ?\d{{3}}{_E}", check.tfn, r"\btfn\b|tax file|\btax\b"),
    _rule(
        "NL_BSN",
        rf"{_B}\d{{4}}[. ]?\d\d[. ]?\d{{3}}{_E}",
        check.bsn,
        r"\bbsn\b|burgerservice|sofi|"
        r"persoonsnummer",
    ),
    _rule("AU_ABN", rf"{_B}\d\d ?\d{{3}} ?\d{{3}} ?\d{{3}}{_E}", check.abn, r"\babn\b|business number"),
    _rule("PHONE", r"(?<![\w.+/-])(?:1[ .-])?\(\d{3}\)[ .-]?\d{3}[ .-]\d{4}(?:[ ]?(?:x|ext\.?)[ ]?\d{1,6})?(?![\w])"),
    _rule("PHONE", r"(?<![\w.+/-])(?:1[ .-])?[2-9]\d\d[.-]\d{3}[.-]\d{4}(?:[ ]?(?:x|ext\.?)[ ]?\d{1,6})?(?![\w])"),
    _rule("PHONE", r"(?<![\w.+/-])(?<!\d )\(?0(?!00-)\d{1,5}\)?(?:[ /-]{1,2}\d{2,8}){1,4}(?![\w.-])", _phone),
    _rule(
        "PHONE",
        r"(?<![\w.+/-])\(?\d{2,5}\)?(?:[ ./-]?\d{2,5}){1,4}(?![\w-])",
        _phone,
        r"phone|\btel\b|mobil|handy|call|\bcell|fax|whats ?app|t[eé]l[eé]f|numer|\bring\b|text me|reach|dial|"
        r"answering",
    ),
)
"""In the order of precedence."""

_DIGITS = re.compile(r"\d{1,64}")
_FEWEST, _GAP, _MARGIN = 4, 16, 72
_SEPARATORS = str.maketrans("", "", " -.()/")
_KEEPING = frozenset({"IP_ADDRESS", "EMAIL", "MAC_ADDRESS", "CRYPTO_WALLET", "PHONE"})


def find(text: str, rules: Sequence[Rule] = RULES) -> list[Found]:
    """The personal data in a text, from left to right, without overlaps."""
    taken: list[Found] = []
    windows = _windows(text)
    everywhere = ((0, len(text)),)
    for rule in rules:
        if rule.mark is not None and rule.mark not in text:
            continue
        for start, end in windows if rule.mark is None else everywhere:
            for found in _matches(rule, text, start, end):
                if not any(f.start < found.end and found.start < f.end for f in taken):
                    taken.append(found)
    return sorted(taken)


def _matches(rule: Rule, text: str, at: int, end: int) -> Iterator[Found]:
    """What a rule finds in a window. After a candidate that was none the search goes on one character later: what it
    took in may hold one. Patterns are bounded, so that is still linear."""
    while (match := rule.pattern.search(text, at, end)) is not None:
        found = _judged(rule, text, match)
        at = match.start() + 1 if found is None else found.end
        if found is not None:
            yield found


def _windows(text: str) -> Sequence[tuple[int, int]]:
    """Where there are enough digits for anything to be found by a rule without a mark of its own."""
    found: list[tuple[int, int]] = []
    count, start, end = 0, 0, -_GAP
    for match in _DIGITS.finditer(text):
        if match.start() - end > _GAP:
            if count >= _FEWEST:
                found.append((max(0, start - _MARGIN), min(len(text), end + _MARGIN)))
            count, start = 0, match.start()
        end = match.end()
        count += end - match.start()
    if count >= _FEWEST:
        found.append((max(0, start - _MARGIN), min(len(text), end + _MARGIN)))
    return found


def mask(text: str, rules: Sequence[Rule] = RULES) -> tuple[str, Mapping[str, int]]:
    """The text with each finding replaced by its type, as [EMAIL], and how many there were of each."""
    found = find(text, rules)
    counts: dict[str, int] = {}
    parts: list[str] = []
    at = 0
    for one in found:
        counts[one.type] = counts.get(one.type, 0) + 1
        parts += (text[at : one.start], f"[{one.type}]")
        at = one.end
    return ("".join((*parts, text[at:])) if found else text), counts


def _judged(rule: Rule, text: str, match: re.Match[str]) -> Found | None:
    start, end = match.span()
    if rule.before is not None and start and rule.before.match(text[start - 1]):
        return None
    if rule.type == "IBAN":
        end = _iban_end(text, start, end)
    if rule.words is not None and rule.words.search(text[max(0, start - NEAR) : start]) is None:
        return None
    candidate = text[start:end]
    plain = candidate if rule.type in _KEEPING else candidate.translate(_SEPARATORS).upper()
    try:
        holds = rule.holds(plain)
    except ValueError:  # digits of another script, which int() refuses or a checksum does not know
        return None
    return Found(start, end, rule.type) if holds else None


def _iban_end(text: str, start: int, end: int) -> int:
    """Where the IBAN of its country ends, since the words after it look the same."""
    left = check.IBAN_LENGTHS.get(text[start : start + 2].upper(), 0)
    for at in range(start, end):
        left -= text[at].isalnum()
        if left == 0:
            return at + 1
    return end
