"""The subcommand sim: explores a pipeline in virtual time, plays what it found, checks determinism."""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from cyclopts import Parameter

from playbill.model.errors import DefinitionError
from playbill.runtime.cli.exit_codes import FINE, FOUND
from playbill.runtime.cli.modules import open_definition
from playbill.runtime.cli.options.host import Resources, Secrets, make_resources, read_secrets
from playbill.runtime.cli.options.imports import Imports
from playbill.runtime.cli.options.option_names import with_options
from playbill.runtime.cli.options.trigger_data import Inputs, trigger_data_of
from playbill.runtime.cli.progress import ProgressBar
from playbill.runtime.cli.sim_report import describe_progress, findings, summary
from playbill.runtime.faults.loading import plan_of
from playbill.runtime.simulation.determinism import NotDeterministic, check_determinism
from playbill.runtime.simulation.explore import explore, explore_in
from playbill.runtime.simulation.study import Study
from playbill.runtime.simulation.tapes import load_tape

if TYPE_CHECKING:
    from playbill.runtime.options import SimulatedOptions
    from playbill.runtime.simulation.explore import Exploration

SEEDS: Final = 1_000
OPTIONS: Final = (
    ("trigger_data.", "--input "),
    ("trigger_data", "--input"),
    ("allow has", "--allow has"),
    ("unknown policy", "--policy: unknown policy"),
)
"""How messages begin that name an argument of Python, and how the command line says it."""
CHECKED_SEEDS: Final = 20
"""How many seeds a check of determinism compares."""


def sim(  # noqa: PLR0913 (options of a command)
    file: Path,
    /,
    *,
    seeds: int | None = None,
    seed: int | None = None,
    faults: Annotated[list[str] | None, Parameter(negative=())] = None,
    policy: str = "random",
    jobs: int = 1,
    inputs: Inputs = None,
    secrets: Secrets = None,
    resources: Resources = None,
    imports: Imports = None,
    allow: Annotated[list[str] | None, Parameter(negative=())] = None,
    tape: Path | None = None,
    check: Annotated[bool, Parameter(name="--check-determinism", negative=(), show_default=False)] = False,
    html: Path | None = None,
    load: Path | None = None,
) -> int:
    """Simulate a pipeline in virtual time: many seeds, faults, all invariants watched.

    Exits with 0 when nothing was found, 1 when something was, 2 for bad usage.

    Args:
        file: a YAML or JSON file.
        seeds: how many; 1,000 if nothing is said.
        seed: only this one, with its trace: what a finding tells you to type.
        faults: a fault plan in YAML, or `all`; several are taken together.
        policy: random, fifo, pct:N (N changes of priority) or exhaustive (every order of mail; for small pipelines).
        jobs: how many processes.
        inputs: values of the trigger data.
        secrets: what ${secrets.NAME} stands for.
        resources: what handlers find in context.resources.
        imports: modules that define node types.
        allow: a call that handlers may make although it leaves the simulation, such as time.time, or a kind: clock.
        tape: play this tape, as written by an earlier finding.
        check: run seeds twice and under another PYTHONHASHSEED, and compare the traces byte by byte.
        html: draw a finding, or the report of --load, into this file.
        load: simulate a stream of arrivals as this load plan says, instead of seeds.
    """
    ways = {"--seeds": seeds, "--seed": seed, "--tape": tape, "--check-determinism": check or None, "--load": load}
    _check_ways([option for option, said in ways.items() if said is not None])
    _check_counts(SEEDS if seeds is None else seeds, jobs)
    given = Given(inputs or [], secrets or [], resources or [])
    arguments = (file, imports, given, faults or [], policy, allow or [])
    command = shlex.join(_words(*arguments))
    try:
        study = make_study(*arguments)
        if load is not None:
            from playbill.runtime.cli.sim_load import study_load  # noqa: PLC0415 (its reports take long to import)

            return study_load(study, load, html, jobs)
        if tape is not None:
            return _play(study, tape, command, html)
        if seed is not None:
            return _one(study, seed, command, html)
        if check:
            return _check(study, arguments)
        return _find(study, arguments, seeds or SEEDS, jobs, html)
    except DefinitionError as error:
        raise with_options(error, OPTIONS) from None


class Given(NamedTuple):
    """What the runs are given, as the command line says it."""

    inputs: list[str]
    secrets: list[str]
    resources: list[str]


