"""One TOML file and the environment become settings, or one list of everything that is wrong."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields

from freehold.core.errors import SettingsWrong
from freehold.core.label import Clearance, Sensitivity
from freehold.core.money import Price
from freehold.core.secret import Secret
from freehold.settings import tables
from freehold.settings.load import load, read
from freehold.settings.tables import DeploymentSettings, ProviderSettings, Settings


def problems(folder: Path, toml: str, env: dict[str, str] | None = None) -> list[str]:
    file = folder / "settings.toml"
    file.write_text(toml)
    with pytest.raises(SettingsWrong) as wrong:
        load(file, env or {})
    return wrong.value.message.split("\n")


def loaded(folder: Path, toml: str, env: dict[str, str] | None = None) -> Settings:
    file = folder / "settings.toml"
    file.write_text(toml)
    return load(file, env or {})


def test_without_a_file_everything_has_its_default_and_discovery_is_on() -> None:
    settings = load(None, {})

    assert (settings.server.host, settings.server.port, settings.data.folder) == ("127.0.0.1", 4000, "freehold-data")
    assert (settings.discovery.environment, settings.discovery.local) == (True, True)
    assert (settings.providers, settings.deployments, settings.routes, settings.simulated) == ({}, {}, {}, {})


def test_a_whole_file_loads(tmp_path: Path) -> None:
    (tmp_path / "lab.key").write_text("lab-secret\n")
    settings = loaded(
        tmp_path,
        """
        [server]
        port = 8443
        head_seconds = 5
        [data]
        folder = "state"
        durability = "sync"
        [providers.openai]
        headers = { X-Team = "blue" }
        [providers.lab]
        base_url = "http://10.0.0.7:8000/v1/"
        api_key = "file:lab.key"
        secret_headers = { X-Pass = "env:PASS" }
        [deployments.small]
        provider = "lab"
        model = "qwen"
        price = { input = "1.25", output = 10, cache_read = 0.125 }
        lacks = ["image"]
        clearance = { ceiling = "internal", zone = "eu" }
        [routes.support]
        deployments = ["small", "openai/gpt-5"]
        weights = { small = 3, "openai/gpt-5" = 1 }
        """,
        {"OPENAI_API_KEY": "sk-1", "PASS": "p"},
    )

    assert settings.server.port == 8443
    assert settings.server.head_seconds == 5.0
    assert settings.data.folder == str(tmp_path / "state")
    assert settings.providers == {
        "openai": ProviderSettings(
            kind="openai",
            base_url="https://api.openai.com/v1",
            path="/chat/completions",
            api_key=Secret("sk-1", source="env:OPENAI_API_KEY"),
            headers={"x-team": "blue"},
        ),
        "lab": ProviderSettings(
            kind="openai-compatible",
            base_url="http://10.0.0.7:8000/v1",
            path="/chat/completions",
            api_key=Secret("lab-secret", source="file:lab.key"),
            secret_headers={"x-pass": Secret("p", source="env:PASS")},
        ),
    }
    assert settings.deployments == {
        "small": DeploymentSettings(
            provider="lab",
            model="qwen",
            price=Price(input=1_250_000_000, output=10_000_000_000, cache_read=125_000_000),
            lacks=frozenset({"image"}),
            clearance=Clearance(ceiling=Sensitivity.INTERNAL, zone="eu"),
        )
    }
    assert settings.routes["support"].weights == {"small": 3.0, "openai/gpt-5": 1.0}
    assert (settings.discovery.environment, settings.discovery.local) == (False, False)


def test_all_problems_are_listed_at_once_with_their_places(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        """
        [sever]
        [server]
        prot = 1
        port = 65536
        idle_seconds = inf
        [data]
        durability = "snyc"
        [providers.lab]
        base_url = "10.0.0.7:8000"
        [providers.opnai]
        [deployments.small]
        provider = "lba"
        price = { input = "1.23456789012", outptu = 3 }
        clearance = { ceiling = "secret" }
        [routes.support]
        deployments = ["smal", "small", "small"]
        objective = "cheapst"
        weights = { large = 1 }
        [simulated.toy]
        error_status = 200
        rules = [{ reply = "a", contains = "x" }, { reply = "b" }]
        [retry]
        backoff_ms = 9000
        """,
    ) == [
        "settings.toml: [sever]: no such setting; did you mean server?",
        "settings.toml: [server] prot: no such setting; did you mean port?",
        "settings.toml: [server] port: expected int <= 65535",
        "settings.toml: [server] idle_seconds: expected a finite number",
        "settings.toml: [data] durability: expected one of async, sync; did you mean sync?",
        "settings.toml: [deployments.small] model: is missing",
        "settings.toml: [deployments.small] price.input: '1.23456789012' is not a whole number of nano-dollars "
        "(nine decimals at most)",
        "settings.toml: [deployments.small] price.outptu: no such setting; did you mean output?",
        "settings.toml: [deployments.small] price.output: is missing",
        "settings.toml: [deployments.small] clearance.ceiling: expected one of public, internal, confidential, "
        "restricted",
        "settings.toml: [routes.support] objective: expected one of cheapest, fastest, best, balanced; did you mean "
        "cheapest?",
        "settings.toml: [simulated.toy] error_status: expected int >= 400",
        "settings.toml: [simulated.toy] rules[2]: needs either contains or regex",
        "settings.toml: [routes.support] deployments: there is no deployment smal; did you mean small?",
        "settings.toml: [routes.support] deployments: names a deployment twice",
        "settings.toml: [routes.support] weights.large: is not among the deployments of this route",
        "settings.toml: [retry] backoff_ms: is larger than max_backoff_ms",
        "settings.toml: [providers.lab] base_url: expected an address such as https://api.example.com/v1",
        "settings.toml: [providers.opnai] kind: is missing; did you mean openai?",
    ]


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("server = 3", "[server]: expected a table, got a number"),
        ("providers = ['openai']", "[providers]: expected tables [providers.NAME], got a list"),
        ("[providers]\nopenai = true", "[providers.openai]: expected a table, got true or false"),
        ("[simulated.toy]\nrules = [3]", "[simulated.toy] rules[1]: expected a table, got a number"),
        ("[simulated.toy]\nname = 'x'", "[simulated.toy] name: no such setting"),
        ("[simulated.'a/b']", '[simulated."a/b"]: the name of a provider has no slash, since callers write NAME/model'),
        ("[simulated.'a b']", '[simulated."a b"]: a name is made of visible ASCII characters without spaces'),
        ("[simulated.toy]\nreplay = 'gone.jsonl'", "[simulated.toy] replay: there is no file {folder}/gone.jsonl"),
        (
            "[simulated.toy]\nrules = [{ reply = '', regex = '(' }]",
            "[simulated.toy] rules[1].regex: is not a regular expression: missing ), unterminated subpattern at "
            "position 0",
        ),
        (
            "[simulated.toy]\n[deployments.d]\nprovider = 'tyo'\nmodel = 'm'",
            "[deployments.d] provider: no provider has this name; did you mean toy?",
        ),
        (
            "[simulated.toy]\n[routes.r]\ndeployments = ['toy/x']",
            "[routes.r] deployments: there is no deployment toy/x; write a name of [deployments], or PROVIDER/MODEL",
        ),
        ("[routes.r]\ndeployments = []", "[routes.r] deployments: expected array of length >= 1"),
        ("[server]\ntls_cert = 'settings.toml'", "[server] tls_key: is missing, and tls_cert is of no use without it"),
        ("[record]\nbodies = true", "[record] bodies: no such setting"),
        ("[data]\nfolder = 2026-01-01", "[data] folder: expected str, got date"),
        ("[providers.bedrock]\napi_key = 'env:K'",
         "[providers.bedrock] base_url: the address of Amazon Bedrock needs its "
         'region: set values = {{ region = "..." }} or AWS_REGION or AWS_DEFAULT_REGION'),
        ("[providers.bedrock]\nbase_url = 'http://127.0.0.1:1'\napi_key = 'env:K'\nsecret_key = 'env:K'",
         "[providers.bedrock] values.region: is missing; requests are signed for one: write it or set AWS_REGION"),
        ("[providers.openai]\napi_key = 'env:K'\nsecret_key = 'env:K'", "[providers.openai] secret_key: requests to "
         "OpenAI are not signed; remove it"),
        ("[providers.azure-openai]\napi_key = 'env:K'", "[providers.azure-openai] base_url: the address of Azure "
         'OpenAI needs its resource: set values = {{ resource = "..." }} or AZURE_RESOURCE_NAME or '
         "AZURE_OPENAI_ENDPOINT"),
        ("[providers.azure-openai]\napi_key = 'env:K'\nvalues = { resource = 'a', reson = 'b' }",
         "[providers.azure-openai] values.reson: the address of Azure OpenAI has no such part; did you mean resource?"),
        ("[providers.lab]\nkind = 'openai-compatible'", "[providers.lab] base_url: is missing"),
        ("[providers.lab]\nkind = 'opena'\nbase_url = 'http://x'", "[providers.lab] kind: no known provider; did you "
         "mean openai?"),
        ("[providers.lab]\nbase_url = 'http://u:p@x/v1'", "[providers.lab] base_url: holds a user name or password; "
         "use api_key"),
        ("[providers.lab]\nbase_url = 'http://x:99999/v1'", "[providers.lab] base_url: port out of range 0-65535"),
        ("[providers.lab]\nbase_url = 'http://x/v1?a=1'", "[providers.lab] base_url: has a query or fragment; only "
         "scheme, host, port and path belong here"),
        ("[providers.lab]\nbase_url = 'http://x/v1/chat/completions'", "[providers.lab] base_url: ends with "
         "/chat/completions; leave that out, it is added"),
        ("[providers.lab]\nbase_url = 'http://x'\nheaders = { Host = 'y' }", "[providers.lab] headers.Host: is set by "
         "the connection itself; remove it"),
        ("[providers.lab]\nbase_url = 'http://x'\nheaders = { 'a b' = 'y' }", "[providers.lab] headers.a b: is not a "
         "header name"),
        ("[providers.lab]\nbase_url = 'http://x'\nheaders = { x = \"a\\r\\nb\" }", "[providers.lab] headers.x: holds "
         "characters that no header can carry"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_the_way_out(tmp_path: Path, toml: str, problem: str) -> None:
    expected = f"settings.toml: {problem}".replace("{folder}", str(tmp_path)).replace("{{", "{").replace("}}", "}")
    assert problems(tmp_path, toml, {"K": "k"}) == [expected]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsWrong, match=r"gone\.toml: cannot be read: no such file or directory"):
        load(tmp_path / "gone.toml", {})

    (tmp_path / "bytes.toml").write_bytes(b"[server]\nhost = '\xff'")
    with pytest.raises(SettingsWrong, match=r"bytes\.toml: is not UTF-8 text \(byte 17\)"):
        load(tmp_path / "bytes.toml", {})

    with pytest.raises(
        SettingsWrong, match=r"settings\.toml: is not TOML: Expected '\]' at the end of a table declaration"
    ):
        loaded(tmp_path, "[server")

    with pytest.raises(SettingsWrong, match=r"settings\.toml: is nested too deeply"):
        loaded(tmp_path, "a = " + "[" * 20_000)


def test_the_environment_names_the_file_and_wins_over_it(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text("[server]\nhost = '::1'\nport = 1\n[data]\nfolder = 'd'")
    env = {
        "FREEHOLD_SETTINGS": str(tmp_path / "s.toml"),
        "FREEHOLD_HOST": "0.0.0.0",
        "FREEHOLD_PORT": "4001",
        "FREEHOLD_DATA": "elsewhere",
        "FREEHOLD_DATABASE_URL": "postgresql://u:p@db/f",
    }

    settings = load(None, env)

    assert (settings.server.host, settings.server.port, settings.data.folder) == ("0.0.0.0", 4001, "elsewhere")
    assert settings.data.database_url == Secret("postgresql://u:p@db/f", source="env:FREEHOLD_DATABASE_URL")


def test_the_port_that_kubernetes_sets_for_a_service_is_ignored_but_a_wrong_one_is_refused() -> None:
    assert load(None, {"FREEHOLD_PORT": "tcp://10.1.2.3:4000"}).server.port == 4000

    with pytest.raises(SettingsWrong, match=r"FREEHOLD_PORT: expected a whole number from 0 to 65535, got '70000'"):
        load(None, {"FREEHOLD_PORT": "70000"})


def test_a_route_may_name_a_provider_that_only_the_environment_knows(tmp_path: Path) -> None:
    toml = "[routes.r]\ndeployments = ['openai/gpt-5']"

    assert loaded(tmp_path, toml, {"OPENAI_API_KEY": "sk-1"}).routes["r"].deployments == ("openai/gpt-5",)
    assert problems(tmp_path, toml) == [
        "settings.toml: [routes.r] deployments: there is no deployment openai/gpt-5; write a name of [deployments], "
        "or PROVIDER/MODEL"
    ]


def test_a_provider_whose_deployments_are_named_serves_no_others_unless_it_says_so(tmp_path: Path) -> None:
    toml = """
    [providers.openai]
    {any_model}
    [deployments.small]
    provider = "openai"
    model = "gpt-5-mini"
    [routes.r]
    deployments = ["openai/gpt-5"]
    """
    env = {"OPENAI_API_KEY": "sk-1"}

    assert len(problems(tmp_path, toml.format(any_model=""), env)) == 1
    assert loaded(tmp_path, toml.format(any_model="any_model = true"), env).routes["r"].deployments == ("openai/gpt-5",)


NAMES = sorted(
    {"openai", "x", "a/b", "auto", ""}
    | {f.name for name in vars(tables) if name.endswith("ettings") for f in fields(getattr(tables, name))}
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from([*NAMES, "env:K", "file:/", "é", "a\nb"])
)
TREES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda t: st.lists(t, max_size=3) | st.dictionaries(st.sampled_from(NAMES), t, max_size=5), max_leaves=30
)


@given(st.dictionaries(st.sampled_from(NAMES), TREES, max_size=6))
def test_whatever_a_file_says_it_loads_or_every_line_names_a_place(tree: dict[str, Any]) -> None:
    wrong: list[str] = []
    try:
        read(tree, source="s.toml", folder=Path("/nonexistent"), env={"K": "k"})
    except SettingsWrong as error:
        wrong = error.message.split("\n")
    assert all(line.startswith("s.toml: [") for line in wrong)


def test_a_rollout_names_a_deployment_and_a_share(tmp_path: Path) -> None:
    file = tmp_path / "freehold.toml"
    file.write_text(
        '[simulated.lab]\n[deployments.old]\nprovider = "lab"\nmodel = "old"\n'
        '[routes.support]\ndeployments = ["old"]\ncollect = true\n'
        '[routes.support.rollout]\ncandidate = "odl"\nstep = "canary"\nshare = 2.0\n'
    )

    with pytest.raises(SettingsWrong) as wrong:
        load(file, {})

    assert "[routes.support] rollout.share: expected 0 to 1, got 2" in wrong.value.message
    assert "[routes.support] rollout.candidate: there is no deployment odl; did you mean old?" in wrong.value.message
