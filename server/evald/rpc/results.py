"""ResultService."""

from __future__ import annotations

from typing import Any

from evald.domain.results import Results
from evald.rpc.plain import mask_keys, to_document, to_message
from evald.rpc.reply import deleted, listing
from evald.rpc.size import Sizes
from evaluation.v1 import page_pb2, result_pb2, result_service_pb2, result_service_pb2_grpc


class ResultServicer(result_service_pb2_grpc.ResultServiceServicer):
    """Keeps results."""

    def __init__(self, results: Results, sizes: Sizes) -> None:
        self._results = results
        self._sizes = sizes

    def CreateResult(self, request: Any, context: Any) -> result_pb2.Result:
        created = self._results.create(
            to_document(request.result),
            request_id=request.request_id,
            validate_only=request.validate_only,
        )
        return to_message(created, result_pb2.Result)

    def GetResult(self, request: Any, context: Any) -> result_pb2.Result:
        return to_message(self._results.get(request.result_id), result_pb2.Result)

    def ListResults(self, request: Any, context: Any) -> result_service_pb2.ListResultsResponse:
        asked = to_document(request)
        return listing(asked, *self._results.page(asked), result_service_pb2.ListResultsResponse)

    def UpdateResult(self, request: Any, context: Any) -> result_pb2.Result:
        changes = to_document(request.result)
        keys = mask_keys(request.update_mask, result_pb2.Result)
        stored = self._results.get(request.result_id)
        self._sizes.check_change(stored, changes, keys, result_pb2.Result)
        changed = self._results.update(request.result_id, changes, keys)
        return to_message(changed, result_pb2.Result)

    def DeleteResult(self, request: Any, context: Any) -> page_pb2.DeleteResponse:
        self._results.delete(request.result_id)
        return deleted(request.result_id)
