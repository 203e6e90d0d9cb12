"""Words of every script, for keyphrases: letters with their marks, whatever way they are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import regex

__all__ = ["words_of"]

# Han and kana are written without spaces: pairs of neighbouring characters stand in for words.
PAIRED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# So are Thai, Lao, Burmese and Khmer, whose vowels and tones are marks on a letter: there pairs of letters with their marks do.
CLUSTERED = "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff"
# What stands alone between spaces there, such as a name or an item of a list, is a word as it is.
LONGEST_ALONE = 12
# Joiners shape letters inside a word. Apostrophes, hyphens and the like stand between the parts of one.
LETTER = rf"[[\p{{L}}\p{{N}}]--[{PAIRED}{CLUSTERED}]]"
REST = rf"[[\p{{L}}\p{{M}}\p{{N}}\u200c\u200d]--[{PAIRED}{CLUSTERED}]]*+"
WORD = regex.compile(
    rf"(?V1)[{PAIRED}]+|[{CLUSTERED}]+|{LETTER}{REST}(?:['\u2019\u00b7\u05f3\u05f4\u2010\u2011-]{LETTER}{REST})*"
    r"|[^\s\p{L}\p{M}\p{N}_\u200c\u200d]"
)
ASCII_WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*|[^\w\s]")
CLUSTER = regex.compile(r"\X")
# Soft hyphens, marks of direction and the like are no part of a spelling; a space of no width is a space.
UNSEEN = dict.fromkeys([0xAD, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF]) | {0x200B: " "}
# In an alphabet words of one or two letters are mostly small words. A sign of other scripts is a syllable.
ALPHABET = regex.compile(r"[\u0000-\u08ff]|\p{Latin}|\p{Cyrillic}|\p{Greek}|\p{Georgian}")
LEAST_OF_ALPHABET, LEAST_OF_SYLLABLES = 3, 2


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text in lower case, accents composed; "" where a phrase may not reach across.

    Words that are too short, and numbers, are "" too. Where words are written without spaces, pairs of neighbouring characters
    stand in for them, each followed by "".

    >>> list(words_of("The cafe\u0301, 42 of us"))
    ['the', 'café', '', '', '', '']
    """
    text = text.lower()
    if text.isascii():
        for word in ASCII_WORD.findall(text):
            yield word if len(word) >= LEAST_OF_ALPHABET and any(map(str.isalpha, word)) else ""
        return
    for word in WORD.findall(unicodedata.normalize("NFC", text.translate(UNSEEN))):
        if _is_in(PAIRED_RANGES, word[0]):
            yield from _pairs(word)
        elif _is_in(CLUSTERED_RANGES, word[0]):
            clusters = CLUSTER.findall(word)
            yield from _pairs(clusters) if len(clusters) > LONGEST_ALONE else [word if _letters(word) > 1 else ""]
        else:
            least = LEAST_OF_ALPHABET if ALPHABET.match(word) else LEAST_OF_SYLLABLES
            enough = len(word) >= least and (word.isascii() or _letters(word) >= least)
            yield word if enough and any(map(str.isalpha, word)) else ""


def _letters(word: str) -> int:
    return sum(unicodedata.category(one)[0] != "M" for one in word)


def _pairs(signs: str | list[str]) -> Iterator[str]:
    yield ""
    for at in range(len(signs) - 1):
        yield signs[at] + signs[at + 1]
        # Pairs overlap, so that no phrase may be made of two of them.
        yield ""


def _ranges(characters: str) -> list[tuple[str, str]]:
    return [(one[0], one[2]) for one in re.findall(r".-.", characters)]


PAIRED_RANGES, CLUSTERED_RANGES = _ranges(PAIRED), _ranges(CLUSTERED)


def _is_in(ranges: list[tuple[str, str]], character: str) -> bool:
    return any(first <= character <= last for first, last in ranges)
