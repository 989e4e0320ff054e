"""The shell of a machine that records: its stream, and the answers to outside that wait for what is recorded.

An answer is an announcement: it is given once the journal has all that was recorded before it. Nothing else waits
here: what was asked for is done at once. Who only looks, through pykka's proxies, is answered at once, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from playbill.actors.answers import Answers, HeldAnswer, NotKept, NotKeptYet
from playbill.actors.gate import Gate
from playbill.actors.reference import PROXY
from playbill.actors.shell import Shell
from playbill.model.machines.machine import Machine

if TYPE_CHECKING:
    from pykka import Future

    from playbill.actors.gate import HeldMail
    from playbill.actors.ports import Ports, Writer
    from playbill.model.errors import JournalError
    from playbill.model.events import Event

M = TypeVar("M", bound=Machine[Any])


class RecordingShell(Shell[M], Generic[M]):
    """An actor with a stream of its own."""

    writer: Writer
    answers: Answers | None = None
    """Those that wait for the journal; None: none does, as mostly."""
    journal_error: str | None = None
    """Why the journal keeps nothing at present; None: it does."""

    def __init__(self, ports: Ports, urn: str) -> None:
        super().__init__(ports, urn)
        self.gate = Gate()

    def record(self, event: Event) -> None:
        """Hand an event to the journal."""
        gate = self.gate
        gate.recorded = event.seq
        if not self.writer.append(event):
            gate.closed = True

    def want(self) -> None:
        """Have what is recorded kept soon, since somebody waits for it: said once, however many wait."""
        if self.gate.want():
            self.writer.push()

    # ---- answers ----------------------------------------------------------------------------------------------

    def give(self, answer: Future[Any], response: Any, message: Any) -> None:
        """Answer mail from outside, once the journal has what was recorded by then."""
        if not self.gate.closed or isinstance(message, PROXY):
            answer.set(response)
            return
        if self.answers is None:
            self.answers = Answers(self.ports, self._not_kept_yet, is_failing=self.journal_error is not None)
        self.answers.hold(HeldAnswer(self.gate.recorded, answer, response), self.now)
        self.want()

    def standing(self) -> str:
        """Tell, for who is not answered, what is in force."""
        raise NotImplementedError

    def _not_kept_yet(self) -> NotKeptYet:
        return NotKeptYet(self.standing(), self.journal_error or "it does not say why")

    # ---- the journal ------------------------------------------------------------------------------------------

    def kept(self, seq: int) -> None:
        """Release what waited for the records up to `seq`: mail first, then answers."""
        self.journal_error = None
        for held in self.gate.keep(seq):
            self.release(held)
        if self.answers is not None:
            self.answers.keep(seq)
            if not self.answers:
                self.answers = None

    def release(self, held: HeldMail) -> None:
        """Send mail that waited in the gate: the subclass that holds some knows how."""
        raise NotImplementedError

    def failed(self, error: str) -> None:
        """Let nobody wait for long: the journal keeps nothing now."""
        self.journal_error = error
        if self.answers is not None:
            self.answers.failed(error)

    def fenced(self, error: JournalError) -> None:
        """Go on without a journal: who waits for an answer hears that it is not kept."""
        self.failed(str(error))

    # ---- the end ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End; who waits for an answer in vain hears so."""
        super().close()
        self._give_answers_up()

    def lose(self) -> None:
        """Be dead; who waits for an answer hears so."""
        super().lose()
        self._give_answers_up()

    def not_kept(self, reason: str = "") -> NotKept:
        """Return the error of who waits for what will not be kept in time."""
        said = [text for text in (reason, self.journal_error) if text]
        return NotKept(self.standing(), ": ".join(said) or "nobody waits for it any more")

    def _give_answers_up(self) -> None:
        answers, self.answers = self.answers, None
        if answers is not None:
            answers.give_up(self.not_kept())
