"""The secrets of one installation: made once, kept in one file that only its owner can read."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ops.house import GATEWAY, OPERATOR, SERVICES
from ops.problem import Problem


class SecretsMissing(Problem):
    """There is data but no secrets.json for it."""


@dataclass(frozen=True)
class Keys:
    """Passwords by user, and the three keys of the installation (base64 of 32 bytes)."""

    admin_password: str
    master_key: str  # wraps every person's key in the vault: without it nobody's name can be read again
    uid_secret: str  # turns (issuer, subject) into a uid: with another one everybody is somebody else
    guest_secret: str
    nats: dict[str, str] = field(default_factory=dict)
    database: dict[str, str] = field(default_factory=dict)


def keys_in(folder: Path) -> Keys:
    """The keys kept in `folder`; what is missing, such as a new service's password, is made and saved first."""
    path = folder / "secrets.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    if not kept and (folder / "postgres").exists():
        raise SecretsMissing(
            f"{folder} holds data but no secrets.json, so its databases cannot be opened. "
            f"Put the file back from a backup, or remove {folder} to begin anew."
        )
    services = [service.name for service in SERVICES]
    keys = Keys(
        admin_password=kept.get("admin_password") or _password(),
        master_key=kept.get("master_key") or _key(),
        uid_secret=kept.get("uid_secret") or _key(),
        guest_secret=kept.get("guest_secret") or _key(),
        nats=_passwords([*services, GATEWAY, OPERATOR], kept.get("nats", {})),
        database=_passwords(services, kept.get("database", {})),
    )
    if asdict(keys) != kept:
        write_private(path, json.dumps(asdict(keys), indent=2) + "\n")
    return keys


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner alone from its first byte on."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _passwords(names: list[str], kept: dict[str, str]) -> dict[str, str]:
    return {name: kept.get(name) or _password() for name in names}


def _password() -> str:
    return secrets.token_urlsafe(24)


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()
