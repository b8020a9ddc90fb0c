"""The running sandbox as handlers see it, and how an empty one (a fresh project) looks."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from sandbox.access import policies
from sandbox.access.accounts import ACCOUNTS, KEYS, write_operator_key
from sandbox.access.tokens import TOKENS, Tokens
from sandbox.cloudsql.engine import Engine
from sandbox.cloudsql.listener import Listener
from sandbox.cloudsql.operations import Fate
from sandbox.core.fault_rules import AFTER
from sandbox.core.faults import Faults
from sandbox.core.gate import Gate
from sandbox.core.recorder import Recorder
from sandbox.core.services import FIRST_SERVICES, enable
from sandbox.core.settings import Settings
from sandbox.core.store import Store

# The server CA stays too: it is the sandbox's, not the project's.
SURVIVES_RESET = frozenset({"pki", TOKENS})
# Folders of the state directory, and the collections whose documents name the files in them.
FILES = {"objects": ("objects", "noncurrent_objects", "soft_deleted_objects"), "uploads": ("uploads",)}


@dataclass
class World:
    """State and engines that all APIs share."""

    settings: Settings
    store: Store
    tokens: Tokens
    engine: Engine
    listener: Listener
    recorder: Recorder
    faults: Faults = field(default_factory=Faults)
    gate: Gate = field(default_factory=Gate)
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Whoever changes the state as a whole holds it: one reset, snapshot or restore at a time."""

    def __post_init__(self) -> None:
        """Let faults decide what becomes of operations."""
        self.engine.operations.fate = self._fate

    def prepare(self) -> None:
        """Make a fresh project where there is none yet."""
        write_operator_key(self.store, self.settings)
        key = policies.project_key(self.settings.project)
        if not self.store.has(policies.POLICIES, key):
            self.store.put(policies.POLICIES, key, policies.initial_project_policy(self.settings))
            for service in FIRST_SERVICES:
                enable(self.store, service)
        self.store.commit()
        self.remove_stray_files()

    async def reset(self) -> None:
        """Back to a fresh project: clusters dropped, recorder and faults emptied; the operator's key stays valid."""
        self.faults.clear()
        async with self.changing:
            await self._empty()
        self.recorder.clear()

    async def _empty(self) -> None:
        await self.engine.drop_all()
        self.listener.reset()
        operator = self.store.get(ACCOUNTS, self.settings.operator)
        keys = dict(self.store.items(KEYS, f"{self.settings.operator}/"))
        self.store.clear(keep=SURVIVES_RESET)
        if operator:
            self.store.put(ACCOUNTS, self.settings.operator, operator)
        for name, key in keys.items():
            self.store.put(KEYS, name, key)
        self.prepare()

    def _fate(self, kind: str, instance: str) -> Fate:
        hit = self.faults.strike_operation(kind, instance)
        if hit is None:
            return Fate()
        action = hit.action
        hold = partial(self.faults.hold, hit.rule) if action.hold else None
        return Fate(action.seconds, hold, action.error, action.at == AFTER)

    def remove_stray_files(self) -> None:
        """Delete objects' bytes that nothing refers to: a kill leaves such files, and so does a reset."""
        for folder, collections in FILES.items():
            known = {document["file"] for name in collections for _, document in self.store.items(name)}
            for path in (self.settings.state / folder).glob("*"):
                if path.name not in known:
                    path.unlink()
