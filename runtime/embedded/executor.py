"""The executor: one pipeline, run to its end in one call, its result as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playbill.model.policies import RetryPolicy
from playbill.runtime.definitions.files import load
from playbill.runtime.manager import PipelineRunManager
from playbill.runtime.options import check_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from playbill.runtime.definitions.discovery import Source
    from playbill.runtime.definitions.files import Given
    from playbill.runtime.options import RunId
    from playbill.runtime.run import Run
    from playbill.runtime.secrets import Secret


class PipelineExecutor:
    """Executes one definition, as often as asked.

    Args:
        definition: the pipeline, the mapping it is written as, or the path of its file.
        resources: what handlers find in `context.resources`.
        types: modules or functions that define node types and actions; None: all that are decorated by now.
        secrets: what `${secrets.name}` stands for in configs.
        simulate_agents: as PipelineRunManager's.

    Raises:
        DefinitionError: the definition or an option is wrong; carries all problems.
    """

    def __init__(
        self,
        definition: Given,
        *,
        resources: Mapping[str, Any] | None = None,
        types: Iterable[Source] | None = None,
        secrets: Mapping[str, Secret] | None = None,
        simulate_agents: bool = False,
    ) -> None:
        given = {"resources": resources, "types": types, "secrets": secrets, "simulate_agents": simulate_agents}
        check_options(given)
        self._definition = load(definition)
        self._resources = resources
        self._types = None if types is None else tuple(types)
        self._secrets = secrets
        self._simulate_agents = simulate_agents
        self._cancelled = False
        self._runs: list[Run] = []

    async def execute(
        self,
        run_id: RunId | None = None,
        trigger_data: Mapping[str, Any] | None = None,
        *,
        max_retries: int = 3,
        backoff_base: float = 1.0,
        backoff_max: float = 60.0,
    ) -> dict[str, Any]:
        """Run the pipeline and return how it ended; a failed run is a result, not an exception.

        Args:
            run_id: names the run.
            trigger_data: what it is started with.
            max_retries: attempts in all, for nodes that say nothing of their own.
            backoff_base: seconds before the second attempt.
            backoff_max: the longest back-off, in seconds.

        Returns:
            `{"status", "outputs", "node_results", "error"}`: outputs by node id, node results as a list of dicts in
            topological order.

        Raises:
            DefinitionError: the definition, the data or a number is wrong.
        """
        check_options({"max_retries": max_retries, "backoff_base": backoff_base, "backoff_max": backoff_max})
        retry = RetryPolicy(max_attempts=max_retries, base=min(backoff_base, backoff_max), cap=backoff_max)
        defaults = self._definition.defaults
        if defaults.retry is None:
            defaults = defaults.model_copy(update={"retry": retry})
        definition = self._definition.model_copy(update={"defaults": defaults, "outputs": {}})
        async with PipelineRunManager(
            resources=self._resources,
            types=self._types,
            secrets=self._secrets,
            simulate_agents=self._simulate_agents,
        ) as manager:
            run = await manager.start_run(definition, trigger_data, run_id=run_id)
            self._runs.append(run)
            try:
                if self._cancelled:
                    self._cancelled = False
                    await run.cancel("requested")
                result = (await run.result()).as_dict()
            finally:
                self._runs.remove(run)
        result["node_results"] = [*result["node_results"].values()]
        return {key: result[key] for key in ("status", "outputs", "node_results", "error")}

    def request_cancel(self) -> None:
        """Stop the executions under way, or else the next one; also from other threads."""
        runs = [run for run in list(self._runs) if not run.done]
        self._cancelled = not runs
        for run in runs:
            run.request_cancel("requested")
