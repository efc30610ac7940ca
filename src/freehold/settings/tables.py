"""The settings: one frozen type for each table of the TOML file."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from freehold.catalog.override import Override
from freehold.core.deployment import Objective, Rollout
from freehold.core.label import ANYTHING, Clearance
from freehold.core.money import Price
from freehold.core.request import Need
from freehold.core.secret import Secret
from freehold.core.tariff import Tariff, flat
from freehold.governance.egress.target import ENTRY
from freehold.providers.simulated.simulation import Millis, Seconds, Share, Simulation

Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]

KIB = 1024
MIB = 1024 * KIB


class ServerSettings(Struct, frozen=True, kw_only=True):
    """Where Freehold listens, and what one client may ask of it. Sizes are bytes; port 0 takes any free one."""

    host: str = "127.0.0.1"
    port: Port = 4000
    tls_cert: str | None = None
    tls_key: str | None = None
    max_body: Count = 32 * MIB
    max_head: Count = 64 * KIB
    head_seconds: Seconds = 10.0
    body_seconds: Seconds = 60.0
    idle_seconds: Seconds = 75.0
    ping_seconds: Seconds = 15.0
    max_connections: Count = 10_000
    drain_seconds: Seconds = 30.0


class DataSettings(Struct, frozen=True, kw_only=True):
    """Where state is kept. No `database_url`: SQLite inside `folder`. `node` names the gateway's ledger."""

    folder: str = "freehold-data"
    node: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9.-]{0,62}$")] = "main"
    durability: Literal["async", "sync"] = "async"
    database_url: Secret | None = None


class DiscoverySettings(Struct, frozen=True, kw_only=True):
    """What is looked for beside the providers named here. None, as written: only while no provider is named."""

    environment: bool | None = None
    local: bool | None = None


class ProviderSettings(Struct, frozen=True, kw_only=True):
    """An account at a provider, or a server. `kind` is the id of a known provider; None: the table's own name.

    `values` fill the {placeholders} of the known address. `models` are what the server lists itself. `any_model`
    serves 'NAME/whatever-model' too; None: only while no deployment names this provider. `quirks` replace single
    quirks of the kind. `dialect` is the one it is called in; None: the kind's own. `secret_key`: that of an access key
    (`api_key`), with which requests are signed; `session_token`: of the session that the two are for.
    """

    kind: str | None = None
    base_url: str | None = None
    path: Annotated[str, Meta(pattern="^/")] | None = None
    values: dict[str, str] = {}
    api_key: Secret | None = None
    headers: dict[str, str] = {}
    secret_headers: dict[str, Secret] = {}
    models: tuple[str, ...] = ()
    any_model: bool | None = None
    connect_seconds: Seconds = 5.0
    first_byte_seconds: Seconds = 300.0
    idle_seconds: Seconds = 120.0
    max_connections: Count = 1_000
    quirks: dict[str, bool | int | float | str | list[str]] = {}
    dialect: str | None = None
    secret_key: Secret | None = None
    session_token: Secret | None = None


class DeploymentSettings(Struct, frozen=True, kw_only=True):
    """A model at a provider. What is None is taken from the catalog, and stays unknown where that does not know.

    `names` are further names under which callers may ask for the model. A `price` counts before a `tariff`.
    """

    provider: str
    model: str
    names: tuple[str, ...] = ()
    price: Price | None = None
    tariff: Tariff | None = None
    context_window: Count | None = None
    max_output_tokens: Count | None = None
    lacks: frozenset[Need] | None = None
    quality: Share | None = None
    ttft_ms: Millis | None = None
    tokens_per_second: Seconds | None = None
    clearance: Clearance = ANYTHING

    @property
    def asks(self) -> Tariff | None:
        """Its price list; None where it is unknown."""
        return self.tariff if self.price is None else flat(self.price)


class RouteSettings(Struct, frozen=True, kw_only=True):
    """A name for callers. `ordered` tries the deployments as written; `weights` draw the first one.

    `rollout` is laid over the file by `freehold rollout`; on a `pinned` route it goes beyond shadow only with --accept.
    """

    deployments: Annotated[tuple[str, ...], Meta(min_length=1)]
    objective: Objective = "balanced"
    ordered: bool = False
    weights: dict[str, Millis] = {}
    strict: bool = False
    collect: bool = False
    pinned: bool = False
    rollout: Rollout | None = None


class RetrySettings(Struct, frozen=True, kw_only=True):
    """Calls for one inference, and how long to wait between them. `budget_ratio`: retries per first call, at most."""

    attempts: Count = 3
    backoff_ms: Millis = 100.0
    max_backoff_ms: Millis = 2_000.0
    budget_ratio: Share = 0.2


class BreakerSettings(Struct, frozen=True, kw_only=True):
    """A deployment is left alone for `open_seconds` after at least `failures` in the window made up `error_rate`."""

    failures: Count = 5
    error_rate: Share = 0.5
    window_seconds: Seconds = 30.0
    open_seconds: Seconds = 15.0


