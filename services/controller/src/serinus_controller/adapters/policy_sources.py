"""Where policies come from: files of a folder, read again when they change, and CanaryPolicy resources."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from serinus_contracts import CanaryPolicy
from serinus_contracts.crd import GROUP, KIND, PLURAL, VERSION
from serinus_contracts.policy import MAX_POLICY_BYTES
from serinus_contracts.provider_namespaces import ProviderAccess
from serinus_rollouts.kubernetes.api import Api, ClusterError
from serinus_rollouts.policy_documents import load_file, origin_of, read_resource
from serinus_runtime.clock import Clock
from serinus_runtime.documents import DocumentError

from serinus_controller.adapters.conditions import Condition, said, with_conditions
from serinus_controller.adapters.mirror import Json
from serinus_controller.use_cases.policy_store import PolicyStore

logger = logging.getLogger(__name__)

RESOURCES = f"/apis/{GROUP}/{VERSION}"
EVERY = 5.0
# A file that was written so lately may be written again within the same tick of the file system's clock.
SETTLED_NS = 2_000_000_000
# Of one namespace: each is read at the start of a leader, up to half a second, before any Rollout is.
MAX_POLICIES = 50
MAX_SURPLUS_TOLD = 10
SURPLUS = "namespace {namespace} has more than {most} policies: only so many are in force, the oldest"


@dataclass
class PolicyFolder:
    """The .yaml and .yml files of a folder, such as a mounted ConfigMap."""

    folder: Path
    store: PolicyStore
    _read: dict[Path, tuple[object, list[CanaryPolicy]]] = field(default_factory=dict)

    def read(self) -> list[str]:
        """Bring the store up to date; gives what is wrong, a line each. Raises DocumentError if there is no folder."""
        if not self.folder.is_dir():
            raise DocumentError.about(str(self.folder), "no such folder: SERINUS_POLICIES names it")
        names: dict[str, str] = {}
        problems: list[str] = []
        files = sorted(path for path in self.folder.iterdir() if path.suffix in (".yaml", ".yml"))
        for file in files:
            try:
                policies = self._load(file)
                _check_names(policies, str(file), names)
            except DocumentError as error:
                self.store.refuse(str(file), str(error))
                problems.append(str(error))
            except Exception as error:  # noqa: BLE001 - told, and logged with its traceback
                # A fault of ours must not cost the policies of all other files.
                problem = f"{file}: cannot be read: {type(error).__name__}: {error}"
                self.store.refuse(str(file), problem, unforeseen=True)
                problems.append(problem)
            else:
                self.store.accept(str(file), policies)
        ours = {origin for origin in self.store.origins if origin.startswith(f"{self.folder}/")}
        for gone in ours - set(map(str, files)):
            self.store.drop(gone)
        self._read = {file: read for file, read in self._read.items() if file in files}
        return problems

    def _load(self, file: Path) -> list[CanaryPolicy]:
        """The policies of a file, which is parsed only if it may have changed. Raises DocumentError."""
        stamp = _stamp(file)
        known = self._read.pop(file, None)
        policies = known[1] if known and known[0] == stamp else load_file(file)
        if stamp:
            self._read[file] = stamp, policies
        return policies

    async def step(self) -> float:
        """A step for `forever`."""
        try:
            await asyncio.to_thread(self.read)
        except DocumentError as error:
            self.store.refuse(str(self.folder), str(error))
        else:
            self.store.drop(str(self.folder))
        return EVERY


def _stamp(file: Path) -> tuple[int, ...] | None:
    """Changes with the file's content; None where that cannot be relied on."""
    try:
        stat = file.stat()
    except OSError:
        return None
    settled = time.time_ns() - stat.st_mtime_ns > SETTLED_NS
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns) if settled else None


def _check_names(policies: Iterable[CanaryPolicy], file: str, names: dict[str, str]) -> None:
    for policy in policies:
        name = f"{policy.metadata.namespace or ''}/{policy.metadata.name}"
        if names.setdefault(name, file) != file:
            raise DocumentError.about(file, f"metadata.name: {policy.metadata.name} is in {names[name]} too")


@dataclass(frozen=True)
class TooLarge:
    """What stands for a spec of so many bytes."""

    size: int


