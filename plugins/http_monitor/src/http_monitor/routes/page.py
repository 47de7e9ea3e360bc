"""The dashboard: one page and its files, all of them in the wheel."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, HTTPException, Response

PACKAGE: Final = "http_monitor"
FOLDER: Final = "assets"

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class PageRoutes:
    """Reads every file once, when it is made; names come from the folder, so no request reaches the disk."""

    def __init__(self) -> None:
        folder = files(PACKAGE).joinpath(FOLDER)
        self._files = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}

    def router(self) -> APIRouter:
        router = APIRouter(include_in_schema=False)
        router.add_api_route("/", self.page)
        router.add_api_route("/favicon.ico", self.icon)
        router.add_api_route("/assets/{name}", self.asset)
        return router

    async def page(self) -> Response:
        return self._answer("index.html")

    async def icon(self) -> Response:
        return self._answer("icon.svg")

    async def asset(self, name: str) -> Response:
        if name not in self._files:
            raise HTTPException(404, "there is no such file")
        return self._answer(name)

    def _answer(self, name: str) -> Response:
        suffix = name[name.rfind(".") :]
        # no-cache: a browser asks again after an upgrade; the files are small and mostly on this machine.
        return Response(
            self._files[name], media_type=_TYPES.get(suffix, "text/plain"), headers={"Cache-Control": "no-cache"}
        )
