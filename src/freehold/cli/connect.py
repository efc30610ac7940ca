"""freehold connect: the lines that point a client at this gateway."""

from collections.abc import Mapping

import click
import msgspec
from msgspec import Struct

from freehold.core.errors import SettingsWrong

URL = "http://127.0.0.1:4000"
KEY = "FREEHOLD_KEY"


class Client(Struct, frozen=True, kw_only=True):
    """A program that can be pointed here. `text` has {url} (without /v1), {model} and {key} (the key's variable).

    `place` is where the text goes; `note` what else there is to know.
    """

    name: str
    place: str
    text: str
    note: str = ""


def _clients(*clients: Client) -> Mapping[str, Client]:
    return {client.name: client for client in clients}


SHELL = "your shell"
CLIENTS: Mapping[str, Client] = _clients(
    Client(
        name="openai",
        place=SHELL,
        text='export OPENAI_BASE_URL="{url}/v1"\nexport OPENAI_API_KEY="${key}"',
        note="The openai SDKs of every language read both. Ask for model {model!r}.",
    ),
    Client(
        name="anthropic",
        place=SHELL,
        text='export ANTHROPIC_BASE_URL="{url}"\nexport ANTHROPIC_API_KEY="${key}"',
        note="The anthropic SDKs read both. Ask for model {model!r}.",
    ),
    Client(
        name="google-genai",
        place=SHELL,
        text='export GOOGLE_GEMINI_BASE_URL="{url}"\nexport GEMINI_API_KEY="${key}"',
        note="The google-genai SDK and the Gemini CLI read both. Ask for model {model!r}.",
    ),
    Client(
        name="claude-code",
        place=SHELL,
        text=(
            'export ANTHROPIC_BASE_URL="{url}"\nexport ANTHROPIC_AUTH_TOKEN="${key}"\n'
            'export ANTHROPIC_MODEL="{model}"\nexport ANTHROPIC_DEFAULT_HAIKU_MODEL="{model}"'
        ),
        note="Then start claude. The second model is for small tasks; a cheaper route does for it.",
    ),
    Client(
        name="codex",
        place="~/.codex/config.toml",
        text=(
            'model = "{model}"\nmodel_provider = "freehold"\n\n[model_providers.freehold]\nname = "Freehold"\n'
            'base_url = "{url}/v1"\nenv_key = "{key}"\nwire_api = "responses"'
        ),
    ),
    Client(
        name="cursor",
        place="Cursor: Settings, Models, API keys",
        text="OpenAI API key: the text of ${key}\nOverride OpenAI base URL: {url}/v1\nAdd model: {model}",
        note="Cursor's servers make the calls: the gateway needs a public https address and a key.",
    ),
    Client(
        name="gemini-cli",
        place=SHELL,
        text=('export GOOGLE_GEMINI_BASE_URL="{url}"\nexport GEMINI_API_KEY="${key}"\nexport GEMINI_MODEL="{model}"'),
    ),
    Client(
        name="ollama",
        place=SHELL,
        text='export OLLAMA_HOST="{url}"',
        note="Ollama's clients send no key: this works while the gateway has none, from this machine.",
    ),
    Client(
        name="open-webui",
        place="the environment of Open WebUI",
        text='OPENAI_API_BASE_URL="{url}/v1"\nOPENAI_API_KEY="${key}"',
    ),
    Client(
        name="langchain",
        place="Python",
        text=(
            "import os\nfrom langchain_openai import ChatOpenAI\n\n"
            'model = ChatOpenAI(model="{model}", base_url="{url}/v1", api_key=os.environ["{key}"])'
        ),
    ),
    Client(
        name="vercel-ai",
        place="TypeScript",
        text=(
            'import {{ createOpenAI }} from "@ai-sdk/openai";\n\n'
            'const freehold = createOpenAI({{ baseURL: "{url}/v1", apiKey: process.env.{key} }});\n'
            'const model = freehold("{model}"); // .chat("{model}") for chat completions'
        ),
    ),
    Client(
        name="aider",
        place=SHELL,
        text=('export OPENAI_API_BASE="{url}/v1"\nexport OPENAI_API_KEY="${key}"\naider --model "openai/{model}"'),
    ),
    Client(
        name="curl",
        place=SHELL,
        text=(
            'curl "{url}/v1/chat/completions" -H "authorization: Bearer ${key}" \\\n'
            '  -H "content-type: application/json" \\\n'
            '  -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}\''
        ),
    ),
)


@click.command()
@click.argument("client", required=False)
@click.option("--url", default=URL, show_default=True, help="Where the gateway is, as the client reaches it.")
@click.option("--model", default="auto", show_default=True, help="The route, deployment or model that it asks for.")
@click.option("--key", default=KEY, show_default=True, help="The environment variable that holds the key.")
@click.option("--json", "as_json", is_flag=True, help="One JSON value for scripts.")
def connect(client: str | None, url: str, model: str, key: str, as_json: bool) -> None:
    """Print the lines that point CLIENT at this gateway; without CLIENT, the clients that are known."""
    if client is None:
        names = sorted(CLIENTS)
        click.echo(msgspec.json.encode(names).decode() if as_json else "\n".join(names))
        return
    known = CLIENTS.get(client.lower())
    if known is None:
        raise SettingsWrong(
            f"No client called {client[:80]!r} is known; there are: {', '.join(sorted(CLIENTS))}. Anything that takes "
            "a base URL works: see 'openai' for most"
        )
    filled = {"url": url.rstrip("/").removesuffix("/v1"), "model": model, "key": key}
    text, note = known.text.format(**filled), known.note.format(**filled)
    if as_json:
        value = {"client": known.name, "place": known.place, "text": text, "note": note}
        click.echo(msgspec.json.encode(value).decode())
        return
    click.echo(f"# {known.place}", err=True)
    click.echo(text)
    if note:
        click.echo(f"\n{note}", err=True)
    if key in text:
        click.echo(f"\nThe key: export {key}=$(freehold keys create {known.name})", err=True)
