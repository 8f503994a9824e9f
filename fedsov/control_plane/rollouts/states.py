"""The states of a rollout, and what each act makes of them: pure functions from values to values.

    proposed -> approved -> running -> done
                            running <-> frozen
                 running, frozen, done -> rolled back      a person took it back
                            running -> stopped             a region's endpoint showed a fault: it goes back by itself
       proposed, approved -> ended                         nothing was ever published of it

Of each region it knows one step: `refused` (no crossing is permitted), `unsigned` (its approver has not signed, so it
stays where it is), `signed`, `published` (it was told to serve the version), `passed` (a whole window without a fault),
`taken back`, or `superseded` (its approver signed another rollout since).

The canary's region is first. Each wave after it is as large as all waves before together, so that what a fault can
reach doubles at most. A wave begins when every region before has passed, or when a person starts the rollout again.
A region that signs late is of the next wave. Where no region has passed, for its approver signed another rollout since,
no wave begins by itself; and a frozen rollout does not go on while a region of it reports a fault.

>>> steps = {"DE": RegionStep("signed"), "FR": RegionStep("signed"), "US": RegionStep("refused")}
>>> first = Rollout(1, "m", 2, canary="DE", steps=steps)
>>> change = started(replace(first, state="approved"))
>>> change.publish, change.rollout.state
(('DE',), 'running')
>>> change = reported(change.rollout, "DE", "ok")
>>> change.publish, reported(change.rollout, "FR", "errors").take_back
(('FR',), ('DE', 'FR'))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from fedsov.errors import ConfigurationError
from fedsov.protocol.rollouts import FAULTS, OK

PROPOSED, APPROVED, RUNNING, FROZEN, DONE = "proposed", "approved", "running", "frozen", "done"
ROLLED_BACK, STOPPED, ENDED = "rolled back", "stopped", "ended"
STATES = (PROPOSED, APPROVED, RUNNING, FROZEN, DONE, ROLLED_BACK, STOPPED, ENDED)
OPEN = (PROPOSED, APPROVED, RUNNING, FROZEN)
"""In which a rollout may still go on."""
REFUSED, UNSIGNED, SIGNED, PUBLISHED = "refused", "unsigned", "signed", "published"
PASSED, TAKEN_BACK, SUPERSEDED = "passed", "taken back", "superseded"
STEPS = (REFUSED, UNSIGNED, SIGNED, PUBLISHED, PASSED, TAKEN_BACK, SUPERSEDED)
SERVING = (PUBLISHED, PASSED)
"""Steps of a region that was told to serve the version."""


@dataclass(frozen=True, slots=True)
class RegionStep:
    """Where one region is. `why` says what keeps it there, in a sentence; `word` is what it reported last."""

    state: str = UNSIGNED
    why: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Rollout:
    """A version on its way to its regions. `steps` are by region, `why` says how it came to its state."""

    number: int
    model: str
    version: int
    state: str = PROPOSED
    canary: str = ""
    steps: Mapping[str, RegionStep] = field(default_factory=dict)
    why: str = ""

    @property
    def called(self) -> str:
        """For a message."""
        return f"rollout {self.number} ({self.model} {self.version})"

    @property
    def order(self) -> tuple[str, ...]:
        """The regions, the canary's first."""
        return tuple(sorted(self.steps, key=lambda name: (name != self.canary, name)))

    @property
    def progress(self) -> str:
        """How far it is: another word after each act that publishes anything or changes its state.

        >>> Rollout(1, "m", 2, state="running", steps={"DE": RegionStep("published")}).progress
        'running-1'
        """
        return f"{self.state.replace(' ', '-')}-{len(self.at(PUBLISHED, PASSED, TAKEN_BACK))}"

    def at(self, *states: str) -> tuple[str, ...]:
        """The regions at one of these steps, in order."""
        return tuple(name for name in self.order if self.steps[name].state in states)


@dataclass(frozen=True, slots=True)
class RolloutChange:
    """A rollout after an act, and the regions whose list is to be published with it: the one forward, or the one back.

    `publish` and `take_back` are of one transaction with the rollout; never both.
    """

    rollout: Rollout
    publish: tuple[str, ...] = ()
    take_back: tuple[str, ...] = ()


def approved(rollout: Rollout, refused: Mapping[str, str]) -> Rollout:
    """The hub approves. `refused` says, by region, why no crossing was permitted now.

    Raises ConfigurationError where it is approved already or over, or where no region is left.
    """
    _check(rollout, "approved", PROPOSED)
    steps = {name: RegionStep(REFUSED, refused[name]) if name in refused else RegionStep() for name in rollout.steps}
    if len(refused) == len(steps):
        raise ConfigurationError(f"no region may serve {rollout.model} {rollout.version}: {_listed(refused)}")
    return replace(rollout, state=APPROVED, steps=steps)


