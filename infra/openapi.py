"""Writes the OpenAPI 3.1 document and its page from the operations that the HTTP functions declare.

python -m infra.openapi          writes functions/documentation/{openapi.json,index.html}
python -m infra.openapi --check  fails when they are not what the code says
"""

import html
import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from fenxiao.http.api import Api, Auth, Operation, Text
from fenxiao.http.problem import MEDIA_TYPE, Problem

ROOT: Final = Path(__file__).parents[1]
TARGET: Final = ROOT / "functions" / "documentation"
_REF: Final = "#/components/schemas/{name}"
_WHO: Final = {Auth.PUBLIC: "无需登录", Auth.MEMBER: "会员", Auth.STAFF: "员工", Auth.SIGNED_IN: "会员或员工"}


def operations() -> dict[str, list[Operation]]:
    """Return the operations of every HTTP function, by the function's folder."""
    found: dict[str, list[Operation]] = {}
    for path in sorted((ROOT / "functions").glob("*/app.py")):
        name = path.parent.name
        if "Api(" not in path.read_text(encoding="utf-8"):
            continue
        spec = importlib.util.spec_from_file_location(f"functions_{name}", path)
        if spec is None or spec.loader is None:
            raise ImportError(str(path))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        api: Api = module.api
        found[name] = api.operations
    return found


def document(by_function: Mapping[str, list[Operation]]) -> dict[str, Any]:
    """Return the OpenAPI document."""
    flat = [(name, one) for name, many in by_function.items() for one in many]
    types = [Problem, *(kind for _, one in flat for kind in (one.body, one.returns) if _has_schema(kind))]
    refs, components = msgspec.json.schema_components(types, ref_template=_REF)
    by_type = dict(zip(map(id, types), refs, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for name, one in flat:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(name, one, by_type)
    return {
        "openapi": "3.1.0",
        "info": {"title": "分销系统接口", "version": "1", "description": _DESCRIPTION},
        "security": [{"token": []}],
        "tags": [{"name": name} for name in by_function],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_DESCRIPTION: Final = (
    "金额一律以分为单位的整数。出错时返回 application/problem+json（RFC 9457），code 字段稳定，供程序判断。"
    "动账的写操作须带 Idempotency-Key，重复提交返回同一结果。列表用 cursor 翻页。"
)


def _has_schema(kind: object) -> bool:
    return kind is not None and kind is not type(None) and kind is not Text


def _operation(tag: str, one: Operation, by_type: Mapping[int, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", one.path)
    ]
    parameters += [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in one.query.items()
    ]
    if one.idempotent:
        key = {"type": "string", "minLength": 8, "maxLength": 64}
        parameters.append({"name": "Idempotency-Key", "in": "header", "required": True, "schema": key})
    described: dict[str, Any] = {
        "operationId": one.view.__name__,
        "summary": one.summary,
        "description": _who(one),
        "tags": [tag],
        "parameters": parameters,
        "responses": _responses(one, by_type),
    }
    if one.auth is Auth.PUBLIC:
        described["security"] = []
    if _has_schema(one.body):
        content = {"application/json": {"schema": by_type[id(one.body)]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _responses(one: Operation, by_type: Mapping[int, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "成功"}
    if _has_schema(one.returns):
        success["content"] = {"application/json": {"schema": by_type[id(one.returns)]}}
    status = 204 if one.returns is None else one.status
    problem = {"description": "出错", "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}}
    return {str(status): success, "default": problem}


def _who(one: Operation) -> str:
    roles = f"（{'、'.join(sorted(one.roles))}）" if one.roles else ""
    return f"调用者：{_WHO[one.auth]}{roles}"


def page(openapi: Mapping[str, Any]) -> str:
    """Return the document as a page that people read: one file, no outside assets."""
    parts = []
    for path, methods in openapi["paths"].items():
        for method, one in methods.items():
            parts.append(
                f"<details><summary><b class={method}>{method.upper()}</b> <code>{html.escape(path)}</code> "
                f"{html.escape(one['summary'])}</summary><p>{html.escape(one['description'])}</p>"
                f"{_table(one['parameters'])}{_schema('请求', one.get('requestBody'))}"
                f"{''.join(_schema('返回 ' + status, answer) for status, answer in one['responses'].items())}</details>"
            )
    schemas = "".join(
        f"<details id='{html.escape(name)}'><summary><code>{html.escape(name)}</code> "
        f"{html.escape(schema.get('description', ''))}</summary><pre>{html.escape(_pretty(schema))}</pre></details>"
        for name, schema in openapi["components"]["schemas"].items()
    )
    info = openapi["info"]
    return (
        "<!doctype html><html lang=zh-CN><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{info['title']}</title><style>{_STYLE}</style><main><h1>{info['title']}</h1>"
        f"<p>{html.escape(info['description'])}</p><p><a href=openapi.json>openapi.json</a></p>"
        f"<h2>接口</h2>{''.join(parts)}<h2>数据结构</h2>{schemas}</main></html>\n"
    )


_STYLE: Final = (
    "body{font:15px/1.6 system-ui,sans-serif;margin:0;color:#222}main{max-width:60rem;margin:auto;padding:1rem}"
    "details{border-bottom:1px solid #ddd;padding:.4rem 0}summary{cursor:pointer}pre{background:#f6f6f6;"
    "padding:.6rem;overflow:auto}b{display:inline-block;min-width:4.2rem}.get{color:#176}.post{color:#05a}"
    ".put,.patch{color:#850}.delete{color:#a11}table{border-collapse:collapse}td{padding:.1rem 1rem .1rem 0}"
)


def _table(parameters: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(one['name'])}</code><td>{one['in']}<td>{html.escape(one.get('description', ''))}"
        for one in parameters
    )
    return f"<table>{rows}</table>" if rows else ""


def _schema(title: str, holder: Mapping[str, Any] | None) -> str:
    if not holder or "content" not in holder:
        return ""
    schema = next(iter(holder["content"].values()))["schema"]
    name = schema.get("$ref", "").rpartition("/")[2]
    shown = f"<a href='#{html.escape(name)}'>{html.escape(name)}</a>" if name else html.escape(_pretty(schema))
    return f"<p>{title}：{shown}</p>"


def _pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def main() -> int:
    """Write the files, or with `--check` compare them."""
    openapi = document(operations())
    texts = {"openapi.json": _pretty(openapi) + "\n", "index.html": page(openapi)}
    if "--check" in sys.argv:
        stale = [name for name, text in texts.items() if (TARGET / name).read_text(encoding="utf-8") != text]
        print(f"stale: {', '.join(stale)}; run make openapi" if stale else "the HTTP documentation is current")
        return 1 if stale else 0
    for name, text in texts.items():
        (TARGET / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
