"""Settings: one object, read from EVALD_* environment variables."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Names = Annotated[tuple[str, ...], NoDecode]


class ClientSettings(BaseModel):
    """What a flow's clients need to know; the only settings that a child process sees."""

    data_dir: Path
    data_store_url: str | None = None
    inference_url: str | None = None
    milvus_url: str | None = None
    egress: tuple[str, ...] = ()
    file_roots: tuple[str, ...] = ()
    secret_env: tuple[str, ...] = ("*",)
    response_limit: int = 32 * 2**20
    local_engine: Literal["auto", "transformers", "vllm"] = "auto"

    @property
    def collections(self) -> Path:
        """Folder that says which collections jobs have in a Milvus server."""
        return self.data_dir / "collections"


class Settings(BaseSettings):
    """Every setting, with its default. Field descriptions are the README's table."""

    model_config = SettingsConfigDict(env_prefix="EVALD_", extra="ignore", frozen=True)

    data_dir: Path = Field(
        Path(".evald"),
        description="Folder of the database, data sets, results, logs and the secret key.",
    )
    database_url: str | None = Field(
        None,
        description="SQLAlchemy URL such as `postgresql+psycopg://…`. "
        "Default: SQLite in the data dir. PostgreSQL needs the extra `postgres`.",
    )
    host: str = Field("127.0.0.1", description="Address that both ports listen on.")
    grpc_port: int = Field(50051, description="Port of the gRPC server.", ge=0, le=65535)
    rest_port: int = Field(
        7331, description="Port of the REST gateway (`evald up`).", ge=0, le=65535
    )
    auth: Literal["none", "tokens"] | None = Field(
        None,
        description="`tokens`: calls must carry a token; `none`: anyone may do anything. "
        "Default: like `none`, but the server starts only on a loopback address.",
    )
    tls_cert: Path | None = Field(
        None, description="Certificate chain (PEM file) for both ports; needs `EVALD_TLS_KEY`."
    )
    tls_key: Path | None = Field(None, description="Private key (PEM file) of `EVALD_TLS_CERT`.")
    tls_client_ca: Path | None = Field(
        None,
        description="CA certificates (PEM file) that must have signed a client's certificate, "
        "on both ports.",
    )
    rate_limit: int = Field(
        1000,
        description="REST requests per second from one client address; 0 means no limit.",
        ge=0,
        le=2**31 - 1,
    )
    body_limit: int = Field(
        16 * 2**20,
        description="Bytes in the body of one REST request; a gRPC message may be a quarter "
        "larger.",
        ge=1024,
        le=2**28,
    )
    rpc_threads: int = Field(16, description="Threads that answer unary calls.", ge=1)
    max_streams: int = Field(4096, description="Streams (watches, downloads) open at once.", ge=1)
    max_downloads: int = Field(256, description="Downloads open at once.", ge=1)
    request_timeout: float = Field(
        30, description="Seconds allowed for a call that sets no deadline of its own.", gt=0
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is logged: `debug`, `info`, `warning` or `error`."
    )
    log_format: Literal["json", "text"] = Field(
        "text", description="Format of log lines: `text` or `json`."
    )
    executor: Literal["local", "ray"] = Field(
        "local", description="Where attempts run: `local`, in child processes here, or `ray`."
    )
    ray_address: str | None = Field(
        None,
        description="Ray cluster that this machine is a node of, as `host:6379`. Default: a Ray "
        "instance on this machine alone, which evald starts and stops.",
    )
    ray_cpus: float = Field(1, description="CPUs that Ray reserves for one attempt.", ge=0)
    slots: int = Field(4, description="Jobs that run at once.", ge=1)
    namespace_slots: int = Field(
        0,
        description="Jobs of one namespace that run at once, across all servers; 0 means no limit.",
        ge=0,
    )
    live_slots: int = Field(
        2, description="Live evaluations that run at once, in addition to jobs.", ge=1
    )
    live_seconds: float = Field(
        30, description="Seconds that a live evaluation may take, at most 110.", gt=0, le=110
    )
    warm_children: int = Field(1, description="Child processes kept ready.", ge=0)
    gpus: str = Field(
        "auto",
        description="`auto` asks NVML, or the Ray cluster; `none` uses none, `4` simulates four, "
        "`4x24` four of 24 GiB.",
    )
    gpu_sharing: bool = Field(
        False, description="Whether jobs that set `gpu_memory` may share GPUs."
    )
    local_engine: Literal["auto", "transformers", "vllm"] = Field(
        "auto",
        description="Engine for models that are checkpoints: `transformers`, `vllm`, or `auto` "
        "(vLLM if it is installed, the job has GPUs, and runs no other model).",
    )
    lease_seconds: float = Field(
        30, description="Seconds that an attempt's lease on its job lasts unless renewed.", gt=0
    )
    max_attempts: int = Field(3, description="Runs of a job before it fails for good.", ge=1)
    max_runtime: float = Field(86400, description="Seconds that one run of a job may take.", gt=0)
    job_memory: int = Field(
        0,
        description="Bytes of memory that one job's processes may hold. Default: three quarters "
        "of the machine's.",
        ge=0,
    )
    job_processes: int = Field(1024, description="Processes that one job may start.", ge=1)
    job_output: int = Field(
        2**30, description="Bytes that one job may print; its log keeps the first MiB.", ge=2**20
    )
    grace_seconds: float = Field(
        10,
        description="Seconds that calls and child processes get to finish when told to stop; a job "
        "that is cancelled or out of time gets 10 at most.",
        ge=0,
    )
    data_store_url: str | None = Field(
        None,
        description="Hugging Face endpoint of `hf://` URLs. Default: the embedded store.",
    )
    inference_url: str | None = Field(
        None, description="OpenAI-compatible base URL for targets whose model is just a name."
    )
    milvus_url: str | None = Field(
        None,
        description="Milvus server, as `http://user:password@host:19530`, for retrieval. "
        "Default: milvus-lite, in a file per job.",
    )
    egress: Names = Field(
        (),
        description="Hosts (`*.example.com` too) and networks that models and data may be fetched "
        "from, comma-separated. Default: all but link-local and metadata addresses, which are "
        "refused in any case.",
    )
    file_roots: Names = Field(
        (),
        description="Folders that data sets, checkpoints and secrets (`file:/…`) may be read from, "
        "comma-separated.",
    )
    secret_env: Names | None = Field(
        None,
        description="Environment variables that secrets may name as `env:NAME`, comma-separated, "
        "`*` allowed. Default: all but `EVALD_*`; none with `EVALD_AUTH=tokens`.",
    )
    response_limit: int = Field(
        32 * 2**20, description="Most bytes that are read of one model reply.", ge=1024
    )

    @field_validator("egress", "file_roots", "secret_env", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @property
    def database(self) -> str:
        """URL of the database."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'evald.db'}"

    @property
    def is_alone(self) -> bool:
        """Whether one server uses the data dir; those on a PostgreSQL may share theirs."""
        return self.database.startswith("sqlite")

    @property
    def clients(self) -> ClientSettings:
        """The part that children get."""
        fields = self.model_dump(include=set(ClientSettings.model_fields), exclude_none=True)
        if self.auth == "tokens":
            fields.setdefault("secret_env", ())
        return ClientSettings(**{**fields, "data_dir": self.data_dir.resolve()})


NEAR = 0.87
"""How like a setting's name a variable is that is taken for one; those that Kubernetes makes of a
service called evald are less."""


def misspelt(variables: Iterable[str]) -> dict[str, str]:
    """Variables that are no setting, but nearly named as one: the name of that."""
    known = {f"EVALD_{name.upper()}" for name in Settings.model_fields}
    found = {}
    for name in variables:
        if name.startswith("EVALD") and name not in known:
            for near in difflib.get_close_matches(name, known, n=1, cutoff=NEAR):
                found[name] = near
    return found
