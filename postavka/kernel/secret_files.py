"""Secrets that lie in files: what a class of settings inherits so that each of its secrets can be given as one.

The secret `NAME` is taken from the variable `NAME`; else from the file that `NAME_FILE` names (Docker's and Kubernetes'
secrets); else from the file `NAME` in `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential=NAME:…`). A variable can be
seen by whoever may look at the process, a file by whoever may read it. A setting that names the file of a key
(`CredentialFile`) is that credential when it names none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, get_args

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from postavka.kernel.errors import UserError

CREDENTIALS = "CREDENTIALS_DIRECTORY"
SUFFIX = "_FILE"
LARGEST_BYTES = 65_536
"""Of a file with a secret."""


A_CREDENTIAL: Final = "may be a credential"
CredentialFile = Annotated[Path | None, A_CREDENTIAL]


class BadSecretFile(UserError):
    """A file that should hold a secret does not, or two places say different ones."""


class FileSettings(BaseSettings):
    """Settings whose secrets may lie in files."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources of settings, strongest first: the code, the environment, `.env`, files of secrets."""
        return init_settings, env_settings, dotenv_settings, SecretFiles(settings_cls, env_settings, dotenv_settings)


class SecretFiles(PydanticBaseSettingsSource):
    """Reads the files of those secrets whose variable is not set. Raises `BadSecretFile`."""

    def __init__(self, settings_cls: type[BaseSettings], *variables: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._variables: dict[str, str | None] = {}
        """By name in small letters; the environment goes before `.env`."""
        for source in reversed(variables):
            self._variables |= getattr(source, "env_vars", {})

    def __call__(self) -> dict[str, Any]:
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            if A_CREDENTIAL in field.metadata:
                [variable, *_] = self._names(field, name)
                if not self._variables.get(variable.lower()) and (file := credential(variable)) is not None:
                    found[variable if field.validation_alias else name] = file
            elif SecretStr in (field.annotation, *get_args(field.annotation)):
                value, key, _ = self.get_field_value(field, name)
                if value is not None:
                    found[key] = value
        return found

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The field's value from the file that `<NAME>_FILE` names, or None.

        Raises `BadSecretFile` for a file that can't be read, or where the variable itself has another value.
        """
        names = list(self._names(field, field_name))
        given = next((value for name in names if (value := self._variables.get(name.lower()))), None)
        for name, file in self._files(names):
            value = read_secret(file, name)
            if given is not None and given != value:
                raise BadSecretFile(f"{name} and {name}{SUFFIX} say different things: set one of them")
            return (None if given is not None else value), names[0] if field.validation_alias else field_name, False
        return None, field_name, False

    def _names(self, field: FieldInfo, field_name: str) -> Iterator[str]:
        if isinstance(field.validation_alias, AliasChoices):
            yield from (str(each) for each in field.validation_alias.choices)
        else:
            yield f"{self.config.get('env_prefix', '')}{field_name}".upper()

    def _files(self, names: list[str]) -> Iterator[tuple[str, Path]]:
        for name in names:
            if named := self._variables.get(f"{name}{SUFFIX}".lower()):
                yield name, Path(named)
        yield from _credentials(self._variables, names)


def _credentials(variables: Mapping[str, str | None], names: list[str]) -> Iterator[tuple[str, Path]]:
    """systemd's: a service that is not given the variable is given the file or nothing, so the variable goes first."""
    if not any(variables.get(name.lower()) for name in names):
        yield from ((name, file) for name in names if (file := credential(name)) is not None)


def credential(name: str) -> Path | None:
    """The file of a credential of this process; None if it has none of this name."""
    folder = os.environ.get(CREDENTIALS)
    file = Path(folder) / name if folder else None
    return file if file is not None and file.exists() else None


def read_secret(file: Path, name: str) -> str:
    """The text of a file without the line break at its end; `name` of the setting, for the message, which says nothing
    of the text. Raises `BadSecretFile`."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(LARGEST_BYTES + 1)
        text = raw.decode("utf-8")
    except OSError as wrong:
        raise BadSecretFile(f"{name}: its file {file} can't be read ({wrong.strerror})") from None
    except UnicodeDecodeError:
        raise BadSecretFile(f"{name}: its file {file} is no text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(raw) > LARGEST_BYTES or "\n" in text:
        raise BadSecretFile(f"{name}: its file {file} must hold one line, the secret")
    return text
