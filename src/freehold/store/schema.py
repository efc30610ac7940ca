"""The tables of the store. A change here comes with a revision in `migrations/versions`; a test compares the two."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"})

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("document", Text, nullable=False),  # the whole key as JSON; a new scope needs no new column
)

generations = Table(
    "generations",
    metadata,
    Column("name", Text, primary_key=True),  # the table that it counts the changes of
    Column("value", BigInteger, nullable=False),
)

budgets = Table(
    "budgets",
    metadata,
    Column("key", Text, primary_key=True),
    Column("period", BigInteger, primary_key=True, autoincrement=False),  # start, UTC nanoseconds
    Column("spent", BigInteger, nullable=False),  # nano-dollars, the sum over its leases
    Column("leased", BigInteger, nullable=False),  # nano-dollars drawn and not yet spent or returned
)

leases = Table(
    "leases",
    metadata,
    Column("key", Text, primary_key=True),
    Column("period", BigInteger, primary_key=True, autoincrement=False),
    Column("node", Text, primary_key=True),
    Column("spent", BigInteger, nullable=False),  # nano-dollars that this node ever settled in the period
    Column("leased", BigInteger, nullable=False),
    Index(None, "node"),
)

inferences = Table(
    "inferences",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),  # accepted, UTC nanoseconds
    Column("outcome", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("deployment", Text),
    Column("key", Text),
    Column("team", Text),
    Column("subject", Text),
    Column("status", Integer, nullable=False),
    Column("error", Text),
    Column("finish", Text),
    Column("stream", Boolean, nullable=False),
    Column("calls", Integer, nullable=False),  # attempts at deployments; more than one: there was a fallback
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cost", BigInteger),  # nano-dollars
    Column("ttft", BigInteger),  # nanoseconds
    Column("duration", BigInteger, nullable=False),  # nanoseconds
    Column("record", Text, nullable=False),  # the record of the ledger, JSON
    Index(None, "at"),
    Index(None, "deployment", "at"),
    Index(None, "route", "at"),
    Index(None, "key", "at"),
)

cursors = Table(
    "cursors",
    metadata,
    Column("node", Text, primary_key=True),
    Column("position", Text, nullable=False),  # how far this node's ledger is in `inferences`
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("beat_at", BigInteger, nullable=False),  # the lease runs from here
    Column("fenced", Boolean, nullable=False),  # the lease is lost or given back, for good
)

progress = Table(
    "progress",
    metadata,
    Column("job", Text, primary_key=True),
    Column("share", Float, nullable=False),  # 0 to 1
    Column("text", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),  # given, UTC nanoseconds
    Column("inference", Text),
    Column("episode", Text),
    Column("over", Text),  # of a preference: the inference that is worse
    Column("origin", Text, nullable=False),
    Column("record", Text, nullable=False),  # the whole judgement, JSON
    Index(None, "inference"),
    Index(None, "episode"),
    Index(None, "over"),
    Index(None, "at"),
)

consents = Table(
    "consents",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("allowed", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),  # UTC nanoseconds
)

datasets = Table(
    "datasets",
    metadata,
    Column("digest", Text, primary_key=True),  # SHA-256 of its examples, hex
    Column("name", Text, nullable=False),
    Column("at", BigInteger, nullable=False),  # built, UTC nanoseconds
    Column("examples", BigInteger, nullable=False),
    Column("folder", Text, nullable=False),  # inside the folder of the datasets
    Column("state", Text, nullable=False),  # active, or quarantined: something in it was erased or withdrawn
    Column("reason", Text, nullable=False),
    Index(None, "name", "at"),
)

dataset_inferences = Table(
    "dataset_inferences",
    metadata,
    Column("dataset", Text, primary_key=True),  # its digest
    Column("inference", Text, primary_key=True),
    Index(None, "inference"),
)

documents = Table(
    "documents",
    metadata,
    Column("kind", Text, primary_key=True),  # see documents.Kind
    Column("name", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),  # last changed, UTC nanoseconds
    Column("version", BigInteger, nullable=False),  # counts its changes, so that two writers cannot lose one
    Column("document", Text, nullable=False),  # JSON
    Index(None, "kind", "at"),
)

parcels = Table(
    "parcels",
    metadata,
    Column("name", Text, primary_key=True),  # kind/name
    Column("digest", Text, nullable=False),  # SHA-256 of the parts together, hex
    Column("size", BigInteger, nullable=False),  # bytes
)

parcel_parts = Table(
    "parcel_parts",
    metadata,
    Column("parcel", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 0
    Column("data", LargeBinary, nullable=False),
)

responses = Table(
    "responses",
    metadata,
    Column("owner", Text, primary_key=True),  # the key that asked; '' where the door was open
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),  # UTC nanoseconds
    Column("expires_at", BigInteger, nullable=False),
    Column("node", Text, nullable=False),  # the process that works on it, '' once that is over
    Column("previous", Text),  # the response that it continues
    Column("subject", Text),
    Column("record", Text, nullable=False),  # the whole of it, JSON
    Index(None, "expires_at"),
    Index(None, "node"),
    Index(None, "subject"),
)

response_items = Table(
    "response_items",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("id", Text, primary_key=True),  # of an item of the output
    Column("response", Text, primary_key=True),
    Index(None, "owner", "response"),
)

files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),  # the key that made it; '' where the door was open
    Column("at", BigInteger, nullable=False),  # UTC nanoseconds
    Column("expires_at", BigInteger),
    Column("purpose", Text, nullable=False),
    Column("home", Text, nullable=False),  # the data folder that has its bytes
    Column("digest", Text, nullable=False),  # SHA-256 of them, hex
    Column("size", BigInteger, nullable=False),  # bytes
    Column("record", Text, nullable=False),  # the whole of it, JSON
    Index(None, "owner", "id"),
    Index(None, "digest"),
    Index(None, "expires_at"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("home", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("input", Text, nullable=False),  # the file of its requests
    Column("holder", Text, nullable=False),  # the process that works on it; '' for none
    Column("held_until", BigInteger, nullable=False),  # the lease runs until here, UTC nanoseconds
    Column("epoch", BigInteger, nullable=False),  # counts the holders; an earlier one may change nothing
    Column("record", Text, nullable=False),
    Index(None, "owner", "id"),
    Index(None, "status"),
    Index(None, "input"),
)

batch_lines = Table(
    "batch_lines",
    metadata,
    Column("batch", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),  # from 0
    Column("inference", Text, nullable=False),  # under this id it is sent, written before it is
    Column("epoch", BigInteger, nullable=False),
    Column("offset", BigInteger),  # of its result, in the spool of the epoch; none: claimed and not finished
    Column("length", BigInteger),
    Column("good", Boolean),
)
