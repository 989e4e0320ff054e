"""The options of a command that count in its own process alone, and in no other that it asks to act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playbill.model.errors import DefinitionError
from playbill.runtime.cli.options.host import read_secrets
from playbill.runtime.journals.sqlite.files.ownership import owner_of

if TYPE_CHECKING:
    from pathlib import Path

    from playbill.runtime.options import ManagerOptions

__all__ = ["OwnOptions"]


class OwnOptions:
    """The options that only count here, and not in the owner of the journal.

    Args:
        secrets: as `--secret` says them.
        resources: as `--resource` does.
        grace: as `--grace` does.
        imports: as `--import` does.
        simulate_agents: whether agents answer something invented.
    """

    def __init__(
        self,
        secrets: list[str] | None,
        resources: list[str] | None,
        grace: float | None,
        imports: list[str] | None,
        *,
        simulate_agents: bool,
    ) -> None:
        self.resources = resources or []
        self.options: ManagerOptions = {"secrets": read_secrets(secrets or []), "simulate_agents": simulate_agents}
        if grace is not None:
            self.options["grace"] = grace
        self.names = [
            name
            for name, is_said in (
                ("--secret", bool(secrets)),
                ("--resource", bool(resources)),
                ("--grace", grace is not None),
                ("--import", bool(imports)),
                ("--simulate-agents", simulate_agents),
            )
            if is_said
        ]
        """How the command line says those that were given."""

    def refuse(self, path: Path) -> None:
        """Refuse them all, as the owner of a journal would not know of them.

        Raises:
            DefinitionError: there are some.
        """
        if self.names:
            owner, said = owner_of(path), ", ".join(self.names)
            text = f"{said}: the journal is in use by {owner}, which has its own: leave that out, or end it"
            raise DefinitionError.single("in-use", self.names[0], text)