def check_signable(rollout: Rollout, region: str) -> None:
    """Raises ConfigurationError where a region has nothing to sign in this rollout, and says why."""
    if region not in rollout.steps:
        raise ConfigurationError(f"{rollout.called} is not for {region}, but for {', '.join(rollout.order)}")
    if rollout.state == PROPOSED:
        raise ConfigurationError(
            f"{rollout.called} is not approved by the hub yet; `fedsov rollout approve {rollout.number}` comes first"
        )
    _check(rollout, f"approved for {region}", APPROVED, RUNNING, FROZEN)
    step = rollout.steps[region]
    if step.state == REFUSED:
        raise ConfigurationError(f"{region} may not serve {rollout.model} {rollout.version}: {step.why}")
    if step.state not in (UNSIGNED, SIGNED):
        raise ConfigurationError(f"{region} has signed {rollout.called}, and is {step.state}; nothing is left to sign")


def shown(rollout: Rollout, region: str) -> Rollout:
    """A region showed new lists: what it signed before for this rollout counts no more. Raises as `check_signable`."""
    check_signable(rollout, region)
    return _with(rollout, (region,), UNSIGNED, "its approver began to sign anew")


def signed(rollout: Rollout, region: str) -> RolloutChange:
    """A region's approver has signed. Raises as `check_signable`."""
    check_signable(rollout, region)
    return _onward(_with(rollout, (region,), SIGNED))


def superseded(rollout: Rollout, region: str, by: Rollout) -> Rollout:
    """A region's approver signed another rollout: this one has no say in that region any more.

    One of another model that its approver has not signed yet stays as it is.

    Raises ConfigurationError where this one is about to be published there: one rollout at a time a region.
    """
    step = rollout.steps[region].state
    if step == SIGNED and rollout.state in OPEN:
        raise ConfigurationError(
            f"{region} has signed {rollout.called}, which is {rollout.state}; `fedsov rollout rollback "
            f"{rollout.number}` ends it, and then another may be signed"
        )
    if step not in SERVING and (step != UNSIGNED or rollout.state not in OPEN or rollout.model != by.model):
        return rollout
    left = _with(rollout, (region,), SUPERSEDED, f"{region} signed rollout {by.number} since")
    if left.state in OPEN and not left.at(UNSIGNED, SIGNED, *SERVING):
        return replace(left, state=ENDED, why=f"every region of it signed another since, {region} rollout {by.number}")
    return left


def overtaken(rollout: Rollout, region: str, why: str) -> Rollout:
    """A region's list was changed outside of any rollout: what it signed for this one follows its list no more."""
    step = rollout.steps[region].state
    if step in SERVING:
        return _with(rollout, (region,), SUPERSEDED, why)
    return _with(rollout, (region,), UNSIGNED, why) if step == SIGNED and rollout.state in OPEN else rollout


def check_progress(rollout: Rollout, seen: str) -> None:
    """Raises ConfigurationError where a rollout went on since a person looked at it; "" is of nobody who looked."""
    if seen not in ("", rollout.progress):
        raise ConfigurationError(
            f"{rollout.called} went on since this was shown, and is {rollout.state} now; nothing was done: look at it, "
            "and start it again if that is still meant"
        )


def started(rollout: Rollout) -> RolloutChange:
    """A person starts it, has the next wave begin before the last has passed, or has a frozen one go on.

    Raises ConfigurationError where the canary's region has not signed, where there is nothing to begin, or where a
    region of a frozen one reports a fault.
    """
    _check(rollout, "started", APPROVED, RUNNING, FROZEN)
    begun = replace(rollout, state=RUNNING, why="")
    if rollout.state == APPROVED:
        _check_canary(rollout)
        return _wave(begun)
    if rollout.state == FROZEN:
        _check_no_fault(rollout)
        return _onward(begun)
    if rollout.at(SIGNED):
        return _wave(begun)
    if rollout.at(UNSIGNED):
        raise ConfigurationError(f"nothing is left to start of {rollout.called}: {_unsigned(rollout)}")
    return RolloutChange(replace(begun, state=DONE, why="ended by a person before every region had a whole window"))


def started_everywhere(rollout: Rollout) -> RolloutChange:
    """Every region that has signed is published at once, without canary, waves or automatic stop, and that ends it.

    Raises as `started`.
    """
    _check(rollout, "started", APPROVED, RUNNING, FROZEN)
    names = rollout.at(SIGNED)
    if not names:
        raise ConfigurationError(f"nothing is left to start of {rollout.called}")
    return RolloutChange(
        replace(_with(rollout, names, PUBLISHED), state=DONE, why="started everywhere at once"), publish=names
    )


