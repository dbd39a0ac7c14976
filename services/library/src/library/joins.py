"""Which ids name one work. Each source has joined some: the person, and every import that was not undone. What is shown
follows from all of them together, so that without an import everything is as it was before."""

from collections import defaultdict

OWN = ""
"""The source of what a person did; all others are imports."""

Group = tuple[str, ...]
"""Ids of one work, the one that it is shown under first."""
Layers = dict[str, tuple[Group, ...]]
"""The groups of each source."""


def joined(layers: Layers, ids: Group, source: str) -> Layers:
    """With these ids in one group of *source*'s, and all that it had joined to any of them."""
    whole = united(layers, ids, source)
    others = (group for group in layers.get(source, ()) if group[0] not in whole)
    return {**layers, source: (*others, whole)}


def united(layers: Layers, ids: Group, source: str) -> Group:
    """These ids and all that *source* has joined to any of them; the first of these is the one to show."""
    groups = layers.get(source, ())
    return tuple(dict.fromkeys((*ids, *(other for id in ids for other in _of(groups, id)))))


def split(layers: Layers, id: str) -> Layers:
    """Without an id, whoever has joined it."""
    left = {source: tuple(_without(group, id) for group in groups) for source, groups in layers.items()}
    return _some({source: tuple(group for group in groups if len(group) > 1) for source, groups in left.items()})


def undone(layers: Layers, source: str) -> Layers:
    return {other: groups for other, groups in layers.items() if other != source}


def group(layers: Layers, id: str) -> Group:
    """Every id of a work."""
    if len(layers) > 1:
        return shown(layers).get(id, (id,))
    return next((_of(groups, id) for groups in layers.values()), (id,))


def shown(layers: Layers) -> dict[str, Group]:
    """By each id all ids of its work. An id alone is left out. What the person has said goes first."""
    sources = sorted(layers, key=lambda source: source != OWN)
    groups = [group for source in sources for group in layers[source]]
    holding = defaultdict[str, list[int]](list)
    for number, group in enumerate(groups):
        for id in group:
            holding[id].append(number)
    found: dict[str, Group] = {}
    for number, group in enumerate(groups):
        if group[0] not in found:
            numbers = _reached(number, groups, holding)
            ids = tuple(dict.fromkeys(id for other in sorted(numbers) for id in groups[other]))
            found |= dict.fromkeys(ids, ids)
    return found


def _reached(start: int, groups: list[Group], holding: dict[str, list[int]]) -> set[int]:
    """The numbers of all groups that share an id with this one, or with another that does."""
    reached, waiting = {start}, [start]
    while waiting:
        next_to = {number for id in groups[waiting.pop()] for number in holding[id]} - reached
        reached |= next_to
        waiting += next_to
    return reached


def _of(groups: tuple[Group, ...], id: str) -> Group:
    return next((group for group in groups if id in group), (id,))


def _without(group: Group, id: str) -> Group:
    return tuple(other for other in group if other != id)


def _some(layers: Layers) -> Layers:
    return {source: groups for source, groups in layers.items() if groups}
