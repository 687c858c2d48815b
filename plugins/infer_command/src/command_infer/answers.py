"""Lines to questions, and answers to lines."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import msgspec
from mlcore.errors import InferenceError, InternalError, MLCoreError
from mlcore.merging import Merger
from mlcore_protocol import InferenceRequest, InferenceResponse, ModelMetadata, Parameters, V2Format
from mlcore_protocol.v2_client import read_response

from command_infer.client import Question
from command_infer.errors import RunStoppedError
from command_infer.lines import LONGEST_LINE
from command_infer.output import error_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from command_infer.asking import Asker
    from command_infer.lines import Line
    from command_infer.report import Report

_INVALID_LINE = "preprocessing error"
"""The status of a line that is no request, and was not sent."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_parameters = msgspec.json.Decoder(dict[str, msgspec.Raw] | None).decode


class Answers:
    """Answers lines, one by one or several with one request.

    Args:
        asker: Who is asked.
        model_name: The model.
        report: Is told of each line that has none, and why; and of everything, if it wants to be.
    """

    def __init__(self, asker: Asker, model_name: str, report: Report) -> None:
        self._asker = asker
        self._report = report
        self._format = V2Format()
        # What it declares does not matter: if rows cannot be told apart in the answer, each line is asked alone.
        self._merger = Merger(ModelMetadata(name=model_name))

    async def to(self, lines: Sequence[Line]) -> list[bytes]:
        """Return the answer to each line, as a line without its end.

        Raises:
            RunStoppedError: There are no more answers to get.
        """
        answers: dict[int, bytes] = {}
        questions: dict[int, Question] = {}
        for line in lines:
            try:
                questions[line.index] = self._question(line.text)
            except MLCoreError as error:
                # A line is what will be the body of a request.
                answers[line.index] = self._no(line.index, _INVALID_LINE, str(error).replace("the body", "the line", 1))
        for group in self._groups(questions):
            merged = await self._together(group) if len(group) > 1 else None
            for index, question in group.items():
                answers[index] = merged[index] if merged is not None else await self._alone(index, question)
        if self._report.shows_all:
            for line in lines:
                self._report.show(line.index, line.text or b"", answers[line.index])
        return [answers[line.index] for line in lines]

    def _question(self, text: bytes | None) -> Question:
        if text is None:
            raise InferenceError(f"the line has more than {LONGEST_LINE} bytes; is there one request on each line?")
        if not text or text.isspace():
            raise InferenceError("the line is empty; expected a request in JSON")
        return Question(self._format.decode(text), text)

    def _groups(self, questions: dict[int, Question]) -> Iterable[dict[int, Question]]:
        """Return which questions can be asked together."""
        if len(questions) < 2:
            return [questions] if questions else []
        groups: dict[object, dict[int, Question]] = {}
        for index, question in questions.items():
            joinable = self._merger.joinable(question.request)
            groups.setdefault(index if joinable is None else joinable.signature, {})[index] = question
        return groups.values()

    async def _alone(self, index: int, question: Question) -> bytes:
        try:
            reply = await self._asker.ask(question)
            return _line_of(reply, index) if isinstance(reply, bytes) else self._written(reply, index)
        except RunStoppedError:
            raise
        except MLCoreError as error:
            return self._no(index, error.code, str(error))

    async def _together(self, group: dict[int, Question]) -> dict[int, bytes] | None:
        """Ask several at once; return `None` if that fails: then each has to be asked for itself."""
        requests = [question.request for question in group.values()]
        merged = self._merger.merged(requests)
        try:
            reply = await self._asker.ask(Question(merged))
            response = read_response(reply) if isinstance(reply, bytes) else reply
            self._merger.check_rows(response, requests)
            answers = {}
            for (index, question), part in zip(group.items(), self._merger.split(response, requests), strict=True):
                part.id = question.request.id or str(uuid.uuid4())
                part.parameters = Parameters(part.parameters or {}, inference_id=response.id or merged.id)
                answers[index] = self._written(part, index)
        except RunStoppedError:
            raise
        except MLCoreError:
            return None
        return answers

    def _written(self, response: InferenceResponse, index: int) -> bytes:
        response.parameters = Parameters(response.parameters or {}, batch_index=index)
        return b"".join(self._format.encode(response, InferenceRequest(inputs=[])).buffers)

    def _no(self, index: int, status: str, message: str) -> bytes:
        self._report.line_failed(index, message)
        return error_line(index, status, message)


def _line_of(reply: bytes, index: int) -> bytes:
    """Return an answer in JSON with the number of its line, and otherwise as it came.

    Raises:
        InternalError: It is not an answer.
    """
    try:
        members = _members(reply)
        parameters = _parameters(members.get("parameters", b"null")) or {}
        if "outputs" not in members:
            raise InternalError("the server's answer has no outputs; is the address that of a V2 server?")
        parameters["batch_index"] = msgspec.Raw(b"%d" % index)
        members["parameters"] = msgspec.Raw(msgspec.json.encode(parameters))
        text = msgspec.json.encode(members)
        # A server may write its JSON over several lines; ours then need another form.
        return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InternalError(f"the server's answer is not JSON: {error}; is the address that of a V2 server?") from None
