"""Which fields are secrets, and that none of them shows."""

from __future__ import annotations

import json
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from evald.clients.redact import MASK, redact, snippet
from evald.clients.secrets import is_secret, mask, secret_values, url_secrets
from evald.clients.vault import Vault, read_key
from evald.domain.tokens import new_secret
from evald.errors import EvaluationError, InvalidArgument
from evald.settings import ClientSettings, Settings

KEY = "nvapi-canary-Ab3_0123456789"

SECRETS = """
api_key apikey apiKey API_KEY api-key x-api-key X_API_KEY openai_api_key rapid_api_key token
hf_token hfToken HFToken access_token accessToken refresh_token id_token auth_token
bearer_token session_token password db_password passwd user_passwd passphrase secret
client_secret clientSecret secret_key aws_secret_access_key secretAccessKey access_key
private_key authorization Authorization proxy-authorization credentials credential cookie
bearer api_keys ngc_api_key NVIDIA_API_KEY subscription.api.key _api_key api_key_
"""

OTHERS = """
max_tokens max_new_tokens tokens tokenizer tokenizer_backend end_token start_token eos_token
bos_token pad_token unk_token sep_token stop_token max_token tokenized_requests token_count
token_ids api_key_name api_endpoint key keys name prompt primary_key foreign_key key_value
monkey keyboard secretary passwords_checked num_tokens detokenize output_text answer_key
"""

DOCUMENT: dict[str, Any] = {
    "model": {
        "api_endpoint": {"url": "http://h/v1", "model_id": "m", "api_key": KEY},
        "prompt": {"inference_params": {"max_tokens": 5, "stop": ["</s>"]}},
    },
    "params": {
        "max_tokens": 7,
        "extra": {"hf_token": KEY, "end_token": "</think>", "rapid_api_key": KEY},
    },
    "tasks": {
        "token": {"type": "data", "params": {"judge": {"model": {"api_key": KEY}}}},
        "qa": {
            "metrics": {"password": {"type": "string-check", "params": {"check": ["a", "b"]}}},
            "params": {"tools": [{"parameters": {"properties": {"api_key": {"type": "string"}}}}]},
        },
    },
    "rows": [{"token": "NN", "password": "x"}],
    "nothing": None,
    "api_key": None,
    "secret": "",
    "password": True,
}

PATHS = [
    ("model", "api_endpoint", "api_key"),
    ("params", "extra", "hf_token"),
    ("params", "extra", "rapid_api_key"),
    ("tasks", "token", "params", "judge", "model", "api_key"),
]


@pytest.fixture
def vault(settings: ClientSettings) -> Vault:
    return Vault(settings)


def at(document: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


@pytest.mark.parametrize(
    "name",
    SECRETS.split(),
)
def test_secret_names(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    OTHERS.split(),
)
def test_other_names(name: str) -> None:
    assert not is_secret(name)


def test_mask_hides_all_and_only_secrets() -> None:
    before = json.dumps(DOCUMENT)
    masked = mask(DOCUMENT)
    assert json.dumps(DOCUMENT) == before
    assert KEY not in json.dumps(masked)
    for path in PATHS:
        assert at(masked, path) == MASK == "******"
        at(masked, path[:-1])[path[-1]] = KEY
    assert masked == DOCUMENT


def test_seal_and_unseal(vault: Vault, settings: ClientSettings) -> None:
    sealed = vault.seal(DOCUMENT)
    assert KEY not in json.dumps(sealed)
    assert all(at(sealed, path).startswith("enc:v1:") for path in PATHS)
    assert vault.seal(sealed) == sealed
    assert vault.mask(sealed) == mask(DOCUMENT)
    for reader in (vault, Vault(settings)):
        assert reader.unseal(sealed) == reader.reveal(sealed) == DOCUMENT
    assert vault.unseal([sealed, {"config": sealed}]) == [DOCUMENT, {"config": DOCUMENT}]


@pytest.mark.parametrize("value", ["x", "é", 7, 0, 1.5, ["a", "b"], {"a": "b"}, "enc:v1:forged"])
def test_a_secret_may_be_any_value(vault: Vault, value: Any) -> None:
    sealed = vault.seal({"secret": value})
    assert sealed["secret"].startswith("enc:v1:")
    assert sealed["secret"] != value
    assert vault.unseal(sealed) == {"secret": value}
    assert mask({"secret": value}) == {"secret": MASK}


def test_the_key_file(settings: ClientSettings) -> None:
    path = settings.data_dir / "secret.key"
    Vault(settings)
    assert not path.exists()
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: read_key(path), range(64)))
    assert len(keys) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in settings.data_dir.iterdir()] == ["secret.key"]


