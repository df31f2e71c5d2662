"""Data sets in an object store: moto's server, through fsspec as in production."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator

import boto3
import fsspec
import pytest
import requests
from moto.server import ThreadedMotoServer

from evald.clients.datasets import FileDatasets
from evald.errors import EvaluationError
from evald.settings import ClientSettings


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    # What it keeps is the process's, also of a server before.
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=30).raise_for_status()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="evaluation")
    s3.put_object(Bucket="evaluation", Key="qa/b.jsonl", Body=b'{"n": 2}\n')
    s3.put_object(Bucket="evaluation", Key="qa/a.json.gz", Body=gzip.compress(b'[{"n": 1}]'))
    s3.put_object(Bucket="evaluation", Key="qa/README.md", Body=b"#")
    s3.close()
    yield "s3://evaluation"
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    server.stop()


def test_objects(settings: ClientSettings, bucket: str) -> None:
    datasets = FileDatasets(settings)
    for url, rows in {
        f"{bucket}/qa": [1, 2],
        f"{bucket}/qa/": [1, 2],
        bucket: [1, 2],
        f"{bucket}/qa/b.jsonl": [2],
    }.items():
        assert [row["n"] for row in datasets.rows({"files_url": url})] == rows
        assert datasets.count({"files_url": url}) == len(rows)
    for url in (f"{bucket}/none", f"{bucket}/qa/none.jsonl", "s3://other/x"):
        with pytest.raises(EvaluationError, match="not present") as caught:
            datasets.count({"files_url": url})
        assert caught.value.kind == "dataset"
