"""A filter that keeps gradio's late cancellations out of the log: an edit that has ended cannot be cancelled.

gradio's `/cancel` deletes what it cancels, and fails where that has ended in between: a traceback in the log
and an error in the browser, of something that went as it was wanted. A tab that is closed while it uploads
is a traceback too.
"""

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

CANCEL = "/gradio_api/cancel"


class LateCancel:
    """Answers for gradio when what is to be cancelled is already gone, and nobody where the asker is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; an error that is caught here came before an answer had begun."""
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            return
        except KeyError:
            if scope["type"] != "http" or not scope["path"].endswith(CANCEL):
                raise
            await JSONResponse({"success": True})(scope, receive, send)
