"""Secrets, which stand in the environment or in a file of their own and never in the configuration."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr

from haunt.config.document import Data, Document, Key, dotted
from haunt.config.tree import printable

FORMS = "{env: NAME} or {file: PATH}"
LONGEST = 65_536
# Docker and Kubernetes put secrets there for everyone, who is nobody but those in the container.
OF_CONTAINERS = Path("/run/secrets")


def fill_in(annotation: Any, data: Data, document: Document, key: Key) -> Data:
    """The data at `key`, of a model or a type, with each secret in the place of its reference.

    What is wrong is reported. A field whose type is SecretStr is a secret.
    """
    if _stands_for_secret(annotation):
        return _secret(data, document, key)
    if isinstance(data, dict) and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields
        return {
            name: fill_in(fields[name].annotation, value, document, (*key, name)) if name in fields else value
            for name, value in data.items()
        }
    parts = [part for part in get_args(annotation) if _holds_secret(part)]
    for part in parts:
        if get_origin(annotation) in (tuple, list, set, frozenset) and isinstance(data, list):
            return [fill_in(part, value, document, (*key, index)) for index, value in enumerate(data)]
        if get_origin(annotation) in (dict, Mapping) and isinstance(data, dict):
            return {name: fill_in(part, value, document, (*key, name)) for name, value in data.items()}
        data = fill_in(part, data, document, key)
    return data


def _secret(data: Data, document: Document, key: Key) -> Data:
    if data is None:
        return None
    if not isinstance(data, dict):
        if key in document.lines:
            name = f"HAUNT_{key[-1]}".upper()
            document.spoil(
                key,
                f"a secret must not stand in this file; put it into the environment or a file of its own "
                f"and write {{env: {name}}} or {{file: {dotted(key[-1:])}}}",
            )
        elif isinstance(data, str):
            document.secrets[key] = data
        return data
    match data:
        case {"env": str(name), **others} if not others and name:
            found = _of_environment(name, document, key)
        case {"file": str(path), **others} if not others and path:
            found = _of_file(path, document, key)
        case _:
            document.spoil(key, f"must be {FORMS}, in which alone a secret may be given")
            return None
    if found is not None:
        document.secrets[key] = found
    return found


def _of_environment(name: str, document: Document, key: Key) -> str | None:
    found = document.environ.get(name)
    if found:
        return found
    lack = "is not set" if found is None else "is empty"
    document.spoil(key, f"the environment variable {printable(name)} {lack}; set it where Haunt is started")
    return None


def _of_file(written: str, document: Document, key: Key) -> str | None:
    try:
        path = (Path(document.file).parent / Path(written).expanduser()).resolve()
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            content = file.read(LONGEST + 1)
        found = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        document.spoil(key, f"the file {path} is not text")
        return None
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        document.spoil(key, f"the file {printable(written)} cannot be read: {reason}")
        return None
    if not found or len(content) > LONGEST:
        document.spoil(key, f"the file {path} {'is empty' if not found else 'is too large for a secret'}")
        return None
    if mode & stat.S_IROTH and OF_CONTAINERS not in path.parents:
        document.warn(key, f"everyone on this computer may read {path}; chmod 600 keeps it yours")
    return found


def _stands_for_secret(annotation: Any) -> bool:
    """`SecretStr`, `SecretStr | None`, annotated or not."""
    if annotation is SecretStr:
        return True
    if get_origin(annotation) in (tuple, list, set, frozenset, dict, Mapping):
        return False
    return any(_stands_for_secret(part) for part in get_args(annotation))


def _holds_secret(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return annotation is SecretStr or any(_holds_secret(part) for part in get_args(annotation))
