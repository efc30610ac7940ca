"""Embeddings and rankings, in no dialect: what is asked, and what is answered."""

from typing import Literal

from msgspec import Struct

Purpose = Literal["", "query", "document", "classification", "clustering", "similarity"]
"""What embeddings are for, where a model distinguishes; '' was not said."""


class Inputs(Struct, frozen=True, kw_only=True):
    """What is to be embedded: texts, or texts as token ids. `dimensions` of each vector, None for the model's own."""

    texts: tuple[str, ...] = ()
    tokens: tuple[tuple[int, ...], ...] = ()
    dimensions: int | None = None
    purpose: Purpose = ""
    truncate: bool | None = None
    losses: tuple[str, ...] = ()


class Ranking(Struct, frozen=True, kw_only=True):
    """Documents to be ranked by how well they answer a query; `top` of them, None for all."""

    query: str
    documents: tuple[str, ...]
    top: int | None = None
    losses: tuple[str, ...] = ()


class Vectors(Struct, frozen=True):
    """One vector for each input, in their order."""

    values: tuple[tuple[float, ...], ...]


class Ranked(Struct, frozen=True):
    """(place of the document among those sent, its score), the best first."""

    rows: tuple[tuple[int, float], ...]
