"""Requests to AWS are signed as its published test suite and its own SDK sign them."""

import pytest

from freehold.core.secret import Secret
from freehold.providers.sigv4 import Credentials, Scope, authorization, canonical, region_of, signer, to_sign

KEY = Credentials(
    access_key=Secret("AKIDEXAMPLE", source="test"),
    secret_key=Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", source="test"),
)
AT = 1440938160 * 10**9
SCOPE = Scope(at=AT, region="us-east-1", service="service")
HOST = ("host", "example.amazonaws.com")
DATE = ("x-amz-date", "20150830T123600Z")
FORM = ("content-type", "application/x-www-form-urlencoded")
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7"
    "mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+"
    "xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
"""Of the published suite."""

VECTORS = {
    "get-vanilla": (
        ("GET", "/", (HOST, DATE), b""),
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-vanilla-query-order-key-case": (
        ("GET", "/?Param2=value2&Param1=value1", (HOST, DATE), b""),
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-unreserved": (
        ("GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", (HOST, DATE), b""),
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    "get-utf8": (
        ("GET", "/ሴ", (HOST, DATE), b""),
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
    ),
    "get-header-value-trim": (
        ("GET", "/", (HOST, ("my-header1", " value1"), ("my-header2", ' "a   b   c"'), DATE), b""),
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "post-vanilla": (
        ("POST", "/", (HOST, DATE), b""),
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-x-www-form-urlencoded": (
        ("POST", "/", (FORM, HOST, DATE), b"Param1=value1"),
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    "post-sts-header-before": (
        ("POST", "/", (HOST, DATE, ("x-amz-security-token", TOKEN)), b""),
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_request_of_the_published_suite_gets_its_published_signature(name: str) -> None:
    (method, target, headers, body), wanted = VECTORS[name]
    made = authorization(method, target, headers, body, scope=SCOPE, credentials=KEY)
    assert made.endswith(f"Signature={wanted}")


def test_the_steps_of_the_published_example_are_reproduced() -> None:
    request = canonical("GET", "/", (HOST, DATE), b"")
    assert request == (
        "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n"
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
    assert to_sign(request, SCOPE) == (
        "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
        "bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63"
    )
    made = authorization("GET", "/", (HOST, DATE), b"", scope=SCOPE, credentials=KEY)
    assert made == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


MODEL = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A012345678901%3Ainference-profile%2Fx.y-v1%3A0/converse"


def test_a_path_that_is_encoded_is_encoded_once_more_in_what_is_signed() -> None:
    assert canonical("POST", MODEL, (HOST,), b"{}").split("\n")[1] == MODEL.replace("%", "%25")


@pytest.mark.parametrize("token", [None, "a/session+token=="])
@pytest.mark.parametrize(
    "base", ["https://bedrock-runtime.eu-central-1.amazonaws.com", "http://127.0.0.1:8080/proxied"]
)
def test_all_that_is_sent_is_signed_as_the_sdk_of_aws_signs_it(base: str, token: str | None) -> None:
    auth = pytest.importorskip("botocore.auth")
    awsrequest = pytest.importorskip("botocore.awsrequest")
    botocore_credentials = pytest.importorskip("botocore.credentials")
    held = Credentials(
        access_key=KEY.access_key,
        secret_key=KEY.secret_key,
        session_token=None if token is None else Secret(token, source="test"),
    )
    always = (("content-type", "application/json"), ("x-team", "blue"))
    sign = signer(base, always, region="eu-central-1", service="bedrock", credentials=held, clock=lambda: AT)
    body = '{"messages":"ü"}'.encode()
    sent = dict(sign(MODEL, body))

    names = {"content-type", "x-amz-date", *(() if token is None else ("x-amz-security-token",))}
    assert set(sent) == names | {"x-team", "authorization"}
    request = awsrequest.AWSRequest("POST", base + MODEL, {n: sent[n] for n in names}, body)
    request.context["timestamp"] = sent["x-amz-date"]
    theirs = auth.SigV4Auth(botocore_credentials.Credentials("AKIDEXAMPLE", KEY.secret_key.reveal(), token), "bedrock",
                            "eu-central-1")  # fmt: skip
    text = theirs.string_to_sign(request, theirs.canonical_request(request))
    assert sent["authorization"].endswith(f"Signature={theirs.signature(text, request)}")


def test_a_signature_holds_for_its_body_its_path_and_its_second_only() -> None:
    now = [AT]
    sign = signer("https://h", (), region="r", service="s", credentials=KEY, clock=lambda: now[0])
    first = dict(sign("/a", b"1"))["authorization"]
    assert dict(sign("/a", b"1"))["authorization"] == first
    assert dict(sign("/a", b"2"))["authorization"] != first
    assert dict(sign("/b", b"1"))["authorization"] != first
    now[0] += 10**9
    assert dict(sign("/a", b"1"))["authorization"] != first


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("https://vpce-1.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn/x", "cn-north-1"),
        ("http://127.0.0.1:9000/eu-west-1.", ""),
        ("https://gateway.example.com", ""),
    ],
)
def test_the_region_is_read_from_an_address_of_aws(url: str, region: str) -> None:
    assert region_of(url) == region
