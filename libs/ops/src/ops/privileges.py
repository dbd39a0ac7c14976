"""How a child process gives up root: PostgreSQL refuses to run as root, and its files may lie below a closed folder."""

import os
import pwd
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from ops.problem import Problem


class CannotStepDown(Problem):
    """Running as root without a way to run PostgreSQL as somebody else."""


@dataclass(frozen=True)
class Account:
    """Whom an unprivileged child runs as."""

    uid: int
    gid: int


# Bits of the kernel's capability sets (capabilities(7)).
_DAC_OVERRIDE = 1
_DAC_READ_SEARCH = 2


def unprivileged_account() -> Account | None:
    """`nobody` when we are root, otherwise None: then children simply run as ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Account(65534, 65534)
    return Account(entry.pw_uid, entry.pw_gid)


def stepping_down(account: Account, command: list[str], death_signal: signal.Signals) -> list[str]:
    """The command run as `account`, with the one right to walk through folders that are closed to it.

    Neither the checkout nor its parents (often /root, mode 700) are opened to others for this. The death signal is set
    here because the kernel forgets one that was set before the change of user.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise CannotStepDown(
            "PostgreSQL does not run as root, and setpriv (package util-linux), which would start it as nobody, is not "
            "installed. Install it, or run as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own."
        )
    user = [f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
    ends = ["--no-new-privs", f"--pdeathsig={death_signal.name.removeprefix('SIG')}"]
    return [setpriv, *user, *ends, *_walking_right(), "--", *command]


def _walking_right() -> list[str]:
    available = _available_capabilities()
    for bit, name in ((_DAC_READ_SEARCH, "dac_read_search"), (_DAC_OVERRIDE, "dac_override")):
        if available >> bit & 1:
            rights = [f"--inh-caps=+{name}", f"--ambient-caps=+{name}", f"--bounding-set=-all,+{name}"]
            # initdb looks for postgres with access(2), which sets an ordinary user's rights aside unless told not to.
            return [*rights, "--securebits=+no_setuid_fixup"]
    return []  # nothing to hand on; it works wherever the path is open to all


def _available_capabilities() -> int:
    sets = dict.fromkeys(("CapPrm", "CapBnd"), 0)
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in sets:
            sets[name] = int(value, 16)
    return sets["CapPrm"] & sets["CapBnd"]