def _check_ways(said: list[str]) -> None:
    """Refuse options of which only one would count.

    Raises:
        DefinitionError: more than one of them was said.
    """
    if len(said) > 1:
        text = f"{' and '.join(said)} do not go together: each is a way of its own to simulate; name one of them"
        raise DefinitionError.single("ways", said[0], text)


def _check_counts(seeds: int, jobs: int) -> None:
    """Refuse numbers of seeds and processes that are none.

    Raises:
        DefinitionError: one is below 1.
    """
    if seeds < 1 or jobs < 1:
        text = f"--seeds and --jobs are 1 or more, not {seeds} and {jobs}"
        raise DefinitionError.single("count", "--seeds", text)


def make_study(
    file: Path, imports: list[str] | None, given: Given, faults: list[str], policy: str, allow: list[str]
) -> Study:
    """Make the study that the command line says; also in the processes of `--jobs`."""
    definition = open_definition(file, imports)
    data = trigger_data_of(definition, None, given.inputs)
    options: SimulatedOptions = {"secrets": read_secrets(given.secrets)}
    if given.resources:
        options["resources"] = asyncio.run(make_resources(given.resources))
    study = Study(definition, data, plan_of([*faults]), policy, allow, options=options)
    study.check()
    return study


def _words(
    file: Path, imports: list[str] | None, given: Given, faults: list[str], policy: str, allow: list[str]
) -> list[str]:
    """Return the command line that makes the same study; of a secret that was written there its name alone."""
    words = ["playbill", "sim", str(file)]
    secrets = [option if "=@" in option else option.partition("=")[0] for option in given.secrets]
    lists = {
        "--import": imports or [],
        "--input": given.inputs,
        "--secret": secrets,
        "--resource": given.resources,
        "--faults": faults,
        "--allow": allow,
    }
    words += [word for option, values in lists.items() for value in values for word in (option, value)]
    return words if policy == "random" else [*words, "--policy", policy]


def _explore(study: Study, arguments: tuple[Any, ...], seeds: int, jobs: int) -> Exploration:
    with ProgressBar(seeds) as bar:

        def show_progress(seen: Exploration) -> None:
            bar.show(seen.seeds, describe_progress(seen))

        if jobs > 1 and study.policy != "exhaustive":
            return explore_in(jobs, make_study, arguments, seeds, report=show_progress)
        return explore(study, seeds, report=show_progress)


def _find(study: Study, arguments: tuple[Any, ...], seeds: int, jobs: int, html: Path | None) -> int:
    seen = _explore(study, arguments, seeds, jobs)
    summary(study, seen)
    if not seen.findings:
        return FINE
    findings(study, seen.findings[0], shlex.join(_words(*arguments)), html)
    return FOUND


def _one(study: Study, seed: int, command: str, html: Path | None) -> int:
    from playbill.runtime.simulation.sequence import describe_faults, text  # noqa: PLC0415 (only for showing)

    seed_result = study.seed(seed, traced=True)
    sys.stdout.write(f"{text(seed_result.trace, 10_000)}\n{describe_faults(seed_result.happened)}\n")
    sys.stdout.write(f"{seed_result.status} after {seed_result.seconds:g} s\n")
    if seed_result.finding is None:
        return FINE
    findings(study, seed_result.finding, command, html)
    return FOUND


def _play(study: Study, tape: Path, command: str, html: Path | None) -> int:
    from playbill.runtime.simulation.sequence import describe_faults, text  # noqa: PLC0415 (only for showing)

    played, lanes, invariant = load_tape(tape, study)
    seed_result = played.tape(lanes, traced=True)
    sys.stdout.write(f"{text(seed_result.trace)}\n{describe_faults(seed_result.happened)}\n")
    if seed_result.finding is None:
        sys.stdout.write(f"{seed_result.status}: '{invariant}' holds now\n")
        return FINE
    sys.stdout.write(f"{seed_result.finding}\n")
    if html is not None:
        from playbill.runtime.cli.sim_report import draw  # noqa: PLC0415 (only for showing)

        draw(html, played, seed_result, str(seed_result.finding), f"{command} --tape {tape}")
    return FOUND


def _check(study: Study, arguments: tuple[Any, ...]) -> int:
    try:
        lines = check_determinism(study, range(CHECKED_SEEDS), make_study, arguments)
    except NotDeterministic as error:
        sys.stderr.write(f"{error}\n")
        return FOUND
    sys.stdout.write(f"deterministic: {CHECKED_SEEDS} seeds, {lines:,} lines the same 3 times\n")
    return FINE
