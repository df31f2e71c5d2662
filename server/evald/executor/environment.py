"""The environment variables that a child gets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from evald.executor import marker as markers

KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR"),
    *("PYTHON*", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SSL_*", "REQUESTS_CA_BUNDLE", "AWS_*"),
    *("HF_*", "TRANSFORMERS_*", "TOKENIZERS_*", "TORCH*", "NLTK_DATA", "XDG_CACHE_HOME"),
    *("CUDA_*", "NVIDIA_*", "NCCL_*", "OMP_*", "MKL_*", "OPENBLAS_*"),
)
"""Names that children keep. Everything else, proxies among it, is the server's own affair."""

CREDENTIALS = {
    *("HF_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
    *("GOOGLE_APPLICATION_CREDENTIALS", "AZURE_STORAGE_CONNECTION_STRING"),
    *("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_SAS_TOKEN"),
}
"""The machine's own, by which children read data. Programs of models see no variable at all."""

SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)


def scrubbed(
    environment: Mapping[str, str], *, marker: str, devices: Sequence[str]
) -> dict[str, str]:
    """What a child gets of `environment`: no settings, no secrets but CREDENTIALS, and only its own
    devices."""
    kept = {
        name: value
        for name, value in environment.items()
        if name in CREDENTIALS
        or (
            any(fnmatchcase(name, pattern) for pattern in KEPT)
            and not (SECRET.search(name) and not name.startswith("TOKENIZERS_"))
            and not re.search("://[^/]*@", value)
        )
    }
    return {**kept, "CUDA_VISIBLE_DEVICES": ",".join(devices), markers.NAME: marker}