@dataclass
class PolicySink:
    """CanaryPolicy resources of a namespace (of all, if it is empty), with their status conditions.

    One is validated, off the loop, when its resourceVersion is not the one that was handled last. `paced`: what is to
    be said of the pace at which policies are followed, by origin; None where that is not known.
    """

    api: Api
    store: PolicyStore
    namespace: str
    clock: Clock
    access: ProviderAccess = field(default_factory=dict)
    paced: Callable[[], Mapping[str, str] | None] = lambda: None
    _handled: dict[str, str] = field(default_factory=dict)

    def read(self, documents: Sequence[Json]) -> Sequence[Json]:
        """The documents without the specs that nobody needs: of what has not changed, and of what is far too large."""
        return [self._slim(document) for document in documents]

    def _slim(self, document: Json) -> Json:
        if self._handled.get(origin_of(document)) == _version(document):
            return {**document, "spec": None}
        size = len(orjson.dumps(document.get("spec")))
        return {**document, "spec": TooLarge(size)} if size > 2 * MAX_POLICY_BYTES else document

    async def listed(self, found: Sequence[Json], asked: int) -> None:
        """Take a full list; of a namespace the oldest `MAX_POLICIES` are in force. `asked` does not matter here."""
        present, surplus = set(), 0
        counts: Counter[str] = Counter()
        for document in sorted(found, key=_age):
            namespace = _namespace(document)
            counts[namespace] += 1
            present.add(origin_of(document))
            if counts[namespace] <= MAX_POLICIES:
                await self.changed(document)
            elif surplus < MAX_SURPLUS_TOLD and self._handled.get(origin_of(document)) != _version(document):
                surplus += 1
                self.store.drop(origin_of(document))
                await self._refuse(document, SURPLUS.format(namespace=namespace, most=MAX_POLICIES))
        prefix = f"{KIND} {self.namespace}/" if self.namespace else f"{KIND} "
        for gone in {origin for origin in self.store.origins if origin.startswith(prefix)} - present:
            self._drop(gone)

    async def changed(self, document: Json) -> None:
        """Read a resource that was made or changed, and write the condition that says what came of it."""
        version = _version(document)
        if version and self._handled.get(origin_of(document)) == version:
            await self._write(document, *self._pace(document))
            return
        document = self._slim(document)
        spec = document.get("spec")
        if isinstance(spec, TooLarge):
            await self._refuse(document, f"spec is at most {MAX_POLICY_BYTES >> 10} KiB, this one {spec.size >> 10:,}")
            return
        taken = sum(origin.startswith(f"{KIND} {_namespace(document)}/") for origin in self.store.in_force)
        if taken >= MAX_POLICIES and origin_of(document) not in self.store.in_force:
            await self._refuse(document, SURPLUS.format(namespace=_namespace(document), most=MAX_POLICIES))
            return
        try:
            policy = await asyncio.to_thread(read_resource, document, self.access)
        except DocumentError as error:
            self.store.refuse(origin_of(document), str(error))
            await self._say(document, "False", "Invalid", str(error))
        except Exception as error:  # noqa: BLE001 - as of files: one resource must not cost the others
            problem = f"{origin_of(document)}: cannot be read: {type(error).__name__}: {error}"
            self.store.refuse(origin_of(document), problem, unforeseen=True)
            await self._say(document, "False", "Invalid", problem)
        else:
            self.store.accept(origin_of(document), [policy])
            await self._say(document, "True", "Valid", "takes effect at the next run of each Rollout that it matches")

    async def _refuse(self, document: Json, problem: str) -> None:
        self.store.refuse(origin_of(document), f"{origin_of(document)}: {problem}")
        await self._say(document, "False", "Invalid", problem)

    async def deleted(self, document: Json) -> None:
        """A resource is gone."""
        self._drop(origin_of(document))

    def _drop(self, origin: str) -> None:
        self._handled.pop(origin, None)
        self.store.drop(origin)

    async def _say(self, document: Json, status: str, reason: str, message: str) -> None:
        """Write what came of it, with what is to be known of its pace."""
        await self._write(document, Condition("Accepted", status, reason, message), *self._pace(document))

    def _pace(self, document: Json) -> list[Condition]:
        """Whether its releases are judged less often than it asks for; nothing where that never was so."""
        policies = self.paced()
        if policies is None:
            return []
        if text := policies.get(origin_of(document)):
            return [Condition("Paced", "True", "NamespaceShare", text)]
        if any(one.get("type") == "Paced" for one in said(document)):
            return [Condition("Paced", "False", "WithinShare", "snapshots come as often as it asks for")]
        return []

    async def _write(self, document: Json, *wanted: Condition) -> None:
        """Write conditions beside those that stand there, unless the resource says so already."""
        now = datetime.fromtimestamp(self.clock() / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        conditions = with_conditions(document, wanted, now)
        if conditions is None:
            self._handled[origin_of(document)] = _version(document)
            return
        metadata: Any = document.get("metadata") or {}
        generation = metadata.get("generation", 1)
        body = {"status": {"observedGeneration": generation, "conditions": conditions}}
        path = f"{RESOURCES}/namespaces/{metadata.get('namespace')}/{PLURAL}/{metadata.get('name')}/status"
        try:
            written = await self.api.request("PATCH", path, body=body, content_type="application/merge-patch+json")
            # Unless somebody has changed more meanwhile, the next list shows what this has made of it.
            same = (written.get("metadata") or {}).get("generation", 1) == generation
            self._handled[origin_of(document)] = _version(written if same else document)
        except ClusterError as error:
            # What was decided about the policy holds without the word about it.
            logger.warning("condition of %s not written: %s", origin_of(document), error)


def _namespace(document: Json) -> str:
    metadata: Any = document.get("metadata") or {}
    return str(metadata.get("namespace"))


def _age(document: Json) -> tuple[str, str]:
    metadata: Any = document.get("metadata") or {}
    return str(metadata.get("creationTimestamp")), str(metadata.get("name"))


def _version(document: Json) -> str:
    metadata: Any = document.get("metadata") or {}
    return str(metadata.get("resourceVersion") or "")
