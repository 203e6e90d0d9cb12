"""Calls of functions that a model makes, and what these return: one text for each, however a vendor spells it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["as_pairs", "call_of", "calls_text", "is_call", "is_result", "result_text"]

# Where a call stands inside a part or an entry of `tool_calls`: OpenAI's, Gemini's and Bedrock's spellings.
_WRAPPERS = ("function", "functionCall", "function_call", "toolUse", "tool_use", "custom")
_NAMES = ("name", "toolName", "tool_name")
_ARGUMENTS = ("arguments", "args", "input", "parameters", "params")
_CALL_TYPES = {
    "tool_use",
    "server_tool_use",
    "mcp_tool_use",
    "function_call",
    "tool_call",
    "tool-call",
    "custom_tool_call",
    "function",
}
_RESULT_TYPES = {
    "tool_result", "tool-result", "function_call_output", "function_response", "tool_response", "custom_tool_call_output",
    "web_search_tool_result", "code_execution_tool_result", "mcp_tool_result",
}  # fmt: skip
_RESULTS = ("functionResponse", "function_response", "toolResult", "codeExecutionResult", "code_execution_result")
_CODE = ("executableCode", "executable_code")


def as_pairs(value: Any) -> Any:
    """Return what Arrow has as a map, a list of pairs, as the object that it stands for."""
    if isinstance(value, list) and value and all(isinstance(one, tuple) and len(one) == 2 for one in value):
        return {str(key): one for key, one in value}
    return value


def is_call(part: Mapping[str, Any]) -> bool:
    """Whether a message part, or an item without a role, is a call."""
    if str(part.get("type")) in _CALL_TYPES:
        return any(part.get(key) is not None for key in (*_NAMES, *_WRAPPERS))
    return any(isinstance(part.get(key), Mapping) for key in (*_WRAPPERS[1:], *_CODE))


def is_result(part: Mapping[str, Any]) -> bool:
    """Whether a message part, or an item without a role, is what a call returned."""
    return str(part.get("type")) in _RESULT_TYPES or any(part.get(key) is not None for key in _RESULTS)


def call_of(value: Any) -> Any:
    """Return a call as its name and its arguments, without ids, types and what is null or empty.

    Arguments that are JSON in a string are what they say. Their keys are in alphabetical order, since a table has them in one
    order for all rows.

    >>> call_of({"id": "c1", "type": "function", "function": {"name": "walk", "arguments": '{"y": 2, "x": 1}'}})
    {'name': 'walk', 'arguments': {'x': 1, 'y': 2}}
    >>> call_of({"type": "tool_use", "name": "walk", "input": {"x": 1, "y": 2, "angle": None}})
    {'name': 'walk', 'arguments': {'x': 1, 'y': 2}}
    """
    value = as_pairs(value)
    if not isinstance(value, Mapping):
        return _clean(value)
    inner = next((as_pairs(value[key]) for key in _WRAPPERS if isinstance(as_pairs(value.get(key)), Mapping)), value)
    name = next((inner[key] for key in _NAMES if inner.get(key) is not None), None)
    if name is None:
        return _clean(inner)
    given = next((inner[key] for key in _ARGUMENTS if inner.get(key) is not None), None)
    arguments = _clean(_parsed(given))
    return {"name": name} if arguments in (None, "", {}, []) else {"name": name, "arguments": arguments}


def calls_text(calls: Sequence[Any]) -> str:
    """Return calls as JSON; nothing where there are none."""
    found = [call for call in map(call_of, calls) if call not in (None, {}, "")]
    return json.dumps(found, ensure_ascii=False, default=str) if found else ""


def result_text(part: Mapping[str, Any]) -> Any:
    """Return what a call returned: a text, or the content that holds it."""
    inner = next((part[key] for key in _RESULTS if part.get(key) is not None), part)
    if isinstance(inner, Mapping):
        for key in ("content", "output", "response", "result", "text"):
            if inner.get(key) is not None:
                value = as_pairs(inner[key])
                if isinstance(value, Mapping) and not ("text" in value or "content" in value):
                    return json.dumps(_clean(value), ensure_ascii=False, default=str)
                return value
        return ""
    return inner


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _clean(value: Any) -> Any:
    """Return a value as every kind of file would give it back: no nulls in objects, whole numbers as such, keys in order."""
    value = as_pairs(value)
    if isinstance(value, Mapping):
        return {str(key): _clean(value[key]) for key in sorted(value, key=str) if value[key] is not None}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 2**53:
        return int(value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
