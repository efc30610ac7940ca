"""A client for feedback, for applications that already have an SDK for everything else. Standard library only.

    from freehold.client import Freehold

    freehold = Freehold("http://localhost:4000", api_key="fh_...")
    answer = openai_client.chat.completions.with_raw_response.create(...)
    freehold.feedback(answer.headers["x-freehold-inference"], correction="refund", author="ann")

The file stands alone: it may be copied into an application that does not install Freehold.
"""

import json
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen


class FreeholdRefused(Exception):
    """The server said no, or could not be reached (`status` 0). `param` is the member that is wrong, if one is."""

    def __init__(self, message: str, *, status: int, param: str | None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param


class Freehold:
    """A server, by the base URL of the gateway (with or without /v1). `timeout` in seconds."""

    def __init__(self, base_url: str, api_key: str | None = None, *, timeout: float = 10.0) -> None:
        if urlsplit(base_url).scheme not in {"http", "https"}:
            raise ValueError(f"base_url: {base_url!r} does not begin with http:// or https://")
        self._url = base_url.rstrip("/").removesuffix("/v1") + "/v1/feedback"
        self._headers = {"content-type": "application/json"}
        if api_key is not None:
            self._headers["authorization"] = f"Bearer {api_key}"
        self._timeout = timeout

    def feedback(
        self,
        inference: str | None = None,
        *,
        episode: str | None = None,
        good: bool | None = None,
        score: float | None = None,
        category: str | None = None,
        comment: str | None = None,
        correction: Any = None,
        preferred_over: str | None = None,
        sent: str | None = None,
        author: str | None = None,
    ) -> list[dict[str, Any]]:
        """Say what an inference (its id is the header `x-freehold-inference` of the answer) or an episode was worth.

        `good`: thumbs up or down; `score`: 0 to 1; `category`: a word of your own; `comment`: free text; `correction`:
        what the answer should have been, text or any JSON value; `preferred_over`: the id of a worse answer to the
        same request; `sent`: what your user sent in the end, after editing the answer; `author`: who says so.
        Several at once are several judgements; they are returned. FreeholdRefused says what is wrong.
        """
        given = {
            "inference": inference,
            "episode": episode,
            "good": good,
            "score": score,
            "category": category,
            "comment": comment,
            "correction": correction,
            "preferred_over": preferred_over,
            "sent": sent,
            "author": author,
        }
        body = json.dumps({name: value for name, value in given.items() if value is not None}).encode()
        return self._ask(Request(self._url, data=body, headers=self._headers, method="POST"))["data"]

    def feedback_on(self, inference: str) -> dict[str, Any]:
        """All that was said about an inference (`data`), and what is believed of it now (`settled`)."""
        return self._ask(Request(f"{self._url}?{urlencode({'inference': inference})}", headers=self._headers))

    def _ask(self, request: Request) -> dict[str, Any]:
        try:
            with urlopen(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                message, param = _told(error.read())
            raise FreeholdRefused(message or str(error), status=error.code, param=param) from None
        except OSError as error:  # URLError, or a socket's own timeout
            reason = getattr(error, "reason", error)
            raise FreeholdRefused(f"{self._url} cannot be reached: {reason}", status=0, param=None) from None


def _told(body: bytes) -> tuple[str, str | None]:
    """Message and member of an error in the dialect of OpenAI."""
    try:
        error = cast("dict[str, Any]", json.loads(body)["error"])
        return str(error["message"]), error.get("param")
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace"), None
