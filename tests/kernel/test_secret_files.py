"""Every secret can be given as a file, and a mistake is told without the secret."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from postavka.kernel.secret_files import BadSecretFile, FileSettings
from postavka.kernel.settings import Settings
from tests.paths import PROJECT

SECRETS = {
    "KAFKA_SASL_PASSWORD": ("postavka.kernel.settings:Settings", "kafka_sasl_password"),
    "DATABASE_URL": ("postavka.kernel.settings:Settings", "database_url"),
    "POSTAVKA_DATABASE_URL": ("postavka.kernel.settings:Settings", "database_url"),
    "POSTAVKA_BLOBS_S3_SECRET_ACCESS_KEY": ("postavka.kernel.settings:Settings", "blobs_s3_secret_access_key"),
    "POSTAVKA_WEB_OIDC_CLIENT_SECRET": ("postavka.web.settings:WebSettings", "oidc_client_secret"),
    "POSTAVKA_WEB_LIMITS_STORAGE": ("postavka.web.settings:WebSettings", "limits_storage"),
    "POSTAVKA_TAX_TOKEN": ("postavka.domain.tax_register.settings:TaxSettings", "token"),
    "POSTAVKA_SMTP_PASSWORD": ("services.notices.settings:NoticesSettings", "smtp_password"),
    "POSTAVKA_EDO_TOKEN": ("services.documents.settings:DocumentsSettings", "edo_token"),
}
"""Variable → class of settings and field."""


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)  # no .env


def read(address: str, field: str) -> str | None:
    module, _, name = address.partition(":")
    value = getattr(getattr(import_module(module), name)(), field)
    assert value is None or isinstance(value, SecretStr)
    return None if value is None else value.get_secret_value()


@pytest.mark.parametrize("name", SECRETS)
def test_a_file_that_is_named_holds_the_secret(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "told").write_text("memory://s3cret \n")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "told"))
    assert read(*SECRETS[name]) == "memory://s3cret "


@pytest.mark.parametrize("name", SECRETS)
def test_so_does_a_credential_of_systemd(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / name).write_text("s3cret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert read(*SECRETS[name]) == "s3cret"


@pytest.mark.parametrize(
    ("name", "address", "field"),
    [
        ("POSTAVKA_PRIVACY_KEY", "postavka.kernel.privacy.master:PrivacySettings", "key"),
        ("POSTAVKA_LETTERS_KEY", "services.notices.settings:NoticesSettings", "letters_key"),
        ("POSTAVKA_BACKUP_KEY", "postavka.kernel.backup.sealed:BackupSettings", "key"),
        ("KAFKA_SSL_KEYFILE", "postavka.kernel.settings:Settings", "kafka_ssl_keyfile"),
        ("POSTAVKA_OUTSIDE_KEY", "postavka.kernel.settings:Settings", "outside_key"),
    ],
)
def test_a_setting_that_names_the_file_of_a_key_takes_a_credential(
    name: str, address: str, field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / name).write_text("00" * 32)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    module, _, kind = address.partition(":")
    settings = getattr(import_module(module), kind)
    assert getattr(settings(), field) == tmp_path / "credentials" / name
    monkeypatch.setenv(name, "/elsewhere/key")
    assert getattr(settings(), field) == Path("/elsewhere/key")


def test_every_secret_of_every_setting_is_among_them() -> None:
    for file in PROJECT.glob("*/**/settings.py"):
        if file.relative_to(PROJECT).parts[0] in ("postavka", "services"):
            import_module(".".join(file.relative_to(PROJECT).with_suffix("").parts))

    def all_below(kind: type[BaseSettings]) -> set[type[BaseSettings]]:
        below = set(kind.__subclasses__())
        return below.union(*(all_below(each) for each in below))

    ours = {each for each in all_below(BaseSettings) if each.__module__.startswith(("postavka.", "services."))}
    with_secrets = {
        (f"{kind.__module__}:{kind.__name__}", name)
        for kind in ours
        for name, field in kind.model_fields.items()
        if SecretStr in (field.annotation, *get_args(field.annotation))
    }
    assert with_secrets == set(SECRETS.values())
    assert all(
        issubclass(kind, FileSettings)
        for kind in ours
        if f"{kind.__module__}:{kind.__name__}" in dict(SECRETS.values())
    )


def test_the_variable_goes_first_and_a_contradiction_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "url").write_text("postgresql://h/one")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/one")
    assert Settings().database_url == SecretStr("postgresql://h/one")
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/two")
    with pytest.raises(BadSecretFile, match="DATABASE_URL and DATABASE_URL_FILE say different things"):
        Settings()


def test_the_variable_goes_before_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "DATABASE_URL").write_text("postgresql://h/one")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/two")
    assert Settings().database_url == SecretStr("postgresql://h/two")


def test_dotenv_may_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://h/one")
    (tmp_path / ".env").write_text(f"DATABASE_URL_FILE={tmp_path / 'url'}\n")
    assert Settings().database_url == SecretStr("postgresql://h/one")


def test_what_a_program_says_itself_goes_before_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "url").write_text("postgresql://h/one")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    assert Settings(database_url="postgresql://h/two").database_url == SecretStr("postgresql://h/two")
    assert Settings(DATABASE_URL="postgresql://h/two").database_url == SecretStr("postgresql://h/two")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "can't be read"),
        (b"", "one line"),
        (b"\n", "one line"),
        (b"s3cret\ns3cret\n", "one line"),
        (b"s3cret" * 20_000, "one line"),
        (b"\xff\xfes3cret", "no text"),
    ],
)
def test_a_file_without_a_secret_is_refused(
    content: bytes | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "told").write_bytes(content)
    monkeypatch.setenv("KAFKA_SASL_PASSWORD_FILE", str(tmp_path / "told"))
    with pytest.raises(BadSecretFile, match=words) as refused:
        Settings()
    assert "KAFKA_SASL_PASSWORD" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_the_docs_name_each() -> None:
    text = (PROJECT / "docs" / "own-servers.md").read_text()
    assert [name for name in SECRETS if name != "POSTAVKA_DATABASE_URL" and f"{name}_FILE" not in text] == []
