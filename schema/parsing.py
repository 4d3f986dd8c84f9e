"""Parses a document within limits on its cost.

graphql-core's lexer reads character by character, so 64 KiB of text take 15 ms whatever they contain. This subclass
reads blanks, comments, names, integers and plain strings in one step each, and counts: a document that would cost too
much is rejected before it is built or validated.
"""

from __future__ import annotations

import re
from typing import Final

from graphql import DocumentNode, GraphQLError, Lexer, Source, Token, TokenKind
from graphql.language.parser import Parser

from schema.limits import DIRECTIVES, ESCAPED, LINES, NAME, NESTING, PARTS, SPREADS, Limits

_BLANKS: Final = re.compile(r"[ \t\r\n,\ufeff]*+")
# graphql-core rejects surrogates.
_COMMENT: Final = re.compile(r"#[^\r\n\ud800-\udfff]*+")
_NAME: Final = re.compile(r"[0-9A-Za-z_]*+")
_NUMBER: Final = re.compile(r"[-+.0-9A-Za-z_]*+")
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(?![0-9.A-Za-z_])")
_PLAIN: Final = re.compile(r'"([^"\\\r\n\ud800-\udfff]*+)"')
_STRING: Final = re.compile(r'"(?:[^"\\\r\n]|\\.)*+')
_BLOCK_STRING: Final = re.compile(r'"""(?:[^"\\]|\\"""|\\|"(?!""))*+')

_NO_BREAK: Final = ("", " ")
_NAMES: Final = TokenKind.NAME
_OTHER_PARTS: Final = (
    TokenKind.BRACE_L,
    TokenKind.STRING,
    TokenKind.INT,
    TokenKind.FLOAT,
    TokenKind.BLOCK_STRING,
    TokenKind.BRACKET_L,
)
# Within parentheses, braces and brackets belong to values and list types. Elsewhere braces contain selections, whose
# depth is limited after fragments are expanded.
_NESTING: Final = {
    TokenKind.BRACE_L: 1,
    TokenKind.BRACKET_L: 1,
    TokenKind.BRACE_R: -1,
    TokenKind.BRACKET_R: -1,
}
_PARENTHESES: Final = {TokenKind.PAREN_L: 1, TokenKind.PAREN_R: -1}


def parse(text: str, limits: Limits) -> DocumentNode:
    """Raises GraphQLError for a text that is not a document or exceeds a limit."""
    if excess := limits.excess_of_size(text):
        raise GraphQLError(excess)
    source = Source(text)
    parser = Parser(source, lexer=_Lexer(source, limits))
    try:
        return parser.parse_document()
    except RecursionError:
        # Raised outside this block, because the error would otherwise keep all frames of the recursion.
        pass
    raise GraphQLError("The document is nested too deeply.")


class _Lexer(Lexer):
    """See the module's docstring. All counts are of the tokens read so far."""

    def __init__(self, source: Source, limits: Limits) -> None:
        super().__init__(source)
        self._limits = limits
        self._tokens = 0
        self._parts = 0
        self._escaped = 0
        self._directives = 0
        self._spreads = 0
        self._parentheses = 0
        self._nesting = 0

    def read_next_token(self, start: int) -> Token:
        token = super().read_next_token(self._after_blanks(start))
        kind = token.kind
        if kind is TokenKind.EOF:
            return token
        self._tokens += 1
        if self._tokens > self._limits.tokens:
            raise GraphQLError(self._limits.too_many_tokens)
        if kind is _NAMES or kind in _OTHER_PARTS:
            self._parts += 1
            _check(self._parts, PARTS, "The document has more than {} names, values and opening brackets.")
        elif kind is TokenKind.AT:
            self._directives += 1
            _check(self._directives, DIRECTIVES, "The document has more than {} directives.")
        elif kind is TokenKind.SPREAD:
            self._spreads += 1
            _check(self._spreads, SPREADS, "The document spreads more than {} fragments.")
        elif kind in _PARENTHESES:
            self._parentheses += _PARENTHESES[kind]
        if self._parentheses and kind in _NESTING:
            self._nest(_NESTING[kind])
        return token

    def _nest(self, levels: int) -> None:
        self._nesting += levels
        _check(self._nesting, NESTING, "The document has a value or type that is nested more than {} levels deep.")

    def _after_blanks(self, start: int) -> int:
        """The position of the next token, possibly on another line."""
        body = self.source.body
        end = _end(_BLANKS, body, start)
        blanks = body[start:end]
        if blanks in _NO_BREAK:
            return end
        breaks = blanks.count("\n") + blanks.count("\r") - blanks.count("\r\n")
        if breaks:
            self.line += breaks
            self.line_start = start + max(blanks.rfind("\n"), blanks.rfind("\r")) + 1
            _check(self.line, LINES, "The document has more than {} lines.")
        return end

    def read_comment(self, start: int) -> Token:
        end = _end(_COMMENT, self.source.body, start)
        return self.create_token(TokenKind.COMMENT, start, end, self.source.body[start + 1 : end])

    def read_name(self, start: int) -> Token:
        end = _end(_NAME, self.source.body, start)
        _check(end - start, NAME, "A name has more than {} characters.")
        return self.create_token(TokenKind.NAME, start, end, self.source.body[start:end])

    def read_number(self, start: int, first_char: str) -> Token:
        _check(_end(_NUMBER, self.source.body, start) - start, NAME, "A number has more than {} characters.")
        integer = _INTEGER.match(self.source.body, start)
        if integer is not None:
            return self.create_token(TokenKind.INT, start, integer.end(), integer[0])
        return super().read_number(start, first_char)

    def read_string(self, start: int) -> Token:
        plain = _PLAIN.match(self.source.body, start)
        if plain is not None:
            return self.create_token(TokenKind.STRING, start, plain.end(), plain[1])
        self._count_escaped(_STRING, start)
        return super().read_string(start)

    def read_block_string(self, start: int) -> Token:
        self._count_escaped(_BLOCK_STRING, start)
        return super().read_block_string(start)

    def _count_escaped(self, pattern: re.Pattern[str], start: int) -> None:
        self._escaped += _end(pattern, self.source.body, start) - start
        _check(self._escaped, ESCAPED, "Block strings and strings with escapes have more than {} characters together.")


def _end(pattern: re.Pattern[str], body: str, start: int) -> int:
    """The end of the match. The patterns used here always match, perhaps the empty string."""
    found = pattern.match(body, start)
    return found.end() if found else start


def _check(count: int, most: int, message: str) -> None:
    if count > most:
        raise GraphQLError(message.format(most))