class RecordSettings(Struct, frozen=True, kw_only=True):
    """Reserved for what a record keeps; it has no settings yet, so that any key in it is refused."""


class SimulatedSettings(Simulation, frozen=True, kw_only=True):
    """A simulated provider, and the `price` that its deployment asks."""

    price: Price | None = None


Engine = Literal["student", "prompt", "weights"]
"""student: in process; prompt: examples before each question to a base; weights: llama.cpp or transformers."""


class LocalSettings(Struct, frozen=True, kw_only=True):
    """A model that runs here, made by `freehold tune`: the folder of its artifact. Its tokens cost nothing unless
    `price` says otherwise. `base`: of the engine prompt, the deployment that answers."""

    artifact: str
    engine: Engine = "student"
    base: str | None = None
    price: Price | None = None
    quality: Share | None = None


class DeployerSettings(Struct, frozen=True, kw_only=True):
    """Who runs this gateway, as the licences of models see it; None: not said. `region` is an ISO 3166 code.

    `agreed`: models or licences with an agreement of one's own. `refuses`: models that are not served, by any of their
    names; those that a licence refuses are added to it.
    """

    region: Annotated[str, Meta(pattern="^[A-Za-z]{2}$")] | None = None
    monthly_users: Annotated[int, Meta(ge=0)] | None = None
    monthly_revenue_usd: Annotated[int, Meta(ge=0)] | None = None
    purposes: frozenset[str] | None = None
    trains: bool | None = None
    agreed: frozenset[str] = frozenset()
    refuses: tuple[str, ...] = ()


class CatalogSettings(Struct, frozen=True, kw_only=True):
    """Where `freehold catalog update` looks, and the verifier keys of those whose snapshots are taken.

    `overrides` are by 'PROVIDER/ID' of the offer, as the catalog names it, and count before every source.
    """

    url: str | None = None
    keys: tuple[str, ...] = ()
    overrides: dict[str, Override] = {}


class FlywheelSettings(Struct, frozen=True, kw_only=True):
    """What happens to models when something that they learned from is withdrawn: a consent, or a provider's terms.

    quarantine: they serve no more. retune: the same, and successors are made without what was withdrawn.
    """

    on_withdrawal: Literal["quarantine", "retune"] = "quarantine"


class ResponsesSettings(Struct, frozen=True, kw_only=True):
    """How long responses of /v1/responses are kept, for callers that read them again or continue them. 0: none is."""

    keep_days: Annotated[float, Meta(ge=0, le=36_500)] = 30.0


class IdempotencySettings(Struct, frozen=True, kw_only=True):
    """What is kept in memory of requests with an Idempotency-Key. `max_bytes`: of all answers together, about."""

    keep_hours: Annotated[float, Meta(ge=0, le=8_760)] = 24.0
    max_bytes: Count = 128 * MIB
    max_entries: Count = 10_000


class BatchesSettings(Struct, frozen=True, kw_only=True):
    """Requests under way, those of callers included, from which on those of batches wait."""

    at_once: Annotated[int, Meta(ge=1, le=10_000)] = 16


Host = Annotated[str, Meta(pattern=ENTRY)]
"""`name`, `*.name` for all below it, or an address; with a port where it is not the usual one."""


class EgressSettings(Struct, frozen=True, kw_only=True):
    """What is fetched that callers name: media by URL, for providers that take them only inline.

    `hosts`: those alone, where any are named. `private`: those also at addresses inside. `max_bytes` and
    `timeout_seconds` are for all media of one request. `clearance`: what a request may contain whose URLs are followed.
    """

    fetch_media: bool = False
    http: bool = False
    hosts: tuple[Host, ...] = ()
    deny: tuple[Host, ...] = ()
    private: tuple[Host, ...] = ()
    max_bytes: Count = 20 * MIB
    timeout_seconds: Seconds = 10.0
    at_once: Annotated[int, Meta(ge=1, le=1_000)] = 16
    clearance: Clearance = ANYTHING


class Settings(Struct, frozen=True, kw_only=True):
    """Everything an operator can set."""

    server: ServerSettings = ServerSettings()
    data: DataSettings = DataSettings()
    discovery: DiscoverySettings = DiscoverySettings()
    providers: dict[str, ProviderSettings] = {}
    deployments: dict[str, DeploymentSettings] = {}
    routes: dict[str, RouteSettings] = {}
    retry: RetrySettings = RetrySettings()
    breaker: BreakerSettings = BreakerSettings()
    record: RecordSettings = RecordSettings()
    simulated: dict[str, SimulatedSettings] = {}
    local: dict[str, LocalSettings] = {}
    deployer: DeployerSettings = DeployerSettings()
    catalog: CatalogSettings = CatalogSettings()
    flywheel: FlywheelSettings = FlywheelSettings()
    responses: ResponsesSettings = ResponsesSettings()
    batches: BatchesSettings = BatchesSettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    egress: EgressSettings = EgressSettings()
