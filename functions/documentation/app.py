"""The API's own documentation: the OpenAPI document and a page to read."""

from pathlib import Path

from fenxiao.http.api import Api, Auth, Request, Text

api = Api("documentation")
_HERE = Path(__file__).parent


@api.route("GET", "/openapi.json", "OpenAPI 文档", Auth.PUBLIC, returns=Text)
def openapi(_request: Request[None]) -> Text:
    """Answer the OpenAPI 3.1 document."""
    return Text((_HERE / "openapi.json").read_text(encoding="utf-8"), "application/json")


@api.route("GET", "/docs", "接口说明", Auth.PUBLIC, returns=Text)
def page(_request: Request[None]) -> Text:
    """Answer the page."""
    return Text((_HERE / "index.html").read_text(encoding="utf-8"), "text/html; charset=utf-8")


lambda_handler = api.handler
