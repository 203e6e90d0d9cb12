"""Conversations that a chat template has rendered into one string: how they are told, and which can be read as turns."""

from __future__ import annotations

import re
from dataclasses import dataclass

from variegate.data.record import Role, Turn

__all__ = ["LABELS", "TOKENS", "Template", "dialogue_turns", "marker_in"]


@dataclass(frozen=True)
class Template:
    """One family of chat templates.

    Attributes:
        name: whose they are.
        marks: the pattern that tells them.
    """

    name: str
    marks: str


# Marks of which one is enough, since no other text has them.
TOKENS = (
    Template("ChatML, Qwen, Yi, Kimi", r"<\|im_(?:start|end|sep|user|assistant|system|middle)\|>"),
    Template("Llama 2, Mistral", r"\[/?INST\]|<</?SYS>>|\[/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"),
    Template("Llama 3 and 4", r"<\|(?:start_header_id|end_header_id|header_start|header_end|eot_id|eot|eom_id|begin_of_text)\|>"),
    Template("Gemma", r"<(?:start|end)_of_turn>|<\|turn\|?>|<turn\|>"),
    Template("Command R", r"<\|(?:START|END)_OF_TURN_TOKEN\|>|<\|(?:USER|CHATBOT|SYSTEM)_TOKEN\|>"),
    Template("Granite", r"<\|(?:start|end)_of_role\|>"),
    Template("Harmony (gpt-oss)", r"<\|start\|>(?:system|developer|user|assistant)|<\|(?:channel|message|return|call)\|>"),
    Template("Nemotron", r"<extra_id_[01]>\s*(?:System|User|Assistant)|<SPECIAL_1[012]>"),
    Template("InternLM, MOSS", r"<(?:eoh|eoa|eom)>|\[UNUSED_TOKEN_14[56]\]"),
    Template("Baichuan", r"<reserved_(?:10[2-7]|19[56])>"),
    Template("ChatGLM", r"\[Round \d+\]\s*\n+\s*问|\[gMASK\]|<sop>"),
    Template("OpenChat", r"GPT4(?: Correct)? (?:User|Assistant):|<\|end_of_turn\|>"),
    Template("Jamba, Seed, MiniMax, Hunyuan", r"<\|bom\|>|<seed:bos>|<beginning_of_sentence>|<｜hy_\w+｜>"),
    # Whatever the family: a role inside a special token, such as <|user|>, <｜Assistant｜>, [|human|] or <|Bot|>.
    Template(
        "a role as a token",
        r"[<\[][|｜][ ]?(?:start_?of_?)?(?:user|human|prompter|assistant|chatbot|bot|ai|model|gpt|system|observation|moss)"
        r"(?:_?token)?[ ]?[|｜][>\]]",
    ),
)
# Labels that other texts may have, each followed by that of the other side.
LABELS = (
    Template("<human>: and <bot>:", r"(?:^|\n)[ \t]*<(?:human|user)>[\s\S]*?<(?:bot|assistant|gpt)>"),
    Template("### Human:", r"###[ ]*(?:Human|Instruction|User)[ ]*:"),
    Template(
        "### Human and ### Assistant",
        r"###[ ]*(?:Human|Instruction|User|Question|Input|Prompt|问题|指令)\b[\s\S]*?"
        r"###[ ]*(?:Assistant|Response|Answer|Output|回答)",
    ),
    Template(
        "Human: and Assistant:",
        r"(?:^|\n)[ \t]*\*{0,2}(?:Human|User|USER|Client|Customer|用户|人类)\*{0,2}[ ]?[:：][\s\S]*?"
        r"\n[ \t]*\*{0,2}(?:Assistant|ASSISTANT|Bot|BOT|AI|GPT|Chatbot|Model|Falcon|Agent|助手)\*{0,2}[ ]?[:：]",
    ),
    Template("Q: and A:", r"\A\s*(?:Q|Question|问题?)[ ]?[:：][\s\S]*?\n[ \t]*(?:A|Answer|答案?)[ ]?[:：]"),
    Template("steps with their marks (Math-Shepherd)", r"\bStep 1:[\s\S]*?[ ]ки(?:\s|\Z)"),
    Template("USER: and ASSISTANT:", r"\b(?:USER|HUMAN)[ ]?:\s[\s\S]*?\b(?:ASSISTANT|GPT|BOT|AI)[ ]?:"),
)
_TOKEN = re.compile("|".join(f"(?:{one.marks})" for one in TOKENS), re.IGNORECASE)
_LABELLED = re.compile("|".join(f"(?:{one.marks})" for one in LABELS))
# Labels stand at the beginning of what people keep as one string; a long text is not searched through for them.
_LABEL_CHARACTERS = 5_000


def marker_in(text: str) -> str | None:
    """Return the mark of a chat template that a text holds, for people; None where it holds none."""
    found = _TOKEN.search(text) or _LABELLED.search(text[:_LABEL_CHARACTERS])
    return found.group().strip()[:30] if found else None


_SPEAKERS: dict[str, Role] = {"human": "user", "user": "user", "assistant": "assistant", "bot": "assistant", "ai": "assistant"}
_LABEL = re.compile(r"(?:\A|\n)[ \t]*(?:###[ \t]*)?(Human|User|USER|Assistant|ASSISTANT|Bot|AI)[ \t]*:[ \t]?")


def dialogue_turns(text: str) -> list[Turn] | None:
    r"""Read a dialogue that is one string, as HH-RLHF has them; None where a text is no such dialogue.

    >>> [turn.role for turn in dialogue_turns("\n\nHuman: Hi\n\nAssistant: Hello") or []]
    ['user', 'assistant']
    >>> dialogue_turns("Dear Human: hello") is None
    True
    """
    begun = text.lstrip()
    pieces = _LABEL.split(begun)
    if len(pieces) < 3 or pieces[0].strip():
        return None
    roles = [_SPEAKERS[label.lower()] for label in pieces[1::2]]
    if not {"user", "assistant"} <= set(roles):
        return None
    return [Turn(role, said.strip()) for role, said in zip(roles, pieces[2::2], strict=True) if said.strip()] or None
