"""GetExecutor over a real gRPC channel."""

from __future__ import annotations

from datetime import UTC, datetime

from evald.domain.devices import Device
from evald.domain.fleet import Server
from evald.store.store import Store
from evaluation.v1 import (
    config_pb2,
    executor_service_pb2,
    job_service_pb2,
    model_pb2,
    target_pb2,
)
from tests.rpc.calls import Stubs, custom_config, error_of, new_job

GPU = Device(0, "GPU-0", "a GPU", 80 * 1024)


def test_servers_gpus_leases_and_queue(stubs: Stubs, store: Store) -> None:
    params = config_pb2.EvaluationParams(gpus=1, gpu_memory=40.5)
    jobs = []
    for priority in (1, 0):
        request = new_job(priority=priority)
        request.job.inline_config.CopyFrom(custom_config(params=params))
        jobs.append(stubs.jobs.CreateJob(request, timeout=10))
    assert jobs[0].inline_config.params.gpu_memory == 40.5
    store.fleet.renew(Server("a", "box", 2, 0, True, (GPU,), datetime.now(UTC)), seconds=30)
    store.queue.claim(jobs[0].id, "a", devices=["GPU-0"], lease_seconds=30, files_url="x")

    found = stubs.executor.GetExecutor(executor_service_pb2.GetExecutorRequest(), timeout=10)
    [server], [device], [lease], [waits] = found.servers, found.devices, found.leases, found.queue
    assert (server.id, server.host, server.slots, server.running) == ("a", "box", 2, 1)
    assert server.gpu_sharing
    assert server.seen_at.seconds > 0
    assert (device.server, device.id, device.memory, device.free_memory) == ("a", "GPU-0", 80, 39.5)
    assert (lease.job, lease.namespace, lease.server) == (jobs[0].id, "default", "a")
    assert (list(lease.devices), lease.gpus, lease.gpu_memory) == (["GPU-0"], 1, 40.5)
    assert (waits.position, waits.job, waits.gpus) == (1, jobs[1].id, 1)
    assert waits.reason == "needs 1 GPU of 40.5 GiB, 0 free"
    assert found.queue_size == 1


def test_a_checkpoint_gets_a_gpu(stubs: Stubs) -> None:
    """One, or as many as it is made for, unless the params say how many."""

    def asked(copies: int | None, **params: int) -> job_service_pb2.CreateJobRequest:
        artifact = model_pb2.ModelArtifact(files_url="hf://ns/tiny", tensor_parallelism=copies)
        request = new_job()
        request.job.inline_target.CopyFrom(
            target_pb2.Target(
                type=target_pb2.TARGET_TYPE_MODEL, inline_model=model_pb2.Model(artifact=artifact)
            )
        )
        given = config_pb2.EvaluationParams(**params)
        request.job.inline_config.CopyFrom(custom_config(params=given))
        return request

    wanted = {}
    for request, gpus in ((asked(None), 1), (asked(1), 1), (asked(2, gpus=0), 0)):
        wanted[stubs.jobs.CreateJob(request, timeout=10).id] = gpus
    found = stubs.executor.GetExecutor(executor_service_pb2.GetExecutorRequest(), timeout=10)
    assert {job.job: job.gpus for job in found.queue} == wanted
    _, error = error_of(stubs.jobs.CreateJob, asked(2))
    assert "there is 1 GPU" in error.message


def test_a_judge_that_is_a_checkpoint_gets_a_gpu(stubs: Stubs) -> None:
    """As a target does: the job runs both. What users keep in custom fields is no model."""
    request = new_job()
    checkpoint = {"artifact": {"files_url": "hf://ns/tiny", "tensor_parallelism": 1}}
    request.job.inline_config.custom_fields.update({"model": checkpoint})
    plain = stubs.jobs.CreateJob(request, timeout=10).id
    metric = request.job.inline_config.tasks["qa"].metrics["judged"]
    metric.type = "llm-judge"
    template = {"messages": [{"role": "user", "content": "{{ item.answer }}?"}]}
    scores = {"quality": {"type": "int", "minimum": 1, "maximum": 5}}
    metric.params.update({"model": checkpoint, "template": template, "scores": scores})
    judged = stubs.jobs.CreateJob(request, timeout=10).id
    found = stubs.executor.GetExecutor(executor_service_pb2.GetExecutorRequest(), timeout=10)
    assert {job.job: job.gpus for job in found.queue} == {plain: 0, judged: 1}
    metric.params["model"]["artifact"]["tensor_parallelism"] = 2
    _, error = error_of(stubs.jobs.CreateJob, request)
    assert "there is 1 GPU" in error.message