def test_another_key_reads_nothing(vault: Vault, settings: ClientSettings) -> None:
    sealed = vault.seal({"api_key": KEY})
    (settings.data_dir / "secret.key").unlink()
    other = Vault(settings)
    with pytest.raises(EvaluationError, match="give the secret again") as caught:
        other.reveal(sealed)
    assert caught.value.kind == "secret"
    assert other.mask(sealed) == {"api_key": MASK}


def test_references_are_followed_at_launch_only(
    settings: ClientSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "keys"
    root.mkdir()
    (root / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("MODEL_KEY", KEY)
    vault = Vault(settings.model_copy(update={"file_roots": (str(root),)}))
    given = {"api_key": "env:MODEL_KEY", "hf_token": f"file:{root}/key", "url": "env:MODEL_KEY"}
    assert vault.seal(given) == vault.unseal(given) == given
    assert vault.mask(given) == {"api_key": MASK, "hf_token": MASK, "url": "env:MODEL_KEY"}
    revealed = {"api_key": KEY, "hf_token": KEY, "url": "env:MODEL_KEY"}
    assert vault.reveal(given) == revealed


def test_a_secret_sent_back_as_shown_stays(vault: Vault) -> None:
    stored = vault.seal({"model": {"api_key": KEY}, "judges": [{"api_key": "other"}]})
    shown = vault.mask(stored)
    assert shown["model"] == {"api_key": MASK}
    assert vault.seal(shown, stored) == stored
    fresh = vault.seal({**shown, "model": {"api_key": "new"}}, stored)
    assert vault.reveal(fresh)["model"] == {"api_key": "new"}
    assert vault.reveal(fresh)["judges"] == [{"api_key": "other"}]


def test_a_secret_that_is_kept_goes_nowhere_else(vault: Vault) -> None:
    stored = vault.seal({"model": {"api_endpoint": {"url": "https://a/v1", "api_key": KEY}}})
    shown = vault.mask(stored)
    shown["model"]["api_endpoint"]["model_id"] = "other"
    assert vault.reveal(vault.seal(shown, stored))["model"]["api_endpoint"]["api_key"] == KEY
    for url in ("https://b/v1", None):
        shown["model"]["api_endpoint"]["url"] = url
        with pytest.raises(InvalidArgument, match="given for another url") as e:
            vault.seal(shown, stored)
        assert [v.field for v in e.value.violations] == ["model.api_endpoint.api_key"]


@pytest.mark.parametrize("before", [None, "https://a"])
def test_a_token_that_is_kept_goes_to_no_other_hub(vault: Vault, before: str | None) -> None:
    dataset = {"files_url": "hf://datasets/a/b", "hf_token": KEY, "hf_endpoint": before}
    stored = vault.seal({"dataset": dataset})
    shown = vault.mask(stored)
    assert vault.reveal(vault.seal(shown, stored))["dataset"]["hf_token"] == KEY
    shown["dataset"]["hf_endpoint"] = "https://b"
    with pytest.raises(InvalidArgument, match="given for another hf_endpoint"):
        vault.seal(shown, stored)


def test_what_users_named_like_a_secret(vault: Vault) -> None:
    """A task, a metric or a property may be called so, and is an object; a text is a secret."""
    given = {
        "tasks": {"api_key": {"type": "data"}},
        "properties": {"password": {"type": "string"}, "db_password": "hunter2"},
        "groups": {"api_key": "sk"},
    }
    masked = {**given, "groups": {"api_key": MASK}}
    masked["properties"] = {"password": {"type": "string"}, "db_password": MASK}
    assert vault.mask(given) == masked
    assert "hunter2" not in str(vault.seal(given))
    assert vault.reveal(vault.seal(given)) == given


@pytest.mark.parametrize("stored", [None, {}, {"model": "ns/name"}, {"model": {"api_key": None}}])
def test_a_secret_shown_as_stars_is_no_secret(vault: Vault, stored: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"give the secret itself") as e:
        vault.seal({"model": {"api_key": MASK}}, stored)
    assert [v.field for v in e.value.violations] == ["model.api_key"]


@pytest.mark.parametrize("value", ["file:key.txt", "file:", "file:/", "file:./key"])
def test_a_path_that_is_not_whole_is_no_secret(vault: Vault, value: str) -> None:
    """It would be sent to the endpoint as the key."""
    with pytest.raises(InvalidArgument, match=r"file:/FOLDER/FILE") as e:
        vault.seal({"model": {"api_key": value}})
    assert [v.field for v in e.value.violations] == ["model.api_key"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("env:NO_SUCH_NAME", "env:NO_SUCH_NAME is not set"),
        ("env:EMPTY", "env:EMPTY is not set"),
        ("file:/etc/passwd", "outside the folders that EVALD_FILE_ROOTS opens"),
        ("file:{root}/../closed", "outside"),
        ("file:{root}/link", "outside"),
        ("file:{root}/none", "cannot be read"),
        ("file:{root}/empty", "is empty"),
        ("file:{root}/binary", "cannot be read"),
        ("file:{root}", "cannot be read"),
    ],
)
def test_references_that_lead_nowhere(
    settings: ClientSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    said: str,
) -> None:
    monkeypatch.setenv("EMPTY", "")
    root = tmp_path / "open"
    root.mkdir()
    (tmp_path / "closed").write_text(KEY)
    (root / "link").symlink_to(tmp_path / "closed")
    (root / "empty").write_text(" \n")
    (root / "binary").write_bytes(b"\xff")
    vault = Vault(settings.model_copy(update={"file_roots": (str(root),)}))
    with pytest.raises(EvaluationError, match=said) as caught:
        vault.reveal(vault.seal({"api_key": value.format(root=root)}))
    assert caught.value.kind == "secret"
    assert KEY not in caught.value.message


@pytest.mark.parametrize(
    ("allowed", "name", "read"),
    [
        (("*",), "MODEL_KEY", True),
        (("*",), "EVALD_DATABASE_URL", False),
        (("EVALD_*",), "EVALD_DATABASE_URL", False),
        (("MODEL_*", "OTHER"), "MODEL_KEY", True),
        (("MODEL_*", "OTHER"), "MODEL", False),
        (("model_*",), "MODEL_KEY", False),
        ((), "MODEL_KEY", False),
    ],
)
def test_variables_that_may_be_named(
    settings: ClientSettings,
    monkeypatch: pytest.MonkeyPatch,
    allowed: tuple[str, ...],
    name: str,
    read: bool,
) -> None:
    monkeypatch.setenv(name, KEY)
    vault = Vault(settings.model_copy(update={"secret_env": allowed}))
    given = {"model": {"api_key": f"env:{name}"}}
    if read:
        assert vault.reveal(vault.seal(given)) == {"model": {"api_key": KEY}}
        return
    with pytest.raises(InvalidArgument, match="may not be read; EVALD_SECRET_ENV") as refused:
        vault.seal(given)
    assert [v.field for v in refused.value.violations] == ["model.api_key"]
    with pytest.raises(EvaluationError, match="may not be read") as caught:
        vault.reveal(given)  # stored when it still might
    assert caught.value.kind == "secret"


@pytest.mark.parametrize(
    ("auth", "given", "allowed"),
    [
        (None, None, ("*",)),
        ("none", None, ("*",)),
        ("tokens", None, ()),
        ("tokens", "A, B_*", ("A", "B_*")),
        ("none", "", ()),
    ],
)
def test_variables_by_settings(
    monkeypatch: pytest.MonkeyPatch, auth: Any, given: str | None, allowed: tuple[str, ...]
) -> None:
    if given is not None:
        monkeypatch.setenv("EVALD_SECRET_ENV", given)
    assert Settings(auth=auth).clients.secret_env == allowed


def test_keys_in_urls_are_secret_values() -> None:
    url = "https://m/v1?api-version=2025-01-01&key=one%2Btwo&max_tokens=9&apiKey=three#key=four"
    document = {"model": {"api_endpoint": {"url": url}}, "rows": [{"a": "https://m?key=word"}]}
    assert secret_values([document]) == {"one%2Btwo", "one+two", "three"}
    assert url_secrets("https://m/v1?version=1") == url_secrets("http://m") == frozenset()


def test_secret_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_KEY", "from the environment")
    more = {"token": "env:MODEL_KEY", "secret": {"a": ["deep"]}, "passwd": MASK}
    assert secret_values([DOCUMENT, more]) == {KEY, "from the environment", "deep"}


@pytest.mark.parametrize(
    "text",
    [
        f"key {KEY} is wrong",
        f"Authorization: Bearer {KEY}",
        f"{{'Authorization': 'Bearer {KEY}', 'x': 1}}",
        f'"authorization":"{KEY}"',
        f"Proxy-Authorization: Basic {KEY}",
        f"bearer {KEY}",
        f"http://h/v1?api-key={KEY}&x=1",
        f"http://user:{KEY}@h/",
        f'{{"api_key": "{KEY}"}}',
        f"HF_TOKEN={KEY}",
        f"client_secret={KEY}",
        f"password: {KEY}",
        f"x={KEY}",
    ],
)
def test_redact_known_or_not(text: str) -> None:
    for secrets in ((), (KEY,)):
        redacted = redact(text, secrets)
        assert KEY not in redacted
        assert MASK in redacted


@pytest.mark.parametrize(
    "text",
    [
        "the token count is 7",
        "max_tokens=5",
        "the bearer of this",
        "http://host:8000/v1/chat",
        "password is missing",
        "no api_key was given",
        "hf://datasets/ns/name",
        "sk-8",
    ],
)
def test_redact_leaves_words(text: str) -> None:
    assert redact(text, ("abc",)) == text


def test_redact_our_own_tokens() -> None:
    assert redact(f"with {new_secret()}.") == f"with {MASK}."


def test_redact_known_secrets_in_other_forms() -> None:
    secret = 'p@ss "word"/\\'
    for form in (secret, json.dumps(secret)[1:-1], "p%40ss%20%22word%22%2F%5C"):
        assert redact(f"<{form}>", (secret,)) == f"<{MASK}>"
    assert redact("longsecret-more", ("longsecret", "longsecret-more")) == MASK


def test_snippet() -> None:
    assert snippet(b"a\x00b\x1b[31m\n\n c\xff") == "a b [31m c�"
    assert len(snippet(b"x" * 10**6)) == 303
    assert KEY[:6] not in snippet(b"y" * 295 + KEY.encode(), (KEY,))


@pytest.mark.parametrize("part", ["a-", "a_", "a.", "api-key", "sk-", "bearer ", "http://a:", " ="])
def test_redact_takes_linear_time(part: str) -> None:
    began = time.process_time()
    redact(part * 50_000, (KEY,))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("task", ["rows", "tasks", "metrics", "api_key", "properties"])
@pytest.mark.parametrize("metric", ["rows", "metrics", "token"])
def test_names_that_users_made_up_are_no_fields(vault: Vault, task: str, metric: str) -> None:
    model = {"api_endpoint": {"url": f"https://a/v1?key={KEY}x", "api_key": KEY}}
    params = {"model": model, "rows": {"token": "a word"}}
    config = {"tasks": {task: {"hf_token": KEY, "metrics": {metric: {"params": params}}}}}
    sealed = vault.seal(config)
    assert KEY not in str(sealed).replace(f"{KEY}x", "")
    assert str(vault.mask(config)).count(MASK) == 2
    assert vault.reveal(sealed) == config
    assert {KEY, f"{KEY}x"} <= secret_values(config)
    assert "a word" not in secret_values(config)
