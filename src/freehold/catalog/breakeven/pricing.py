"""What an API asks for the traffic: as it was recorded, or by the price list of an offer, request by request."""

from freehold.catalog.breakeven.costs import Asks
from freehold.catalog.breakeven.traffic import Traffic
from freehold.core.tariff import Tariff
from freehold.core.usage import Usage

OUTPUT_WEIGHT = 4
"""Times that a token of an answer usually costs one of a prompt: it divides recorded costs, which are not divided."""


def listed(traffic: Traffic, tariff: Tariff, at: int) -> Asks:
    """By a price list, at an instant (UTC nanoseconds); cached tokens at its rate for these. ValueError where it has no
    price for a request."""
    prompts = whole = 0
    for one in traffic.every:
        usage = Usage(input_tokens=one.input, output_tokens=one.output, cache_read_tokens=one.cached)
        prompt = Usage(input_tokens=one.input, cache_read_tokens=one.cached)
        both, front = tariff.bill(usage, at), tariff.bill(prompt, at)
        if both is None or front is None:
            raise ValueError(f"the price list has no price for {one.input} + {one.output} tokens")
        whole += both.amount
        prompts += front.amount
    return Asks(input=round(prompts * traffic.times), output=round((whole - prompts) * traffic.times))


def recorded(traffic: Traffic) -> Asks | None:
    """By what the requests did cost; those without a cost as those with one. None where none has."""
    priced = [one for one in traffic.every if one.cost is not None]
    tokens = sum(one.input + one.output for one in priced)
    spent = sum(one.cost for one in priced if one.cost is not None)
    if not spent:
        return None
    month = spent * traffic.times * (traffic.input + traffic.output) / tokens
    front = sum(one.input for one in priced)
    share = front / (front + OUTPUT_WEIGHT * sum(one.output for one in priced))
    return Asks(input=round(month * share), output=round(month * (1 - share)))
