"""The store behind the API: objects, one revision counter over all kinds, and for each kind the recent changes.

Objects are never changed in place: a write puts a new one there, so what somebody has read stays what it was. The
recent changes serve watches and lists at an older revision alike.
"""

from __future__ import annotations

import random
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from serinus_simulator.clock import timestamp
from serinus_simulator.kubernetes import failures
from serinus_simulator.kubernetes.kinds import KINDS, Kind, Object
from serinus_simulator.kubernetes.patch import same
from serinus_simulator.kubernetes.schema import UNCHECKED, Cause, conform

FIRST_REVISION = 1000
"""Not 1, so that a revision from before the beginning exists and is answered with 410."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write: the object before and after it. `new` of a deletion is None, `last` the object as it went."""

    revision: int
    old: Object | None
    new: Object | None
    last: Object

    @property
    def type(self) -> str:
        """As a watch names it."""
        return "ADDED" if self.old is None else "DELETED" if self.new is None else "MODIFIED"


@dataclass
class _Shelf:
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    owned: dict[str, dict[tuple[str, str], None]] = field(default_factory=dict)
    changes: deque[Change] = field(default_factory=deque)
    floor: int = FIRST_REVISION
    subscribers: list[Callable[[Change], None]] = field(default_factory=list)


class ObjectStore:
    """All objects of the world. `history` is how many changes per kind a watch can go back.

    Names come of the seed alone. An object's uid comes of the time too at which the store was made: whoever remembers
    another world of the same seed, as a kept Redis does, must not take its objects for these.
    """

    def __init__(self, now: Callable[[], float], *, seed: int = 0, history: int = 1000) -> None:
        self.kinds = KINDS
        self.history = history
        self.revision = FIRST_REVISION
        self._now = now
        self._random = random.Random(seed)
        self._born = random.Random(now()).getrandbits(128)
        self._shelves = {kind: _Shelf() for kind in self.kinds}
        self._by_path = {(kind.group, kind.version, kind.plural): kind for kind in self.kinds}

    def find_kind(self, group: str, version: str, plural: str) -> Kind | None:
        """None for a kind that is not kept here."""
        return self._by_path.get((group, version, plural))

    def subscribe(self, kind: Kind, subscriber: Callable[[Change], None]) -> Callable[[], None]:
        """Call `subscriber` after each change of the kind; the answer ends that. It must not write itself."""
        subscribers = self._shelves[kind].subscribers
        subscribers.append(subscriber)
        return lambda: subscribers.remove(subscriber) if subscriber in subscribers else None

    def peek(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """As it stands, None if it is not there."""
        return self._shelves[kind].objects.get((namespace, name))

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """Raises ApiError 404."""
        found = self.peek(kind, namespace, name)
        if found is None:
            raise failures.not_found(kind.group, kind.plural, name)
        return found

    def objects(self, kind: Kind, namespace: str | None = None) -> list[Object]:
        """In the order of namespace and name."""
        objects = self._shelves[kind].objects
        return [objects[key] for key in sorted(objects) if namespace in (None, key[0])]

    def owned(self, kind: Kind, uid: str) -> list[Object]:
        """The objects that name this one as an owner, oldest first."""
        shelf = self._shelves[kind]
        return [shelf.objects[key] for key in shelf.owned.get(uid, ())]

    def objects_at(self, kind: Kind, namespace: str | None, revision: int) -> list[Object]:
        """The objects as they were at a revision. Raises ApiError 410 where that is forgotten."""
        shelf = self._shelves[kind]
        if revision < shelf.floor:
            raise failures.ApiError(410, "The resourceVersion for the provided list is too old.")
        objects = dict(shelf.objects)
        for change in reversed(shelf.changes):
            if change.revision <= revision:
                break
            key = _key(change.last)
            if change.old is None:
                objects.pop(key, None)
            else:
                objects[key] = change.old
        return [objects[key] for key in sorted(objects) if namespace in (None, key[0])]

    def changes_since(self, kind: Kind, revision: int) -> list[Change]:
        """Raises ApiError 410 where the changes after the revision are no longer all known."""
        shelf = self._shelves[kind]
        if revision < shelf.floor:
            raise failures.expired(shelf.floor, revision)
        return [change for change in shelf.changes if change.revision > revision]

    def forget_history(self) -> None:
        """Compact: every watch and list from before now is answered with 410."""
        self.revision += 1
        for shelf in self._shelves.values():
            shelf.changes.clear()
            shelf.floor = self.revision

    def create(self, kind: Kind, namespace: str, obj: Object, *, keep_status: bool = False) -> Object:
        """Raises ApiError: 409 where it exists, 422 for wrong types or a missing name."""
        metadata = dict(obj.get("metadata") or {})
        name = metadata.get("name") or self._generated(metadata.get("generateName"))
        if not name:
            cause = {
                "reason": "FieldValueRequired",
                "message": "Required value: name or generateName is required",
                "field": "metadata.name",
            }
            raise failures.invalid(kind.group, kind.kind, "", [cause])
        if self.peek(kind, namespace, name) is not None:
            raise failures.already_exists(kind.group, kind.plural, name)
        now = self._now()
        metadata |= {"name": name, "uid": str(self._uuid()), "creationTimestamp": timestamp(now)}
        if kind.namespaced:
            metadata["namespace"] = namespace
        if kind.versioned:
            metadata["generation"] = 1
        made = dict(obj) | {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
        if kind.status and kind.custom and not keep_status:
            made.pop("status", None)
        made = self._conform(kind, made)
        if kind.defaults is not None:
            kind.defaults(made)
        return self._put(kind, None, made)

    def replace(self, kind: Kind, namespace: str, name: str, obj: Object, subresource: str = "") -> Object:
        """PUT: the given resourceVersion must be the present one. Raises ApiError 404, 409, 422."""
        old = self.get(kind, namespace, name)
        given = (obj.get("metadata") or {}).get("resourceVersion")
        if not given:
            cause = {
                "reason": "FieldValueInvalid",
                "message": "Invalid value: 0: must be specified for an update",
                "field": "metadata.resourceVersion",
            }
            raise failures.invalid(kind.group, kind.kind, name, [cause])
        return self._write(kind, old, obj, subresource)

    def modify(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Callable[[Object], Object],
        subresource: str = "",
    ) -> Object:
        """PATCH: `change` makes a new object of the present one. Raises ApiError 404, 409, 422 and what it raises."""
        old = self.get(kind, namespace, name)
        return self._write(kind, old, change(old), subresource)

    def delete(self, kind: Kind, namespace: str, name: str) -> Object:
        """The object as it went. Raises ApiError 404."""
        old = self.get(kind, namespace, name)
        self.revision += 1
        last = old | {"metadata": old["metadata"] | {"resourceVersion": str(self.revision)}}
        shelf = self._shelves[kind]
        key = _key(old)
        del shelf.objects[key]
        for uid in _owners(old):
            shelf.owned[uid].pop(key)
            if not shelf.owned[uid]:
                del shelf.owned[uid]
        self._publish(shelf, Change(self.revision, old, None, last))
        return last

    def begin_deletion(self, kind: Kind, namespace: str, name: str, seconds: float) -> Object:
        """Mark an object as going; who looks after it deletes it later."""
        old = self.get(kind, namespace, name)
        marks = {"deletionTimestamp": timestamp(self._now() + seconds), "deletionGracePeriodSeconds": int(seconds)}
        return self._put(kind, old, old | {"metadata": old["metadata"] | marks})

    def _write(self, kind: Kind, old: Object, new: Object, subresource: str) -> Object:
        name = old["metadata"]["name"]
        given = (new.get("metadata") or {}).get("resourceVersion")
        if given and given != old["metadata"]["resourceVersion"]:
            raise failures.conflict(kind.group, kind.plural, name)
        if subresource == "status":
            made = {key: value for key, value in old.items() if key != "status"}
            if new.get("status") is not None:
                made["status"] = new["status"]
        else:
            made = {key: value for key, value in new.items() if key != "status" or not kind.status}
            if kind.status and "status" in old:
                made["status"] = old["status"]
            made["metadata"] = self._metadata(kind, old, new)
            made |= {"apiVersion": kind.api_version, "kind": kind.kind}
        made = self._conform(kind, made)
        if kind.versioned and not subresource:
            ignored = ("metadata", "status") if kind.status else ("metadata",)
            before = {key: value for key, value in old.items() if key not in ignored}
            after = {key: value for key, value in made.items() if key not in ignored}
            if not same(before, after):
                made["metadata"] = made["metadata"] | {"generation": old["metadata"]["generation"] + 1}
        if same(made, old):
            return old
        return self._put(kind, old, made)

    def _metadata(self, kind: Kind, old: Object, new: Object) -> Object:
        kept = ("name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp", "resourceVersion")
        metadata = {key: value for key, value in (new.get("metadata") or {}).items() if key not in kept}
        metadata |= {key: old["metadata"][key] for key in kept if key in old["metadata"]}
        return {key: value for key, value in metadata.items() if value not in ({}, [])}

    def _conform(self, kind: Kind, obj: Object) -> Object:
        if kind.schema is None:
            return obj
        causes: list[Cause] = []
        made = dict(obj)
        for part, part_schema in kind.schema.items():
            if part in obj:
                made[part] = conform(obj[part], part_schema, part, causes)
        for key in obj.keys() - kind.schema.keys() - {"apiVersion", "kind", "metadata"}:
            del made[key]
        if causes:
            scale = [_scale_cause(obj["spec"]["replicas"]) for cause in causes if cause["field"] == "spec.replicas"]
            raise failures.invalid(kind.group, kind.kind, obj["metadata"]["name"], [*causes, *scale, UNCHECKED])
        return made

    def _put(self, kind: Kind, old: Object | None, new: Object) -> Object:
        self.revision += 1
        new = new | {"metadata": new["metadata"] | {"resourceVersion": str(self.revision)}}
        shelf = self._shelves[kind]
        key = _key(new)
        shelf.objects[key] = new
        if old is None:
            for uid in _owners(new):
                shelf.owned.setdefault(uid, {})[key] = None
        self._publish(shelf, Change(self.revision, old, new, new))
        return new

    def _publish(self, shelf: _Shelf, change: Change) -> None:
        shelf.changes.append(change)
        if len(shelf.changes) > self.history:
            shelf.floor = shelf.changes.popleft().revision
        for subscriber in list(shelf.subscribers):
            subscriber(change)

    def _generated(self, prefix: str | None) -> str:
        return prefix + self.short_name() if prefix else ""

    def short_name(self) -> str:
        """Five characters such as end the names of pods."""
        return "".join(self._random.choices("bcdfghjklmnpqrstvwxz2456789", k=5))

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self._random.getrandbits(128) ^ self._born, version=4)


def _key(obj: Object) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _owners(obj: Object) -> list[str]:
    return [owner["uid"] for owner in obj["metadata"].get("ownerReferences", [])]


def _scale_cause(value: object) -> Cause:
    """The scale subresource reads the same field and complains in its own words."""
    return {
        "reason": "FieldValueInvalid",
        "message": f"Invalid value: 0: .spec.replicas accessor error: {value} is of the type string, expected int64",
        "field": ".spec.replicas",
    }
