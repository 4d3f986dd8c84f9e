"""A JSON object that a script sends to the control API, read member by member."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection
from typing import Any, cast


class InstructionError(ValueError):
    """What is wrong with an instruction: which member, and what it has to be."""

    def __init__(self, name: str, rule: str) -> None:
        super().__init__(f"{name} {rule}")


class Instruction:
    """Reading a member takes it away; one that nobody read is a mistake of the script and is told."""

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    @classmethod
    def read(cls, body: bytes) -> Instruction:
        try:
            members = json.loads(body)
        except ValueError:
            raise InstructionError("the body", "has to be JSON") from None
        if not isinstance(members, dict):
            raise InstructionError("the body", "has to be a JSON object")
        return cls(cast("dict[str, Any]", members))

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def one_of(self, name: str, choices: Collection[str | None]) -> Any:
        value = self._take(name)
        if not isinstance(value, str | None) or value not in choices:
            raise InstructionError(name, f"has to be one of: {', '.join(str(choice) for choice in choices)}")
        return value

    def text(self, name: str) -> str:
        value = self._take(name)
        if not isinstance(value, str):
            raise InstructionError(name, "has to be text")
        return value

    def inner(self, name: str) -> Instruction:
        value = self._take(name)
        if not isinstance(value, dict):
            raise InstructionError(name, "has to be an object")
        return Instruction(cast("dict[str, Any]", value))

    def texts(self, name: str) -> dict[str, str]:
        value = self._take(name)
        if not isinstance(value, dict):
            raise InstructionError(name, "has to be an object")
        members = Instruction(cast("dict[str, Any]", value))
        return {member: members.text(member) for member in cast("list[str]", [*value])}

    def base64(self, name: str) -> bytes:
        try:
            return base64.b64decode(self.text(name), validate=True)
        except ValueError:
            raise InstructionError(name, "has to be base64") from None

    def flag(self, name: str) -> bool:
        value = self._take(name)
        if not isinstance(value, bool):
            raise InstructionError(name, "has to be true or false")
        return value

    def seconds(self, name: str) -> float | None:
        value = self._take(name)
        if value is not None and (type(value) not in (int, float) or not 0 <= value <= 10**9):
            raise InstructionError(name, "has to be a number of seconds or null")
        return value

    def life(self, name: str) -> float:
        value = self.seconds(name)
        if value is None:
            raise InstructionError(name, "has to be a number of seconds")
        return value

    def count(self, name: str) -> int | None:
        value = self._take(name)
        if value is not None and (type(value) is not int or value < 1):
            raise InstructionError(name, "has to be a count from 1, or null")
        return value

    def nothing_else(self) -> None:
        if self._members:
            raise InstructionError(", ".join(self._members), "means nothing here")

    def _take(self, name: str) -> Any:
        return self._members.pop(name, None)
