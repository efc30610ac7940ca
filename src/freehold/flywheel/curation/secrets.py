"""Credentials in texts: tokens that their issuers gave a form, and values beside a telling name that look random.

Every pattern is bounded, so the time is linear in the text. A placeholder (`xxxx`, `your-key-here`, `<token>`) is none.
"""

import re
from collections import Counter
from collections.abc import Iterator
from math import log2

from msgspec import Struct


class Secret(Struct, frozen=True, order=True):
    """A credential in a text: from `start` to before `end`, in code points, and the form it has."""

    start: int
    end: int
    form: str


_A = r"[A-Za-z0-9]"
_W = r"[A-Za-z0-9_-]"
_FORMS: dict[str, str] = {
    "private key": r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----",
    "AWS access key": r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}",
    "GitHub token": rf"gh[pousr]_{_A}{{36,255}}|github_pat_{_W}{{22,255}}",
    "GitLab token": rf"gl(?:pat|ptt|dt|rt|soat|cbt|ft|imt|agent|oas)-{_W}{{20,300}}",
    "Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\d-[A-Za-z0-9-]{10,250}",
    "Slack webhook": r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{40,80}",
    "Anthropic key": rf"sk-ant-{_W}{{20,200}}",
    "OpenAI key": rf"sk-(?:proj-|svcacct-|admin-)?{_W}{{20,250}}",
    "Google API key": rf"AIza{_W}{{35}}",
    "Google OAuth": rf"GOCSPX-{_W}{{28}}|ya29\.{_W}{{20,400}}",
    "Stripe key": rf"(?:[rs]k|whsec)_(?:live|test|prod)?_?{_A}{{16,250}}",
    "SendGrid key": rf"SG\.{_W}{{16,64}}\.{_W}{{30,64}}",
    "Twilio key": r"(?:SK|AC)[0-9a-f]{32}",
    "npm token": rf"npm_{_A}{{36}}",
    "PyPI token": rf"pypi-{_W}{{50,1000}}",
    "Hugging Face token": rf"(?:hf|api_org)_{_A}{{34}}",
    "JSON web token": rf"ey[A-Za-z0-9]{_W}{{15,4000}}\.ey{_W}{{10,8000}}(?:\.{_W}{{0,2000}})?",
    "DigitalOcean token": r"do[opr]_v1_[a-f0-9]{64}",
    "Shopify token": r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}",
    "Square token": rf"sq0[a-z]{{3}}-{_W}{{22,43}}|EAAA{_W}{{60}}",
    "Mailgun key": r"(?:key|pubkey)-[0-9a-f]{32}",
    "Mailchimp key": r"[0-9a-f]{32}-us\d{1,2}",
    "Telegram token": rf"\d{{5,16}}:A{_W}{{34}}",
    "Discord token": rf"[MNO]{_W}{{23,27}}\.{_W}{{6}}\.{_W}{{27,40}}",
    "webhook": r"discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,70}|"
    r"webhook\.office\.com/webhookb2/[\w@-]{30,200}",
    "Azure key": r"(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,90}={0,2}|[\w~.-]{3}\dQ~[\w~.-]{31,34}",
    "password in a URL": r"[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s:/@'\"<>]{0,80}:(?![$*{%])[^\s:/@'\"<>]{3,100}@[\w.-]{1,200}",
    "1Password": rf"ops_ey{_W}{{250,5000}}=?|A3-[A-Z0-9]{{6}}-(?:[A-Z0-9]{{11}}|"
    rf"[A-Z0-9]{{6}}-[A-Z0-9]{{5}})(?:-[A-Z0-9]{{5}}){{3}}",
    "age key": r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}",
    "Vault token": rf"hv[sb]\.{_W}{{24,300}}|(?<![\w.])s\.{_A}{{24}}",
    "Databricks token": r"dapi[a-f0-9]{32}(?:-\d)?",
    "Doppler token": rf"dp\.(?:pt|st|ct|scim|audit)\.(?:[a-z0-9-]{{2,35}}\.)?{_A}{{40,44}}",
    "Linear key": rf"lin_(?:api|oauth)_{_A}{{40,64}}",
    "Notion token": rf"ntn_{_A}{{40,60}}|secret_{_A}{{43}}",
    "Postman key": r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}",
    "Pulumi token": r"pul-[a-f0-9]{40}",
    "Grafana token": r"gl(?:c|sa)_[A-Za-z0-9+/_]{32,400}={0,2}",
    "New Relic key": r"NR(?:AK|JS|II|RA)-[A-Za-z0-9-]{19,40}|[a-f0-9]{36}NRAL",
    "Atlassian token": r"AT(?:ATT|BB|CTT)3[A-Za-z0-9_=-]{24,300}",
    "Dynatrace token": r"dt0[a-z]\d\d\.[A-Z0-9]{8,24}\.[A-Z0-9]{64}",
    "Figma token": rf"fig[doru]h?_{_W}{{40,60}}",
    "Fly token": r"fo1_[\w-]{43}|fm[12][ar]?_[A-Za-z0-9+/]{100,2000}={0,3}",
    "Sentry token": rf"sntry[su]_{_W}{{40,300}}",
    "Docker token": rf"dckr_(?:pat|oat)_{_W}{{27,40}}",
    "RubyGems key": r"rubygems_[a-f0-9]{48}",
    "crates.io token": rf"cio{_A}{{32}}",
    "Terraform token": rf"{_A}{{14}}\.atlasv1\.[\w-]{{60,70}}",
    "PlanetScale": r"pscale_(?:tkn|pw|oauth)_[\w=.-]{32,64}",
    "prefixed token": r"(?:r8|gsk|xai|nvapi|pplx|tvly|rdme|sbp|fh|tfp|phx|xkeysib|pat-(?:na|eu)1|lsv2_(?:pt|sk)|"
    r"EZ[AT]K|"
    r"shippo_(?:live|test)|duffel_(?:live|test)|FLWSECK(?:_TEST)?)[-_][A-Za-z0-9_.-]{20,200}",
}
_FORM = re.compile("|".join(f"(?P<f{i}>{pattern})" for i, pattern in enumerate(_FORMS.values())))
_NAMES = tuple(_FORMS)
_RUN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,60}-----|[^\s\"'`<>]{11,10000}")
_BEGINS = re.compile(r"[A-Za-z0-9]")