def reported(rollout: Rollout, region: str, word: str) -> RolloutChange:
    """A region says how the version does there. A fault takes the version back from every region that has it.

    A frozen rollout stays where it is, whatever is reported: a person decides.
    """
    step = rollout.steps.get(region)
    if step is None or step.state not in SERVING:
        return RolloutChange(rollout)
    passes = step.state == PASSED or word == OK
    known = replace(
        rollout, steps={**rollout.steps, region: RegionStep(PASSED if passes else PUBLISHED, step.why, word)}
    )
    if rollout.state == RUNNING and word in FAULTS:
        return _back(known, STOPPED, f"{region} reported {word}")
    return _onward(known)


def is_step(before: Rollout, after: Rollout) -> bool:
    """Whether a rollout, or a region of it, is somewhere else than before; else only a word was heard."""
    steps = [(name, step.state) for name, step in before.steps.items()]
    return before.state != after.state or steps != [(name, step.state) for name, step in after.steps.items()]


def rolled_back(rollout: Rollout, why: str) -> RolloutChange:
    """A person takes it back: each region that has the version serves what it served before.

    Raises ConfigurationError where it is over, or where no region would go back.
    """
    if rollout.state in (PROPOSED, APPROVED):
        return RolloutChange(replace(rollout, state=ENDED, why=why))
    _check(rollout, "rolled back", RUNNING, FROZEN, DONE)
    if not rollout.at(*SERVING):
        raise ConfigurationError(
            f"no region has {rollout.model} {rollout.version} by {rollout.called}: nothing goes back"
        )
    return _back(rollout, ROLLED_BACK, why)


def frozen(rollout: Rollout, why: str) -> Rollout:
    """A person keeps it where it is. Raises ConfigurationError where it does not run."""
    _check(rollout, "frozen", RUNNING)
    return replace(rollout, state=FROZEN, why=why)


def _onward(rollout: Rollout) -> RolloutChange:
    """The next wave where every region before has passed, and one at least; the end where none is left."""
    if rollout.state != RUNNING or rollout.at(PUBLISHED):
        return RolloutChange(rollout)
    if not rollout.at(PASSED):
        return RolloutChange(rollout)
    if rollout.at(SIGNED):
        return _wave(rollout)
    if rollout.at(UNSIGNED):
        return RolloutChange(rollout)
    return RolloutChange(replace(rollout, state=DONE))


def _wave(rollout: Rollout) -> RolloutChange:
    """The next regions, as many as have it already, and one at first."""
    names = rollout.at(SIGNED)[: max(1, len(rollout.at(*SERVING)))]
    return RolloutChange(_with(rollout, names, PUBLISHED), publish=names)


def _back(rollout: Rollout, state: str, why: str) -> RolloutChange:
    names = rollout.at(*SERVING)
    return RolloutChange(replace(_with(rollout, names, TAKEN_BACK), state=state, why=why), take_back=names)


def _with(rollout: Rollout, names: Iterable[str], state: str, why: str = "") -> Rollout:
    changed = {name: replace(rollout.steps[name], state=state, why=why) for name in names}
    return replace(rollout, steps={**rollout.steps, **changed})


def _check(rollout: Rollout, act: str, *states: str) -> None:
    if rollout.state not in states:
        because = f" ({rollout.why})" if rollout.why else ""
        raise ConfigurationError(
            f"{rollout.called} is {rollout.state}{because}, and cannot be {act}; "
            f"`fedsov rollout propose {rollout.model} {rollout.version}` begins another"
            if rollout.state not in OPEN
            else f"{rollout.called} is {rollout.state}, and cannot be {act}: only one that is {' or '.join(states)} "
            f"can; `fedsov rollout status {rollout.number}` says what is next"
        )


def _check_canary(rollout: Rollout) -> None:
    step = rollout.steps[rollout.canary]
    if step.state == SIGNED:
        return
    ready = ", ".join(rollout.at(SIGNED)) or "none"
    raise ConfigurationError(
        f"{rollout.canary} is the canary of {rollout.called} and is {step.state}; `fedsov rollout approve "
        f"{rollout.number} --region {rollout.canary}` signs there, or propose another --canary (signed: {ready})"
    )


def _check_no_fault(rollout: Rollout) -> None:
    for name in rollout.at(*SERVING):
        if (word := rollout.steps[name].word) in FAULTS:
            raise ConfigurationError(
                f"{rollout.called} cannot go on: {name} reports {word}; `fedsov rollout rollback {rollout.number}` "
                f"takes it back, or start it once {name} reports that it does well"
            )


def _unsigned(rollout: Rollout) -> str:
    names = rollout.at(UNSIGNED)
    have = "has" if len(names) == 1 else "have"
    return f"{', '.join(names)} {have} not signed (`fedsov rollout approve {rollout.number} --region {names[0]}`)"


def _listed(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in reasons.items())
