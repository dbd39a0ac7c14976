"""Free TCP ports on this machine."""

import random
import socket

# Below the range that the kernel hands to outgoing connections: a server that is down for a moment must find its port
# still free when it comes back.
_CANDIDATES = range(15_000, 32_000)


def free_port(host: str = "127.0.0.1") -> int:
    for port in random.sample(_CANDIDATES, 200):
        if is_free(port, host):
            return port
    raise OSError(f"no free port found on {host}")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
