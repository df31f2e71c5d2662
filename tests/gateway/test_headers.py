"""Headers: the server gets those that it reads, and none that gRPC would refuse."""

import http.client
from urllib.parse import urlsplit

import pytest


def ask(gateway, *headers, method="GET", path="/v1/evaluation/jobs", body=None):
    """The status of a request with headers as they are: bytes, or texts."""
    connection = http.client.HTTPConnection(urlsplit(gateway.origin).netloc, timeout=30)
    connection.putrequest(method, path)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, text


@pytest.mark.parametrize(
    "header",
    [
        ("a^", "1"),
        ("!#$%&'*+-.^`|~", "1"),
        ("x-name", "é"),
        ("user-agent", b"\xff\xfe"),
        ("x-tab", "a\tb"),
        ("cookie", "c" * 40_000),
        ("x-bin", "not base 64"),
        ("grpc-encoding", "nonsense"),
        ("grpc-accept-encoding", "nonsense"),
        ("grpc-timeout", "soon"),
        ("x-request-id", b"\xff"),
        ("x-request-id", "r" * 40_000),
        ("te", "nothing"),
        ("authorization", b"Bearer \xff"),
        ("authorization", "Bearer " + "x" * 40_000),
        ("content-type", b"\xff"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-forwarded-for", "é"),
    ],
)
def test_a_header_that_grpc_refuses_does_no_harm(gateway, header):
    status, text = ask(gateway, header)
    assert status == 200, text


def test_the_server_gets_no_other_headers(gateway):
    gateway.get("/jobs", headers={"X-Mine": "1", "Cookie": "c=1", "Authorization": "Bearer t"})
    (metadata,) = gateway.stub.metadata
    assert metadata["authorization"] == "Bearer t"
    assert metadata["x-request-id"]
    assert not {"x-mine", "cookie", "accept", "accept-encoding"} & set(metadata)


@pytest.mark.parametrize("key", [b"\xff", b"\xed\xa0\x80", b"\xc3\xa9", b"a b&c=d#e%2"])
def test_an_idempotency_key_of_odd_bytes(gateway, key):
    kind = ("content-type", "application/json")
    headers = (("idempotency-key", key), kind, ("content-length", "2"))
    status, text = ask(gateway, *headers, method="POST", body=b"{}")
    try:
        wanted = key.decode()
    except UnicodeDecodeError:
        assert status == 422, text
        assert b"Idempotency-Key" in text
    else:
        assert status == 201, text
        assert gateway.stub.request.request_id == wanted