_NAMED = re.compile(
    r"(?:(?<![A-Za-z0-9+/=])|(?<=[a-z])(?=[A-Z]))"
    r"(?P<name>api[ _.-]?key|key|token|secret|passw(?:or)?d|passwort|contrase[nñ]a|mot de passe|pwd|passphrase|"
    r"credential|auth|"
    r"bearer|basic|client[_-]?id|cookie|signature|hmac|licen[sc]e|pat)"
    r"[\w.-]{0,24}[\"'`)\]*]{0,3} {0,4}(?:=>|:=|==|=|:|is|ist|lautet|,|\|>|->|>)? {0,4}[\"'`(<*]{0,3}"
    r"(?P<value>[A-Za-z0-9+/_.~!@#$%^&*:=-]{8,400})",
    re.IGNORECASE,
)
_TELLING = re.compile(
    r"key|token|secret|passw|contrase|mot de passe|pwd|passphrase|credential|auth|bearer|basic|client|cookie|signature|"
    r"hmac|licen|pat",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"pass|pwd|contrase|kennwort", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"example|sample|dummy|placeholder|your|change|redacted|test123|x{4,}|\*{3,}|\.{3}|0{8}|<|\$\{|\{\{|%[sd]|"
    r"process\.env|os\.environ|getenv|secrets?\.|vault|null|undefined|none|true|false",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"1234567|abcdef", re.IGNORECASE)  # in a long value, a sample in the form of a real one
_HASH = re.compile(
    r"(?:sha-?(?:1|256|384|512)|md5|integrity|checksum|digest|commit|rev|etag)[\w\"': =-]{0,12}$", re.IGNORECASE
)
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


def secrets(text: str) -> list[Secret]:
    """The credentials in a text, from left to right."""
    found = [*_formed(text)]
    for one in _named(text):
        if not any(f.start < one.end and one.start < f.end for f in found):
            found.append(one)
    return sorted(found)


def entropy(text: str) -> float:
    """Bits for each character, of the characters as they are spread in this text."""
    if not text:
        return 0.0
    return -sum(n / len(text) * log2(n / len(text)) for n in Counter(text).values())


def _formed(text: str) -> Iterator[Secret]:
    """No form has a space or a quote in it, but that of private keys: only long runs without them are looked at."""
    for run in _RUN.finditer(text):
        yield from _in_run(text, *run.span())


def _in_run(text: str, begin: int, end: int) -> Iterator[Secret]:
    for match in _FORM.finditer(text, begin, end):
        start, end = match.span()
        if start and _BEGINS.match(text[start - 1]):
            continue
        name = _NAMES[int((match.lastgroup or "f0")[1:])]
        value = match[0]
        if name == "private key" or (entropy(value[-40:]) > 2.8 and not _fake(value)):
            yield Secret(start, end, name)


def _fake(value: str) -> bool:
    return re.search(r"x{6,}|X{6,}|0{10}|\*{4}|\.{3}|[Ee]xample|EXAMPLE|(.)\1{7}", value) is not None


def _named(text: str) -> Iterator[Secret]:
    if _TELLING.search(text) is None:
        return
    at = 0
    while (match := _NAMED.search(text, at)) is not None:
        at = match.start("value")
        value = match["value"].rstrip(".:,!")
        if _random(value, _PASSWORD.search(match[0][: match.start("value") - match.start()]) is not None):
            if not _HASH.search(text[max(0, match.start() - 24) : match.start("value")]):
                yield Secret(at, at + len(value), "value of a secret's name")
            at = match.end()


def _random(value: str, password: bool) -> bool:
    """Whether a value looks drawn by chance: mixed kinds of characters, and spread like chance."""
    if _UUID.fullmatch(value):
        return value[:8] != "0" * 8
    if len(value) < 8 or _PLACEHOLDER.search(value) or (len(value) < 20 and _COUNTED.search(value)):
        return False
    kinds = sum(1 for kind in (r"[a-z]", r"[A-Z]", r"\d", r"[^A-Za-z0-9]") if re.search(kind, value))
    if password:
        return kinds >= 3 and entropy(value) >= 2.5
    digits = sum(c.isdigit() for c in value)
    return (
        len(value) >= 16
        and kinds >= 2
        and digits >= 2
        and entropy(value) >= 3.3
        and value.count("/") <= len(value) / 12
    )
