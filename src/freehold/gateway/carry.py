"""Carry: what is sent to a provider for a request: the caller's own bytes where both speak the same dialect, else the
request translated."""

from freehold.core.deployment import Deployment
from freehold.core.errors import NotCarried
from freehold.core.ports import SendHeaders
from freehold.core.request import Request
from freehold.core.seal import Seal
from freehold.dialects.hints import HINTS
from freehold.dialects.links import MEDIA
from freehold.dialects.sealed import without
from freehold.dialects.seals import LOST
from freehold.dialects.translate import FORMS, family, translate
from freehold.gateway.exchange import Exchange
from freehold.gateway.media import follow, followed
from freehold.gateway.world import Account


def carry(exchange: Exchange, request: Request, deployment: Deployment, account: Account) -> bytes:
    """The body for a deployment. What is lost on the way is noted; NotCarried where nothing may be lost, Wanting where
    media have to be fetched first."""
    caller, dialect = exchange.ask.dialect, account.dialect
    media = exchange.media
    exchange.warnings = () if media is None else media.notes  # those of a deployment tried before are not of this one
    if exchange.sealed:
        request = _unsealed(exchange, request, deployment, account)
    if dialect is caller:
        past = exchange.ask.past
        if past is not None and past.account == account.provider:
            request = caller.decode_request(past.body)
        if not account.quirks.links and not request.needs.isdisjoint(MEDIA):
            request = followed(exchange, request)
        return caller.encode_request(request, model=deployment.model, quirks=account.quirks)
    if family(caller.name) != family(dialect.name):
        raise NotCarried(f"{deployment.id} is called in {dialect.name}: it does no {family(caller.name)}")
    written = translate(
        request,
        caller,
        dialect,
        model=deployment.model,
        quirks=account.quirks,
        account=account.provider,
        inline=None if media is None else media.inline,
    )
    if written.links:
        written = follow(exchange, request, written)
    if written.losses:
        _lose(exchange, deployment, written.losses)
    return written.body


def _unsealed(exchange: Exchange, request: Request, deployment: Deployment, account: Account) -> Request:
    """The request without what another account sealed. Who translates reads wrapped seals; who forwards a request does
    not, so they are taken out here, or unwrapped for the account that gave them."""
    verbatim = account.dialect is exchange.ask.dialect
    form = FORMS.get(account.dialect.name, "")

    def foreign(seal: Seal) -> bool:
        mine = exchange.sealed.get(seal) in (None, account.provider)
        return not mine if not seal.account else verbatim and not (mine and seal.form == form)

    kept = without(request, foreign, deployment.model, bare=verbatim)
    if any(map(foreign, exchange.sealed)):
        _lose(exchange, deployment, (LOST,))
    return kept


def _lose(exchange: Exchange, deployment: Deployment, losses: tuple[str, ...]) -> None:
    """Note what is lost; NotCarried where nothing may be. A hint is no reason to refuse."""
    if exchange.strict and (missed := [loss for loss in losses if loss not in HINTS]):
        lost = ", ".join(missed)
        raise NotCarried(
            f"{deployment.id} cannot be told: {lost}. Leave that out, or do not ask for strict",
        )
    exchange.warnings = tuple(dict.fromkeys((*exchange.warnings, *(f"lost: {loss}" for loss in losses))))


def headers(exchange: Exchange, account: Account, path: str, body: bytes) -> SendHeaders:
    """What the account always sends, and what of the caller's headers is meant for a provider of its dialect."""
    always = account.headers if account.sign is None else account.sign(path, body)
    ask = exchange.ask
    if account.dialect is not ask.dialect or not ask.dialect.passes:
        return always
    passed = {name.decode(): ask.headers[name].decode("latin-1") for name in ask.dialect.passes if name in ask.headers}
    for name, known in account.quirks.header_values.items():
        if name in passed:
            passed[name] = _listed(exchange, name, passed[name], known)
    sent = {name: value for name, value in passed.items() if value}
    return (*((name, value) for name, value in always if name not in sent), *sent.items())


def _listed(exchange: Exchange, name: str, value: str, known: tuple[str, ...]) -> str:
    """A header that is a list, with only what the provider knows; the rest is noted."""
    values = [one.strip() for one in value.split(",")]
    lost = [f"lost: {name} {one}" for one in values if one and one not in known]
    exchange.warnings = tuple(dict.fromkeys((*exchange.warnings, *lost)))
    return ",".join(one for one in values if one in known)
