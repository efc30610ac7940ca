"""Names: which model a name stands for on a day, in all and at each provider."""

from collections.abc import Callable, Mapping
from functools import cached_property

from freehold.catalog import alias
from freehold.catalog.alias import Inferred, Meaning
from freehold.catalog.schema import Alias, File, Listing, Model


class Names:
    """The names of a catalog: those of its models, and the aliases, which stand for another from day to day."""

    def __init__(self, file: File, models: Mapping[str, Model], listings: Callable[[str], tuple[Listing, ...]]) -> None:
        self._file = file
        self._models = models
        self._listings = listings
        self._inferred: dict[tuple[str, str], Inferred] = {}
        self._standing: dict[str, Mapping[str, tuple[str, ...]]] = {}
        self._called: dict[tuple[str, str], Mapping[str, tuple[str, ...]]] = {}

    def named(self, name: str, on: str) -> Model | None:
        """The model of this name, or that an alias stood for on the day (ISO date); where it stands for something else
        from provider to provider, the entry of the name itself."""
        if self._rows(name):
            holding = next((one for one in self.meanings(name) if one.holds(on)), None)
            return None if holding is None else self._models[holding.model]
        own = self._models.get(name)
        if own is None or not alias.is_latest(name):
            return own
        at_each = (self.meaning(listing, on) for listing in self._listings(name) if not _over(listing, on))
        agreed = {None if one is None else one.model for one in at_each}
        (only,) = agreed if len(agreed) == 1 else (None,)
        return own if only is None else self._models[only]

    def meanings(self, name: str) -> tuple[Meaning, ...]:
        """What a name stands for over time: as a row of the catalog says, else as it is inferred at each provider."""
        if rows := self._rows(name):
            return alias.listed(rows, self._file.sources)
        return tuple(one for listing in self._listings(name) for one in self.inferred(listing).meanings)

    def means(self, listing: Listing) -> tuple[Meaning, ...]:
        """What the name of an offer stands for over time; nothing where it is a model of its own."""
        if rows := self._rows(listing.model, listing.provider):
            return alias.listed(rows, self._file.sources)
        return self.inferred(listing).meanings

    def meaning(self, listing: Listing, on: str) -> Meaning | None:
        """What the name of an offer stands for on a day; None where it is a model of its own."""
        return next((one for one in self.means(listing) if one.holds(on)), None)

    def inferred(self, listing: Listing) -> Inferred:
        """What a name with 'latest' in it means at its provider, where no row of the catalog says so."""
        if not alias.is_latest(listing.model) or self._rows(listing.model, listing.provider):
            return Inferred()
        key = (listing.provider, listing.id)
        if key not in self._inferred:
            kin = (one for model in alias.kin(listing.model, self._file.listings) for one in self._listings(model))
            self._inferred[key] = alias.inferred(listing, kin, self._models, self._file.sources)
        return self._inferred[key]

    def target(self, meaning: Meaning, listing: Listing) -> Listing | None:
        """The offer that is meant by the name of another, at the same provider."""
        if meaning.id is not None:
            return next(one for one in self._listings(meaning.model) if (one.provider, one.id) == _place(meaning))
        there = (listing.provider, listing.region)
        same = (one for one in self._listings(meaning.model) if (one.provider, one.region) == there)
        return min(same, key=lambda one: (len(one.id), one.id), default=None)

    def called(self, provider: str, on: str) -> Mapping[str, tuple[str, ...]]:
        """The aliases that stand for each offer of a provider on a day, by the offer's id."""
        if (provider, on) not in self._called:
            names: dict[str, list[str]] = {}
            for name in self._aliases:
                for one in self.meanings(name):
                    if one.holds(on) and one.provider in {None, provider}:
                        of = (o.id for o in self._listings(one.model) if o.provider == provider)
                        for id in of if one.id is None else (one.id,):
                            names.setdefault(id, []).append(name)
            self._called[provider, on] = {id: tuple(dict.fromkeys(of)) for id, of in names.items()}
        return self._called[provider, on]

    def standing(self, on: str) -> Mapping[str, tuple[str, ...]]:
        """The aliases that stand for each model on a day, at one provider at least, by the model."""
        if on not in self._standing:
            names: dict[str, list[str]] = {}
            for name in self._aliases:
                for model in {one.model for one in self.meanings(name) if one.holds(on)}:
                    names.setdefault(model, []).append(name)
            self._standing[on] = {model: tuple(of) for model, of in names.items()}
        return self._standing[on]

    @cached_property
    def _aliases(self) -> tuple[str, ...]:
        """Every name that may stand for a model."""
        return tuple(sorted({*(row.name for row in self._file.aliases), *filter(alias.is_latest, self._models)}))

    def _rows(self, name: str, provider: str | None = None) -> tuple[Alias, ...]:
        """The rows about a name, at a provider where one is given."""
        every = (row for row in self._file.aliases if row.name == name)
        return tuple(row for row in every if provider is None or row.provider in {None, provider})

    def meant(self, name: str, on: str) -> Model | None:
        """The same for people: also the one model whose name goes on from this, as qwen3.5-122b does."""
        named = self.named(name, on)
        if named is not None or self._rows(name):
            return named
        longer = [model for id_, model in self._models.items() if id_.startswith(f"{name.lower()}-")]
        return longer[0] if len(longer) == 1 else None


def _place(meaning: Meaning) -> tuple[str | None, str | None]:
    return meaning.provider, meaning.id


def _over(listing: Listing, on: str) -> bool:
    return any(s.ends is not None and s.ends <= on for s in listing.sightings)
