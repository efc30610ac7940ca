"""What is found in the environment and on this machine, and what is not mistaken for it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from freehold.core.secret import Secret
from freehold.providers.discovery import PORTS, Found, from_environment, local_servers

Pages = dict[str, bytes]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def models(*rows: tuple[str, str], **more: object) -> bytes:
    """The answer to GET /v1/models, for (id, owned_by)."""
    data = [{"id": id, "object": "model", "created": 1, "owned_by": owner, **more} for id, owner in rows]
    return json.dumps({"object": "list", "data": data}).encode()


@asynccontextmanager
async def server(pages: Pages, *, status: bytes = b"200 OK", asked: asyncio.Event | None = None) -> AsyncIterator[int]:
    """A small HTTP server on a free loopback port, which it yields. `asked`: is set by the first request."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        if asked is not None:
            asked.set()
        body = pages.get(path)
        head = b"HTTP/1.1 404 Not Found\r\n\r\n" if body is None else b"HTTP/1.1 %b\r\n\r\n" % status
        writer.write(head + (body or b""))
        await writer.drain()
        writer.close()

    async with raw(answer) as port:
        yield port


@asynccontextmanager
async def raw(answer: Handler) -> AsyncIterator[int]:
    """A server that says anything at all, on a free loopback port, which it yields."""
    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def test_keys_in_the_environment_are_found_in_the_order_of_the_known_providers() -> None:
    env = {"DEEPSEEK_API_KEY": "d", "OPENAI_API_KEY": "o", "HF_TOKEN": "h", "GROQ_API_KEY": "  ", "HOME": "/root"}

    assert from_environment(env) == [
        Found(
            provider="openai",
            via="OPENAI_API_KEY",
            base_url="https://api.openai.com/v1",
            api_key=Secret("o", source="env:OPENAI_API_KEY"),
        ),
        Found(
            provider="deepseek",
            via="DEEPSEEK_API_KEY",
            base_url="https://api.deepseek.com",
            api_key=Secret("d", source="env:DEEPSEEK_API_KEY"),
        ),
        Found(
            provider="huggingface-router",
            via="HF_TOKEN",
            base_url="https://router.huggingface.co/v1",
            api_key=Secret("h", source="env:HF_TOKEN"),
        ),
    ]


def test_a_key_of_a_provider_that_cannot_be_called_says_why() -> None:
    env = {"AWS_ACCESS_KEY_ID": "a", "AWS_BEARER_TOKEN_BEDROCK": "b", "GPUSTACK_API_KEY": "g"}

    assert [(f.provider, f.via, f.problem) for f in from_environment(env)] == [
        (
            "bedrock",
            "AWS_BEARER_TOKEN_BEDROCK",
            "the address of Amazon Bedrock needs its region: "
            'set values = { region = "..." } or AWS_REGION or AWS_DEFAULT_REGION',
        ),
        (
            "bedrock-mantle",
            "AWS_BEARER_TOKEN_BEDROCK",
            "the address of Amazon Bedrock (OpenAI endpoint) needs its region: "
            'set values = { region = "..." } or AWS_REGION or AWS_DEFAULT_REGION',
        ),
        ("gpustack", "GPUSTACK_API_KEY", "needs base_url in a table [providers.gpustack]"),
    ]
    found = {f.provider: f.base_url for f in from_environment({**env, "AWS_REGION": "eu-west-1"})}
    assert found["bedrock-mantle"] == "https://bedrock-mantle.eu-west-1.api.aws/v1"


ENGINES: dict[str, Pages] = {
    "vllm": {"/v1/models": models(("Qwen/Qwen3.5-9B", "vllm"), ("my-lora", "vllm"), root="x", max_model_len=4096)},
    "sglang": {"/v1/models": models(("Qwen/Qwen3.5-9B", "sglang"), ("my-lora", "sglang"))},
    "llama-cpp": {"/v1/models": models(("Qwen/Qwen3.5-9B", "llamacpp"), ("my-lora", "llamacpp"))},
    "lmstudio": {"/v1/models": models(("Qwen/Qwen3.5-9B", "organization_owner"), ("my-lora", "organization_owner"))},
    "ollama": {
        "/": b"Ollama is running",
        "/v1/models": models(("Qwen/Qwen3.5-9B", "library"), ("my-lora", "ann")),
    },
}


@pytest.mark.parametrize("engine", ENGINES)
async def test_an_engine_is_known_by_its_answer_not_by_its_port(engine: str) -> None:
    async with server(ENGINES[engine]) as port:
        assert await local_servers(ports=[port], seconds=5) == [
            Found(
                provider=engine,
                via=f"127.0.0.1:{port}",
                base_url=f"http://127.0.0.1:{port}/v1",
                models=("Qwen/Qwen3.5-9B", "my-lora"),
            )
        ]


async def test_an_ollama_without_models_is_found() -> None:
    async with server({"/": b"Ollama is running", "/v1/models": b'{"object":"list","data":null}'}) as port:
        found = await local_servers(ports=[port], seconds=5)
    assert [(f.provider, f.models) for f in found] == [("ollama", ())]


@pytest.mark.parametrize(
    "pages",
    [
        {"/v1/models": models(("m", "somebody"))},
        {"/v1/models": models(("m", "vllm"), ("n", "llamacpp"))},
        {"/v1/models": b"<html>Welcome</html>", "/": b"<html>Welcome</html>"},
        {"/v1/models": b'{"data":[{"id":1,"owned_by":"vllm"}]}'},
        {"/v1/models": b'{"object":"error"}', "/": b"Ollama is running"},
        {"/v1/models": b"[" * 5000},
        {"/v1/models": models(("m", "vllm")) + b" " * 2_000_000},
        {},
    ],
)
async def test_another_server_on_the_port_is_not_mistaken_for_an_engine(pages: Pages) -> None:
    async with server(pages) as port:
        assert await local_servers(ports=[port], seconds=5) == []


async def test_a_server_that_refuses_is_left_out() -> None:
    async with server(ENGINES["vllm"], status=b"401 Unauthorized") as port:
        assert await local_servers(ports=[port], seconds=5) == []


async def test_silence_noise_and_closed_ports_hide_no_engine() -> None:
    asked = asyncio.Event()
    waiting: list[bool] = []
    beginnings = [b"", b"\x00" * 100, b"HTTP/1.1 200 OK\r\n\r\n{"]

    def holding(beginning: bytes) -> Handler:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(beginning)
            await asked.wait()
            waiting.append(not reader.at_eof())
            writer.close()

        return answer

    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(raw(holding(beginning))) for beginning in beginnings]
        engine = await stack.enter_async_context(server(ENGINES["vllm"], asked=asked))
        async with server({}) as closed:
            pass
        found = await local_servers(ports=[*ports, closed, engine], seconds=5)

    assert [f.via for f in found] == [f"127.0.0.1:{engine}"]
    assert waiting == [True, True, True]  # nobody had to give up on them before the engine was asked


async def test_a_server_that_never_answers_is_given_up() -> None:
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()
        writer.close()

    async with raw(silent) as port, asyncio.timeout(20):
        assert await local_servers(ports=[port], seconds=0.05) == []
        await left.wait()


def test_the_usual_ports_of_the_five_engines_are_asked() -> None:
    assert set(PORTS) == {11434, 1234, 8000, 8080, 30000}
