"""An edit that ends by itself while it is being stopped has been stopped.

gradio's `/cancel` deletes what it cancels, and fails where that has ended in between: a traceback in the log
and an error in the browser, of something that went as it was wanted.
"""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

CANCEL = "/gradio_api/cancel"


class LateCancel:
    """Answers for gradio when what is to be cancelled is already gone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; only a KeyError of a cancellation is caught, before an answer has begun."""
        try:
            await self._app(scope, receive, send)
        except KeyError:
            if scope["type"] != "http" or not scope["path"].endswith(CANCEL):
                raise
            await JSONResponse({"success": True})(scope, receive, send)
