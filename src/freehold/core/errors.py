"""The error tree: the caller can fix it, the provider failed, or the operator must change something.

    FreeholdError
    ├── CallerError      InvalidRequest  Unauthenticated  Forbidden  UnknownModel  UnknownPath  WrongMethod
    │                    TooSlow  Changed  TooLarge  HeadTooLarge  WrongMediaType  RateLimited  BudgetExceeded
    │                    NotThere  PreviousUnknown  KeyReused  ContextExceeded  NotFetched
    ├── ProviderError    Unreachable  TimedOut  Overloaded  Throttled  Rejected  CredentialRefused  Broken  Abstained
    │                    NotCarried  NoneHealthy  ContextRejected
    └── OperatorError    SettingsWrong  CatalogRefused  LedgerDamaged  StoreFailed (InUse)  Draining  Internal

A message names the thing and the way out. `code` is stable: programs may match on it.
"""

from typing import ClassVar


class FreeholdError(Exception):
    """An error with an HTTP status, a stable code, and whether the same request may succeed later.

    `retry_after` is in seconds, when somebody named a time. `request_id` is the id under which its request is
    answered, once that is known: some dialects say it beside the error.
    """

    status: int = 500
    request_id: str = ""
    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after


class CallerError(FreeholdError):
    """The caller can fix it."""

    status = 400


class InvalidRequest(CallerError):
    code = "invalid_request"


class ContextExceeded(InvalidRequest):
    """No deployment has room for the prompt and the answer. Nothing is ever cut off to make it fit.

    They are about `tokens`; `most` is the largest context among those that were asked for.
    """

    code = "context_length_exceeded"

    def __init__(self, message: str, *, param: str | None = None, tokens: int = 0, most: int = 0) -> None:
        super().__init__(message, param=param)
        self.tokens = tokens
        self.most = most


class NotFetched(InvalidRequest):
    """A medium that the request names by URL, and that its provider takes only inline, cannot or may not be fetched.

    `url` is the medium's, where it is about one; the message names no more of it than its place.
    """

    code = "media_not_fetched"

    def __init__(self, message: str, *, param: str | None = None, url: str = "") -> None:
        super().__init__(message, param=param)
        self.url = url


class Unauthenticated(CallerError):
    status = 401
    code = "invalid_api_key"


class Forbidden(CallerError):
    status = 403
    code = "forbidden"


class UnknownModel(CallerError):
    status = 404
    code = "model_not_found"


class NotThere(CallerError):
    """Nothing of this name is kept for who asks."""

    status = 404
    code = "not_found"


class PreviousUnknown(InvalidRequest):
    """The response that a request continues is not kept for who asks."""

    code = "previous_response_not_found"


class UnknownPath(CallerError):
    status = 404
    code = "unknown_path"


class WrongMethod(CallerError):
    status = 405
    code = "method_not_allowed"


class TooSlow(CallerError):
    status = 408
    code = "request_timeout"


class TooLarge(CallerError):
    status = 413
    code = "request_too_large"


class Changed(CallerError):
    """Somebody else changed the thing since it was read."""

    status = 409
    code = "changed_meanwhile"


class KeyReused(CallerError):
    """An Idempotency-Key that came before with something else."""

    status = 409
    code = "idempotency_key_reused"


class WrongMediaType(CallerError):
    status = 415
    code = "unsupported_media_type"


class HeadTooLarge(CallerError):
    status = 431
    code = "headers_too_large"


class RateLimited(CallerError):
    status = 429
    code = "rate_limit_exceeded"
    retryable = True


class BudgetExceeded(CallerError):
    status = 429
    code = "insufficient_quota"


class ProviderError(FreeholdError):
    """The provider failed; another deployment may not."""

    status = 502

    def __init__(
        self, message: str, *, param: str | None = None, retry_after: float | None = None, body: bytes = b""
    ) -> None:
        super().__init__(message, param=param, retry_after=retry_after)
        self.body = body  # what the provider answered, verbatim, when it was an error of its dialect


class Unreachable(ProviderError):
    code = "provider_unreachable"
    retryable = True


class TimedOut(ProviderError):
    status = 504
    code = "provider_timeout"
    retryable = True


class Overloaded(ProviderError):
    status = 503
    code = "provider_overloaded"
    retryable = True


class Throttled(ProviderError):
    status = 429
    code = "provider_rate_limited"
    retryable = True


class Broken(ProviderError):
    """The answer was not what the dialect promises: cut, malformed, HTML, too large."""

    code = "provider_broken"
    retryable = True


class Rejected(ProviderError):
    """The provider says that the request itself is wrong; the status is the one it gave."""

    status = 400
    code = "provider_rejected"

    def __init__(
        self, message: str, *, upstream_status: int = 400, body: bytes = b"", param: str | None = None
    ) -> None:
        super().__init__(message, param=param, body=body)
        self.status = upstream_status  # the caller's SDK tells them apart by it


class ContextRejected(Rejected):
    """The provider says that the prompt is too long for its model; another one may have more room."""

    code = "context_length_exceeded"


class CredentialRefused(ProviderError):
    code = "provider_credential_refused"


class Abstained(ProviderError):
    """The model is not sure enough of its answer to give it: the next deployment is asked. Nothing has failed."""

    status = 422
    code = "model_abstained"


class NotCarried(ProviderError):
    """A strict request says something for which the provider's dialect has no words; another deployment may."""

    status = 422
    code = "not_carried"


class NoneHealthy(ProviderError):
    status = 503
    code = "no_healthy_deployment"
    retryable = True


class OperatorError(FreeholdError):
    """The operator must change something."""


class SettingsWrong(OperatorError):
    code = "settings_wrong"


class CatalogRefused(OperatorError):
    """A catalog file that is not taken: nobody we know signed it, or it does not hang together."""

    code = "catalog_refused"


class LedgerDamaged(OperatorError):
    code = "ledger_damaged"


class StoreFailed(OperatorError):
    code = "store_failed"


class InUse(StoreFailed):
    """Another process has it open, and only one may."""

    code = "in_use"


class Draining(OperatorError):
    status = 503
    code = "shutting_down"
    retryable = True


class Internal(OperatorError):
    code = "internal_error"
