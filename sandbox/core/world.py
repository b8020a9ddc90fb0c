"""The running sandbox as handlers see it, and how an empty one (a fresh project) looks."""

from dataclasses import dataclass

from sandbox.access import policies
from sandbox.access.accounts import ACCOUNTS, KEYS, write_operator_key
from sandbox.access.tokens import TOKENS, Tokens
from sandbox.cloudsql.engine import Engine
from sandbox.core.recorder import Recorder
from sandbox.core.services import FIRST_SERVICES, enable
from sandbox.core.settings import Settings
from sandbox.core.store import Store

# The server CA stays too: it is the sandbox's, not the project's.
SURVIVES_RESET = frozenset({"pki", TOKENS})


@dataclass
class World:
    """State and engines that all APIs share."""

    settings: Settings
    store: Store
    tokens: Tokens
    engine: Engine
    recorder: Recorder

    def prepare(self) -> None:
        """Make a fresh project where there is none yet."""
        write_operator_key(self.store, self.settings)
        key = policies.project_key(self.settings.project)
        if not self.store.has(policies.POLICIES, key):
            self.store.put(policies.POLICIES, key, policies.initial_project_policy(self.settings))
            for service in FIRST_SERVICES:
                enable(self.store, service)
        self.store.commit()
        self._remove_stray_files()

    async def reset(self) -> None:
        """Back to a fresh project: clusters dropped, recorder emptied; the operator's key stays valid."""
        await self.engine.drop_all()
        operator = self.store.get(ACCOUNTS, self.settings.operator)
        keys = dict(self.store.items(KEYS, f"{self.settings.operator}/"))
        self.store.clear(keep=SURVIVES_RESET)
        if operator:
            self.store.put(ACCOUNTS, self.settings.operator, operator)
        for name, key in keys.items():
            self.store.put(KEYS, name, key)
        self.prepare()
        self.recorder.clear()

    def _remove_stray_files(self) -> None:
        """Delete objects' bytes that nothing refers to: a kill leaves such files, and so does a reset."""
        for folder in ("objects", "uploads"):
            known = {document["file"] for _, document in self.store.items(folder)}
            for path in (self.settings.state / folder).glob("*"):
                if path.name not in known:
                    path.unlink()
