"""The page for people, as files: everybody who reaches the service may have them, since they hold nothing; what they show, they ask for."""

from collections.abc import Callable
from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

HTML, CSS, JAVASCRIPT = "text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8"
PAGES = {
    "/": ("serving.explorer", "explorer.html", HTML), "/explorer/page.css": ("lake", "templates/page.css", CSS),
    "/explorer/explorer.css": ("serving.explorer", "explorer.css", CSS),
    **{f"/explorer/{name}.js": ("serving.explorer", f"{name}.js", JAVASCRIPT) for name in ("explorer", "views", "timeline", "service", "dom")},
}  # fmt: skip
"""Path -> package, file and type of what stands there."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache",
}  # fmt: skip
"""The page talks to the service that it came from and to nobody else, whatever stands in people's words."""


def page_routes() -> APIRouter:
    """A route for each file, which is read once."""
    router = APIRouter(include_in_schema=False)
    for path, (package, name, kind) in PAGES.items():
        router.add_api_route(path, _giving((files(package) / name).read_bytes(), kind), methods=["GET", "HEAD"])
    return router


def _giving(content: bytes, kind: str) -> Callable[[], Response]:
    def page() -> Response:
        return Response(content, media_type=kind, headers=HEADERS)

    return page
