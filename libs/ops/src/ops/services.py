"""Finds a service's definition and its settings, for commands that work on its log and read models."""

import importlib
import os
from pathlib import Path

from events.definition import Service
from events.settings import ServiceSettings, load
from ops.house import SERVICES
from ops.problem import Problem
from ops.running import NotRunning, running_over


def definition(name: str) -> Service:
    """The table of contents of the service called *name*."""
    names = [service.name for service in SERVICES]
    if name not in names:
        raise Problem(f"there is no service {name!r}; there are {', '.join(names)}")
    service = importlib.import_module(f"{name}.main").SERVICE
    assert isinstance(service, Service)
    return service


def settings_of(name: str, data: Path) -> ServiceSettings:
    """From the Matinee that runs over *data*; if none does, from this process's environment, as in a cluster."""
    try:
        environment = dict(running_over(data.absolute()).process(name).environment)
    except NotRunning:
        if "NATS_URL" not in os.environ:
            raise
        environment = dict(os.environ)
    return load(ServiceSettings, environment)
