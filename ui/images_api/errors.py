"""Errors in the form of OpenAI's API: a status, a sentence, the parameter it is about, a code."""

from dataclasses import dataclass

from starlette.responses import JSONResponse

from editors import EditFailed, EditorError, IncompatibleModel, InvalidEdit

PARAMETERS = {
    "edit_prompt": "prompt",
    "original_prompt": "prompt",
    "edited_prompt": "prompt",
    "original_image": "image",
    "width": "size",
    "height": "size",
}
"""Field of a request -> what it is called here, where that differs."""


@dataclass(slots=True)
class ApiError(Exception):
    """A request that is not answered with a picture.

    Attributes:
        message: One sentence: what is wrong, what is allowed, the remedy.
        status: Of HTTP.
        param: The parameter that is wrong, or None.
        code: For programs: a word.
        kind: For programs: whose fault it is.
    """

    message: str
    status: int = 400
    param: str | None = None
    code: str | None = None
    kind: str = "invalid_request_error"

    def response(self) -> JSONResponse:
        """Return the answer."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return JSONResponse({"error": error}, self.status)


def of_editor(error: EditorError) -> ApiError:
    """Return an error of the editors as the API tells it."""
    if isinstance(error, InvalidEdit):
        param = PARAMETERS.get(error.field, error.field)
        return ApiError(f"{param}: {error.problem}" if param else error.problem, param=param or None)
    if isinstance(error, IncompatibleModel):
        return ApiError(str(error), status=404, param="model", code="model_not_found")
    assert isinstance(error, EditFailed)
    return ApiError(str(error), status=500, kind="server_error")


FULL = ApiError(
    "So many edits wait that no further one may; try again in a moment.",
    status=429,
    code="rate_limit_exceeded",
    kind="requests",
)
