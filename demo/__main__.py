"""The demo: a bank's support inbox goes through the gateway by the real OpenAI SDK. No key, no network."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
from rich.console import Console
from rich.progress import track

HERE = Path(__file__).parent
FREEHOLD = [sys.executable, "-c", "from freehold.cli.main import main; main()"]
SETTINGS = """
[simulated.swift-lab]
answers = "{answers}"
skill = 0.80
error_rate = 0.03
price = {{ input = "0.10", output = "0.40" }}
[simulated.sage-lab]
answers = "{answers}"
skill = 0.97
ttft_ms = 20
price = {{ input = "2.50", output = "10.00" }}
[deployments.swift]
provider = "swift-lab"
model = "swift"
[deployments.sage]
provider = "sage-lab"
model = "sage"
[routes.support]
deployments = ["swift", "sage"]
objective = "cheapest"
"""


def main() -> None:
    console = Console()
    inbox = [json.loads(line) for line in (HERE / "inbox.jsonl").read_text().splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder, "answers.jsonl")
        answers.write_text("".join(json.dumps({"text": m["text"], "reply": m["intent"]}) + "\n" for m in inbox))
        settings = Path(folder, "freehold.toml")
        settings.write_text(SETTINGS.format(answers=answers))
        data = f"{folder}/data"
        up = [*FREEHOLD, "up", "--port", "0", "--settings", str(settings), "--data", data]
        with subprocess.Popen(up, stdout=subprocess.PIPE, text=True) as gateway:
            assert gateway.stdout is not None
            url = next(line.split("base_url ")[1].split(")")[0] for line in gateway.stdout if "base_url " in line)
            console.print(f"{len(inbox)} messages to route 'support' at {url} (simulated deployments)")
            client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)

            def ask(message: dict[str, str]) -> str:
                turn = {"role": "user", "content": message["text"]}
                answer = client.chat.completions.create(model="support", messages=[turn])  # type: ignore[list-item]
                return answer.choices[0].message.content or ""

            with ThreadPoolExecutor(16) as pool:
                said = list(track(pool.map(ask, inbox), total=len(inbox), description="answering"))
            gateway.terminate()
            gateway.stdout.read()
        right = sum(s == m["intent"] for s, m in zip(said, inbox, strict=True))
        listed = subprocess.run(
            [*FREEHOLD, "inferences", "list", "--limit", "5000", "--json", "--data", data],
            capture_output=True,
            check=True,
        )
        rows = json.loads(listed.stdout)
        console.print(f"right: {right} of {len(inbox)}")
        for name, count in Counter(r["deployment"] for r in rows).items():
            cost = sum(r.get("cost", 0) for r in rows if r["deployment"] == name) / 1e9
            console.print(f"  {name}: {count} answers, ${cost:.4f}")
        fell = [r for r in rows if len(r["calls"]) > 1]
        console.print(f"{len(fell)} fell back to another deployment; one of them explained:")
        if fell:
            subprocess.run([*FREEHOLD, "explain", fell[0]["id"], "--data", data], check=True)
        subprocess.run([*FREEHOLD, "verify", "--data", data], check=True)
        console.print("Next: `.venv/bin/freehold up`, then point your OpenAI SDK at it.")


main()
