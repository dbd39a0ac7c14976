"""Where a request comes from, as far as that tells one household from another."""

import ipaddress
import re

from aiohttp import web

IPV6_PREFIX = 64
"""Bits that a provider gives to one customer, who chooses the others at will."""
FORWARDED_FOR = "X-Forwarded-For"

_PORT = re.compile(r"\[(?P<six>[^\]]*)\](?::\d+)?|(?P<four>[^:]*):\d+")


def address_of(request: web.Request, trusted_hops: int) -> str:
    """The address before so many reverse proxies of our own; what a client itself says of one is not believed."""
    told = ",".join(request.headers.getall(FORWARDED_FOR, ()))
    forwarded = [part.strip() for part in told.split(",") if part.strip()]
    if trusted_hops and len(forwarded) >= trusted_hops:
        return household(forwarded[-trusted_hops])
    return household(request.remote or "")


def household(address: str) -> str:
    """The address without its port; of IPv6 the network, in one spelling. What is no address stands for itself."""
    port = _PORT.fullmatch(address)
    bare = (port["six"] or port["four"] or "") if port else address
    try:
        found = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, IPV6_PREFIX), strict=False))
