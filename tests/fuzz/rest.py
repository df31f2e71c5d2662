"""REST requests, drawn by schemathesis from the document that the server itself shows."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import schemathesis
from hypothesis import strategies as st
from requests import RequestException, Session
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from evald.rpc.plain import to_document
from tests.fuzz.caller import SECONDS
from tests.fuzz.known import KINDS, Known
from tests.fuzz.messages import ANY_NUMBER
from tests.fuzz.methods import Method, contract
from tests.fuzz.run import SHOWN, Finding, Run, drawn
from tests.fuzz.seeds import seeds

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
STRICT = [negative_data_rejection]
"""In a query all are texts, and any text is one of a list."""

AS_DRAWN = 3
"""One in so many requests stays as schemathesis drew it; the others are about what there is, and
have a right body but for one member."""


class Rest:
    """The REST surface of the service of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._session = Session()
        self._session.trust_env = False
        self._origin = run.service.rest
        self._methods = {method.name: method for method in contract()}
        document = self._session.get(f"{self._origin}/openapi.json", timeout=SECONDS).json()
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=self._origin)
        schema.config.output.sanitization.update(enabled=False)
        self._operations = [found.ok() for found in schema.get_all_operations()]

    def play(self, count: int, start: int) -> None:
        """Sends `count` requests, drawn from seed `start` on, one after the other."""
        cases = st.one_of(
            operation.as_strategy(generation_mode=mode)
            for operation in self._operations
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        )
        drawn(st.tuples(cases, ANY_NUMBER), self._send, count, start)

    def _send(self, sent: tuple[Case, int]) -> None:
        case, number = sent
        method = self._methods[case.operation.definition.raw["operationId"]]
        checks = CHECKS if case.query else [*CHECKS, *STRICT]
        if number % AS_DRAWN:
            address(method, case, self._run.known, number)
            mend(method, case, number)
            checks = CHECKS
        started = time.monotonic()
        try:
            if method.name == "WatchJob":
                self._cancel(case.path_parameters["job_id"])  # or it lasts as long as its job
            answer = case.call(session=self._session, timeout=SECONDS)
        except RequestException as e:
            self._find(case, e)
            return
        try:
            case.validate_response(answer, checks=checks)
        except FailureGroup as e:
            for failure in e.exceptions:
                self._find(case, failure, answer.text)
        except Failure as e:
            self._find(case, e, answer.text)
        self._run.count(f"REST {method.name}", str(answer.status_code), time.monotonic() - started)
        if answer.status_code in (200, 201) and method.name != "WatchJob":
            self._note(method, case, answer.json() if method.name[:8] != "Download" else {})

    def _find(self, case: Case, error: Exception, answer: str = "") -> None:
        what = f"{type(error).__name__} {error}"[:1000]
        sent = case.as_curl_command()[:SHOWN]
        self._run.find(Finding(what, case.operation.label, answer[:1000], sent))

    def _note(self, method: Method, case: Case, answer: Any) -> None:
        """Remembers what an answer tells, as if it had been a message."""
        request, known = method.request(), method.answer(b"")
        if (case.query or {}).get("validate_only") in (True, "true"):
            request.validate_only = True
        if "job_id" in method.takes.fields_by_name:
            request.job_id = case.path_parameters["job_id"]
        for key in ("id", "namespace", "name"):
            if key in answer and key in method.answers.fields_by_name:
                setattr(known, key, answer[key])
        self._run.known.note(method, request, known)

    def _cancel(self, job_id: str) -> None:
        url = f"{self._origin}/v1/evaluation/jobs/{job_id}/cancel"
        self._session.post(url, timeout=SECONDS)


def address(method: Method, case: Case, known: Known, number: int) -> None:
    """Points a request at an entity that exists."""
    kind = next((kind for kind in KINDS if kind in method.name), "Job")
    found = known.pick(kind, number)
    if found is None or not case.path_parameters:
        return
    for name in case.path_parameters:
        value = found.id if name in ("job_id", "result_id") else getattr(found, name)
        case.path_parameters[name] = quote(value, safe="")


def mend(method: Method, case: Case, number: int) -> None:
    """Puts a right body in the place of one that was drawn, of which one member stays."""
    right = seeds(method)
    (member, *_) = to_document(right[number % len(right)]).values() or [None]
    if not isinstance(member, dict) or not isinstance(case.body, dict):
        return
    kept = sorted(case.body)[number % len(case.body)] if case.body else ""
    case.body = {**member, **{k: v for k, v in case.body.items() if k == kept}}
