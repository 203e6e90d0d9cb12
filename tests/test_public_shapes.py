"""Row shapes of well-known public data sets, each with a tiny row of our own: what is read of it, or how its refusal reads it.

The forms are those of the data sets' cards and of their loaders (TRL, LLaMA-Factory, axolotl, ms-swift), as of 2026.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import variegate as vg
from variegate.cli.options import pairs


class Shape(NamedTuple):
    row: dict[str, Any]
    instruction: str | None
    response: str | None
    # What the refusal proposes, where the rows are not read as they are; "jq" is a conversion.
    option: str | None = None
    # Fields that a note names as not read.
    unread: str = ""


def said(**turns: str) -> list[dict[str, Any]]:
    names = {"h": "human", "g": "gpt", "s": "system"}
    return [{"from": names.get(who[0], who), "value": text} for who, text in turns.items()]


def chat(*texts: str, system: str | None = None) -> list[dict[str, Any]]:
    head = [] if system is None else [{"role": "system", "content": system}]
    return head + [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]


Q, A = "What is the tallest kind of tree?", "The coast redwood is the tallest one."
Q2, A2 = "And where does it grow?", "It grows along the coast of California."
WHY = "Trees differ in height, and redwoods top the list."
HH = f"\n\nHuman: {Q}\n\nAssistant: {A}\n\nHuman: {Q2}\n\nAssistant: {A2}"
CALL = {"name": "weather", "arguments": {"city": "Ulm"}}
CALLED = '[{"name": "weather", "arguments": {"city": "Ulm"}}]'
PAIR = (Q, A)

SHAPES: dict[str, Shape] = {
    # --- pairs
    "alpaca": Shape({"instruction": Q, "input": "", "output": A, "text": f"Below is an instruction.\n\n### Instruction:\n{Q}\n\n### Response:\n{A}"}, *PAIR),
    "alpaca-cleaned": Shape({"output": A, "input": "Be brief.", "instruction": Q}, f"{Q}\nBe brief.", A),
    "alpaca-gpt4": Shape({"instruction": Q, "input": "", "output": A}, *PAIR),
    "code-alpaca": Shape({"instruction": "Print 1.", "input": "", "output": "print(1)"}, "Print 1.", "print(1)"),
    "python_code_instructions_18k": Shape({"instruction": Q, "input": "", "output": A, "prompt": f"Below is an instruction.\n### Instruction:\n{Q}\n### Output:\n{A}"}, *PAIR),
    "dolly-15k": Shape({"instruction": Q, "context": WHY, "response": A, "category": "closed_qa"}, f"{Q}\n{WHY}", A),
    "gpteacher": Shape({"instruction": Q, "input": "", "response": A}, *PAIR),
    "dolphin": Shape({"instruction": "You are an assistant.", "input": Q, "output": A}, f"You are an assistant.\n{Q}", A),
    "belle 0.5M": Shape({"instruction": "最高的树是什么？", "input": "", "output": "海岸红杉。"}, "最高的树是什么？", "海岸红杉。"),
    "belle generated chat": Shape({"instruction": f"Human: {Q}\nAssistant: {A}\nHuman: {Q2}\nAssistant:", "input": "", "output": A2}, f"Human: {Q}\nAssistant: {A}\nHuman: {Q2}\nAssistant:", A2),
    "COIG-CQIA": Shape({"instruction": Q, "input": "", "output": A, "task_type": {"major": ["问答"], "minor": ["百科"]}, "domain": ["百科"], "metadata": None, "answer_from": "human", "human_verified": True, "copyright": "none"}, *PAIR),
    "evol-instruct-code-80k": Shape({"instruction": Q, "output": A}, *PAIR),
    "WizardLM evol-instruct 70k": Shape({"output": A, "instruction": Q}, *PAIR),
    "magicoder evol-instruct": Shape({"instruction": Q, "response": A}, *PAIR),
    "instinwild": Shape({"instruction": Q, "input": "", "output": A}, *PAIR),
    "alpaca with a system prompt and history (LLaMA-Factory)": Shape({"instruction": Q2, "input": "", "output": A2, "system": "Be kind.", "history": [[Q, A]]}, f"{Q}\n{Q2}", f"{A}\n{A2}"),
    "reasoning beside the answer": Shape({"instruction": Q, "reasoning": WHY, "output": A}, Q, f"{WHY}\n{A}"),
    "instruction-response with a rationale": Shape({"instruction": Q, "response": A, "rationale": WHY}, *PAIR, unread="rationale"),
    "TL;DR (TRL)": Shape({"prompt": f"{Q}\n\nTL;DR:", "completion": f" {A}"}, f"{Q}\n\nTL;DR:", f" {A}"),
    "prompt and completion as messages (TRL)": Shape({"prompt": chat(Q), "completion": [{"role": "assistant", "content": A}]}, *PAIR),
    "kto-mix-14k (TRL)": Shape({"prompt": chat(Q), "completion": [{"role": "assistant", "content": A}], "label": True}, *PAIR),
    "KTO (LLaMA-Factory)": Shape({"messages": chat(Q, A), "kto_tag": True}, *PAIR),
    # --- pairs of other names
    "gsm8k": Shape({"question": Q, "answer": f"{A}\n#### 1"}, Q, f"{A}\n#### 1", "--columns instruction=question,response=answer"),
    "orca-math": Shape({"question": Q, "answer": A}, *PAIR, "--columns instruction=question,response=answer"),
    "MATH": Shape({"problem": Q, "level": "Level 1", "type": "Algebra", "solution": A}, *PAIR, "--columns instruction=problem,response=solution"),
    "MATH-500": Shape({"problem": Q, "solution": A, "answer": "1", "subject": "Algebra", "level": 2, "unique_id": "test/1"}, *PAIR, "--columns instruction=problem,response=solution", "answer"),
    "MetaMathQA": Shape({"type": "GSM_AnsAug", "query": Q, "original_question": "Which tree is the very tallest of all?", "response": A}, *PAIR, "--columns instruction=query,response=response", "original_question"),
    "OpenMathInstruct-2": Shape({"problem": Q, "generated_solution": A, "expected_answer": "1", "problem_source": "augmented_math"}, *PAIR, "--columns instruction=problem,response=generated_solution", "expected_answer"),
    "OpenOrca": Shape({"id": "flan.1", "system_prompt": "Be kind.", "question": Q, "response": A}, *PAIR, "--columns instruction=question,response=response,system=system_prompt"),
    "OpenThoughts metadata": Shape({"problem": Q, "deepseek_reasoning": WHY, "deepseek_solution": A, "ground_truth_solution": "Redwood it is, of course, here.", "domain": "biology", "source": "x"}, Q, f"{WHY}\n{A}", "--columns instruction=problem,response=deepseek_solution,reasoning=deepseek_reasoning", "ground_truth_solution"),
    "medical-o1-reasoning": Shape({"Question": Q, "Complex_CoT": WHY, "Response": A}, Q, f"{WHY}\n{A}", "--columns instruction=Question,response=Response,reasoning=Complex_CoT"),
    "s1K": Shape({"solution": "The redwood, and no other tree.", "question": Q, "cot_type": "math", "source_type": "x", "thinking_trajectories": [WHY], "attempt": A}, Q, f"{WHY}\n{A}", "--columns instruction=question,response=attempt,reasoning=thinking_trajectories", "solution"),
    "code-feedback": Shape({"query": Q, "answer": A, "resource": "evolinstruct", "lang": "python"}, *PAIR, "--columns instruction=query,response=answer"),
    "magicoder oss-instruct": Shape({"lang": "python", "raw_index": 1, "index": 2, "seed": "for i in range(3): print(i)", "problem": Q, "solution": A}, *PAIR, "--columns instruction=problem,response=solution", "seed"),
    "WebInstructSub": Shape({"orig_question": Q, "question": Q, "answer": A, "source": "study"}, *PAIR, "--columns instruction=question,response=answer"),
    "HelpSteer": Shape({"prompt": Q, "response": A, "helpfulness": 4, "verbosity": 2}, *PAIR, "--columns instruction=prompt,response=response"),
    "GPT4All": Shape({"prompt": Q, "response": A, "source": "laion"}, *PAIR, "--columns instruction=prompt,response=response"),
    "LongForm": Shape({"input": Q, "output": A, "source": "Wikipedia", "subset": "wiki"}, *PAIR, "--columns instruction=input,response=output"),
    "firefly": Shape({"kind": "QA", "input": Q, "target": A}, *PAIR, "--columns instruction=input,response=target"),
    "aya": Shape({"inputs": Q, "targets": A, "language": "English", "language_code": "eng", "annotation_type": "original-annotations", "user_id": "ab"}, *PAIR, "--columns instruction=inputs,response=targets"),
    "xP3": Shape({"inputs": Q, "targets": A}, *PAIR, "--columns instruction=inputs,response=targets"),
    "P3 (pretokenized)": Shape({"inputs": [3, 4], "inputs_pretokenized": Q, "targets": [5], "targets_pretokenized": A}, *PAIR, "--columns instruction=inputs_pretokenized,response=targets_pretokenized"),
    "FLAN v2": Shape({"inputs": Q, "targets": A, "task": "cot_gsm8k"}, *PAIR, "--columns instruction=inputs,response=targets"),
    "natural-instructions": Shape({"task_name": "task1", "id": "t-1", "definition": WHY, "inputs": Q, "targets": A}, f"{WHY}\n{Q}", A, "--columns instruction=definition,response=targets,input=inputs"),
    "oasst instructions (capitals)": Shape({"INSTRUCTION": Q, "RESPONSE": A, "SOURCE": "x"}, *PAIR, "--columns instruction=INSTRUCTION,response=RESPONSE"),
    "xlam-function-calling-60k": Shape({"id": 0, "query": Q, "answers": json.dumps([CALL]), "tools": "[]"}, Q, json.dumps([CALL]), "--columns instruction=query,response=answers"),
    "camel-ai": Shape({"role_1": "Biologist", "topic;": "Trees", "message_1": Q, "message_2": A}, *PAIR, "--columns instruction=message_1,response=message_2"),
    "Nemotron post-training": Shape({"input": chat(Q), "output": A, "category": "chat", "license": "cc", "reasoning": "on", "generator": "x", "version": "v1"}, *PAIR, "--columns instruction=input,response=output"),
    "PKU-SafeRLHF": Shape({"prompt": Q, "response_0": A, "response_1": A2, "better_response_id": 0}, *PAIR, "--columns instruction=prompt,response=response_0", "response_1"),
    "HelpSteer3": Shape({"domain": "general", "language": "english", "context": chat(Q), "response1": A, "response2": A2, "overall_preference": 1}, *PAIR, "--columns instruction=context,response=response1", "response2"),
    "cosmopedia": Shape({"prompt": Q, "text_token_length": 9, "text": A, "seed_data": "web", "format": "lesson", "audience": "all"}, *PAIR, "--columns instruction=prompt,response=text"),
    "DeepMath-103K (TRL)": Shape({"prompt": chat(Q), "solution": "1"}, Q, "1", "--columns instruction=prompt,response=solution"),
    # --- messages
    "tulu-3-sft-mixture": Shape({"id": "p1", "messages": chat(Q, A), "source": "ai2/x"}, *PAIR),
    "smoltalk": Shape({"messages": chat(Q, A, Q2, A2), "source": "smol-magpie-ultra"}, f"{Q}\n{Q2}", f"{A}\n{A2}"),
    "ultrachat_200k": Shape({"prompt": Q, "prompt_id": "f0", "messages": chat(Q, A, Q2, A2)}, f"{Q}\n{Q2}", f"{A}\n{A2}"),
    "no_robots": Shape({"prompt": Q, "prompt_id": "f0", "messages": chat(Q, A, system="Be kind."), "category": "Chat"}, *PAIR),
    "NuminaMath-CoT": Shape({"source": "amc", "problem": Q, "solution": A, "messages": chat(Q, A)}, *PAIR),
    "OpenR1-Math": Shape({"problem": Q, "solution": "It is the redwood, as is well known.", "answer": "1", "generations": [A], "messages": chat(Q, A)}, *PAIR, unread="solution, answer"),
    "OpenAI fine-tuning, tools": Shape({"messages": [*chat(Q), {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}}]}, {"role": "tool", "tool_call_id": "c", "content": "dry"}, {"role": "assistant", "content": A}], "tools": [], "parallel_tool_calls": False}, Q, f"{CALLED}\n{A}"),
    "OpenAI fine-tuning, functions": Shape({"messages": [*chat(Q), {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": '{"city": "Ulm"}'}}, {"role": "function", "name": "weather", "content": "dry"}, {"role": "assistant", "content": A}]}, Q, f"{CALLED}\n{A}"),
    "Anthropic, tools": Shape({"system": "Be kind.", "messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": [{"type": "thinking", "thinking": WHY, "signature": "x"}, {"type": "tool_use", "id": "c", "name": "weather", "input": {"city": "Ulm"}}]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "dry"}]}, {"type": "text", "text": Q2}]}, {"role": "assistant", "content": A}]}, f"{Q}\n{Q2}", f"{WHY}\n{CALLED}\n{A}"),
    "Gemini (Vertex AI)": Shape({"systemInstruction": {"role": "system", "parts": [{"text": "Kind."}]}, "contents": [{"role": "user", "parts": [{"text": Q}]}, {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Ulm"}}}]}, {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"sky": "dry"}}}]}, {"role": "model", "parts": [{"text": A}]}]}, Q, f"{CALLED}\n{A}"),
    "Bedrock Converse": Shape({"messages": [{"role": "user", "content": [{"text": Q}]}, {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": WHY, "signature": "x"}}}, {"toolUse": {"toolUseId": "c", "name": "weather", "input": {"city": "Ulm"}}}]}, {"role": "user", "content": [{"toolResult": {"toolUseId": "c", "content": [{"text": "dry"}]}}]}, {"role": "assistant", "content": [{"text": A}]}]}, Q, f"{WHY}\n{CALLED}\n{A}"),
    "OpenAI Responses items": Shape({"messages": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": Q}]}, {"type": "reasoning", "summary": [{"type": "summary_text", "text": WHY}]}, {"type": "function_call", "call_id": "c", "name": "weather", "arguments": '{"city": "Ulm"}'}, {"type": "function_call_output", "call_id": "c", "output": "dry"}, {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": A}]}]}, Q, f"{WHY}\n{CALLED}\n{A}"),
    "Mistral Magistral": Shape({"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": WHY}]}, {"type": "text", "text": A}]}]}, Q, f"{WHY}\n{A}"),
    "axolotl, reasoning_content": Shape({"messages": [{"role": "user", "content": Q}, {"role": "assistant", "reasoning_content": WHY, "content": A}]}, Q, f"{WHY}\n{A}"),
    "Ollama, thinking": Shape({"messages": [{"role": "user", "content": Q}, {"role": "assistant", "thinking": WHY, "content": A}]}, Q, f"{WHY}\n{A}"),
    "a refusal of OpenAI's": Shape({"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": None, "refusal": "I cannot say."}]}, Q, "I cannot say."),
    "SWE-smith, messages as JSON text": Shape({"messages": json.dumps(chat(Q, A)), "instance_id": "x__y", "resolved": True, "model": "m"}, *PAIR),
    "messages as Python text": Shape({"messages": str(chat(Q, A))}, *PAIR),
    "messages as numpy writes them": Shape({"messages": str(chat(Q, A)).replace("}, {", "}\n {")}, *PAIR),
    # --- sharegpt
    "ShareGPT": Shape({"id": "1", "conversations": [{"from": "human", "value": Q, "markdown": None, "text": None}, {"from": "gpt", "value": A, "markdown": None, "text": None}]}, *PAIR),
    "SlimOrca": Shape({"conversations": [{"from": "system", "value": "Be kind.", "weight": None}, {"from": "human", "value": Q, "weight": 0}, {"from": "gpt", "value": A, "weight": 1}]}, *PAIR),
    "OpenHermes-2.5": Shape({"custom_instruction": None, "topic": None, "source": "airoboros", "conversations": said(h=Q, g=A), "system_prompt": None, "title": None}, *PAIR),
    "OpenThoughts-114k": Shape({"system": "Think first.", "conversations": [{"from": "user", "value": Q}, {"from": "assistant", "value": f"<think>{WHY}</think>{A}"}]}, Q, f"<think>{WHY}</think>{A}"),
    "hermes-function-calling-v1": Shape({"id": "a", "conversations": [*said(s="You may call functions.", h=Q, g=f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>"), {"from": "tool", "value": "dry"}], "tools": "[]", "category": "x", "subcategory": "y", "task": "Weather"}, Q, f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>"),
    "ToolACE": Shape({"system": "You may call functions.", "conversations": [{"from": "user", "value": Q}, {"from": "assistant", "value": "[weather(city='Ulm')]"}, {"from": "tool", "value": "dry"}, {"from": "assistant", "value": A}]}, Q, f"[weather(city='Ulm')]\n{A}"),
    "APIGen-MT": Shape({"conversations": [{"from": "human", "value": Q}, {"from": "function_call", "value": json.dumps(CALL)}, {"from": "observation", "value": "dry"}, {"from": "gpt", "value": A}], "tools": "[]", "system": "Be kind."}, Q, f"{json.dumps(CALL)}\n{A}"),
    "Daring-Anteater": Shape({"system": "", "mask": "User", "dataset": "x", "conversations": [{"from": "User", "value": Q, "label": None}, {"from": "Assistant", "value": A, "label": "q:4"}]}, *PAIR),
    "WizardLM evol-instruct V2": Shape({"idx": "a", "conversations": said(h=Q, g=A)}, *PAIR),
    "Magpie-Pro": Shape({"uuid": "1", "instruction": Q, "response": A, "conversations": said(h=Q, g=A), "gen_input_configs": {"t": 1}}, *PAIR),
    "LLaVA": Shape({"id": "1", "image": "a.jpg", "conversations": said(h=f"<image>\n{Q}", g=A)}, f"<image>\n{Q}", A),
    # --- turns under other names, or in other forms
    "UltraChat": Shape({"id": "0", "data": [Q, A, Q2, A2]}, f"{Q}\n{Q2}", f"{A}\n{A2}", "--columns messages=data"),
    "LIMA": Shape({"conversations": [Q, A], "source": "stackexchange"}, *PAIR, "--columns messages=conversations"),
    "Capybara": Shape({"source": "Airoboros", "conversation": [{"input": Q, "output": A}, {"input": Q2, "output": A2}]}, f"{Q}\n{Q2}", f"{A}\n{A2}", "--columns messages=conversation"),
    "swift conversation": Shape({"conversation": [{"human": Q, "assistant": A}]}, *PAIR, "--columns messages=conversation"),
    "The Cauldron": Shape({"images": [{"bytes": None, "path": "a.png"}], "texts": [{"user": Q, "assistant": A, "source": "x"}]}, *PAIR, "--columns messages=texts"),
    "WildChat": Shape({"conversation_hash": "f0", "model": "m", "conversation": [{"content": Q, "role": "user", "language": "English"}, {"content": A, "role": "assistant", "language": "English"}], "turn": 1}, *PAIR, "--columns messages=conversation"),
    "LMSYS-Chat-1M": Shape({"conversation_id": "f0", "model": "m", "conversation": chat(Q, A), "turn": 1, "language": "English", "redacted": False}, *PAIR, "--columns messages=conversation"),
    "a kiosk's dialogue, the clerk first": Shape({"dialog": [{"from": "gpt", "value": A}, {"from": "human", "value": Q}]}, *PAIR, "--columns messages=dialog"),
    "customers and agents": Shape({"dialogue": [{"speaker": "agent", "text": A}, {"speaker": "customer", "text": Q}]}, *PAIR, "--columns messages=dialogue,role=speaker,content=text,user=customer,assistant=agent"),
    "schema-guided dialogues": Shape({"turns": [{"speaker": "USER", "utterance": Q}, {"speaker": "SYSTEM", "utterance": A}]}, *PAIR, "--columns messages=turns,role=speaker,content=utterance,user=USER,assistant=SYSTEM"),
    # --- prompts alone
    "prompt-only (TRL)": Shape({"prompt": Q}, Q, None),
    "ultrafeedback-prompt (TRL)": Shape({"prompt": chat(Q)}, Q, None),
    "DAPO-Math-17k (verl)": Shape({"data_source": "math_dapo", "prompt": chat(Q), "ability": "MATH", "reward_model": {"ground_truth": "34", "style": "rule"}, "extra_info": {"index": "9"}}, Q, None),
    "RLVR-GSM-MATH-IF (Tulu 3)": Shape({"messages": chat(Q), "ground_truth": "72", "dataset": "gsm8k"}, Q, None),
    "IFEval": Shape({"key": 1000, "prompt": Q, "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}, Q, None),
    "MT-Bench": Shape({"question_id": 81, "category": "writing", "turns": [Q, Q2]}, f"{Q}\n{Q2}", None, "--columns instruction=turns --side instruction"),
    "InstructionWild prompts": Shape({"instruction": Q}, Q, None, "--columns instruction=instruction --side instruction"),
    # --- preferences: the chosen answer
    "ultrafeedback_binarized": Shape({"prompt": Q, "prompt_id": "f0", "chosen": chat(Q, A), "rejected": chat(Q, A2), "messages": chat(Q, A), "score_chosen": 8.0}, *PAIR, "--schema preference"),
    "dpo-mix-7k": Shape({"dataset": "x", "chosen": chat(Q, A), "rejected": chat(Q, A2), "chosen_rating": 5.0}, *PAIR, "--schema preference"),
    "HH-RLHF": Shape({"chosen": HH, "rejected": HH.replace(A2, "No.")}, f"{Q}\n{Q2}", f"{A}\n{A2}", "--schema preference"),
    "full-hh-rlhf": Shape({"prompt": f"\n\nHuman: {Q}\n\nAssistant:", "response": f" {A}", "chosen": f" {A}", "rejected": " No."}, Q, f" {A}", "--schema preference"),
    "orca_dpo_pairs": Shape({"system": "Be kind.", "question": Q, "chosen": A, "rejected": A2}, *PAIR, "--schema preference"),
    "DPO (LLaMA-Factory, alpaca)": Shape({"instruction": Q, "input": "Be brief.", "chosen": A, "rejected": A2}, f"{Q}\nBe brief.", A, "--schema preference"),
    "DPO (LLaMA-Factory, sharegpt)": Shape({"conversations": said(h=Q), "chosen": {"from": "gpt", "value": A}, "rejected": {"from": "gpt", "value": A2}}, *PAIR, "--schema preference"),
    "preference, implicit prompt (TRL)": Shape({"chosen": chat(Q, A), "rejected": chat(Q, A2)}, *PAIR, "--schema preference"),
    "preference, explicit prompt (TRL)": Shape({"prompt": chat(Q), "chosen": [{"role": "assistant", "content": A}], "rejected": [{"role": "assistant", "content": A2}]}, *PAIR, "--schema preference"),
    "preference fine-tuning (OpenAI)": Shape({"input": {"messages": chat(Q), "tools": []}, "preferred_output": [{"role": "assistant", "content": A}], "non_preferred_output": [{"role": "assistant", "content": A2}]}, *PAIR, "--schema preference"),
    # --- stepwise
    "PRM800K (TRL)": Shape({"prompt": Q, "completions": [A, A2], "labels": [True, True]}, Q, f"{A}\n{A2}"),
    "Math-Shepherd (TRL)": Shape({"prompt": Q, "completions": [A, A2], "labels": [True, False]}, Q, f"{A}\n{A2}"),
    # --- texts
    "FineWeb": Shape({"text": f"{A} {A2}", "id": "<urn:uuid:1>", "dump": "CC", "url": "https://x.org/a b", "language": "en"}, None, f"{A} {A2}"),
    "openassistant-guanaco": Shape({"text": f"### Human: {Q}### Assistant: {A}"}, None, f"### Human: {Q}### Assistant: {A}", "--schema text"),
    "oasst_top1": Shape({"text": f"<|im_start|>user\n{Q}<|im_end|>\n<|im_start|>assistant\n{A}<|im_end|>\n"}, None, f"<|im_start|>user\n{Q}<|im_end|>\n<|im_start|>assistant\n{A}<|im_end|>\n", "--schema text"),
    "glaive-function-calling-v2": Shape({"system": "SYSTEM: You may call functions.", "chat": f"USER: {Q}\n\n\nASSISTANT: {A} <|endoftext|>"}, None, f"USER: {Q}\n\n\nASSISTANT: {A} <|endoftext|>", "--columns response=chat", "system"),
    # --- several answers, or a list below each row: a conversion
    "UltraFeedback": Shape({"source": "evol", "instruction": Q, "models": ["m"], "completions": [{"model": "m", "response": A}], "correct_answers": ["None"]}, *PAIR, "jq"),
    "Nectar": Shape({"prompt": Q, "answers": [{"answer": A, "model": "m", "rank": 1.0}], "turns": 1}, *PAIR, "jq"),
    "stack-exchange-preferences": Shape({"qid": 1, "question": Q, "answers": [{"answer_id": 3, "pm_score": 1, "selected": True, "text": A}], "date": "2014/01/01"}, *PAIR, "jq"),
    "SQuAD": Shape({"id": "1", "title": "Trees", "context": WHY, "question": Q, "answers": {"text": [A], "answer_start": [3]}}, f"{Q}\n{WHY}", A, "jq"),
    "HC3, several answers": Shape({"question": Q, "human_answers": [A, A2], "chatgpt_answers": [A, A2]}, *PAIR, "jq"),
    "self-instruct seeds": Shape({"id": "seed_1", "name": "tree", "instruction": Q, "instances": [{"input": "Be brief.", "output": A}], "is_classification": False}, f"{Q}\nBe brief.", A, "jq"),
    "unnatural-instructions": Shape({"instruction": Q, "instances": [{"instruction_with_input": Q, "input": "Be brief.", "constraints": "None", "output": A}]}, f"{Q}\nBe brief.", A, "jq"),
    "datasets-server rows": Shape({"row_idx": 0, "row": {"instruction": Q, "output": A}, "truncated_cells": []}, *PAIR, "jq"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(rows: list[dict[str, Any]], name: str = "rows.jsonl") -> str:
    Path(name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return name


def convert(message: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Do what the jq command of a refusal does, with jq itself where it is installed."""
    command = re.search(r"jq -c '([^']+)' FILE > rows\.jsonl", message)
    assert command, message
    if shutil.which("jq"):
        done = subprocess.run(["jq", "-c", command[1], put(rows, "in.jsonl")], capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]
    return [found for row in rows for found in by_hand(command[1], row)]


def by_hand(program: str, row: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the few forms of jq programs that refusals propose."""

    def values(path: str, start: Any) -> list[Any]:
        found = [start]
        for step in re.findall(r'\.\["([^"]+)"\]|\."([^"]+)"|\.(\w+)|(\[\])', path):
            name = next(filter(None, step))
            found = [one for value in found for one in value] if name == "[]" else [value[name] for value in found]
        return found

    if " as $" not in program:
        return values(program, row)
    each, name, fields = re.fullmatch(r"(\S+) as \$(\w+) \| \{(.*)\}", program).groups()
    out = []
    for one in values(each, row):
        parts = (part.split(": ", 1) for part in fields.split(", "))
        out.append({key: values(path.removeprefix(f"${name}"), one if path.startswith("$") else row)[0] for key, path in parts})
    return out


def loaded(shape: Shape) -> vg.Corpus:
    name = put([shape.row] * 3)
    if shape.option is None:
        return vg.load(name)
    with pytest.raises(vg.DataError, match=f"^{re.escape(name)}") as refused:
        vg.load(name)
    message = str(refused.value)
    if shape.option == "jq":
        return vg.load(put(convert(message, [shape.row] * 3), "converted.jsonl"))
    assert shape.option in message, message
    flag, value, *_ = shape.option.split()
    return vg.load(name, schema=value) if flag == "--schema" else vg.load(name, columns=pairs(value, flag))


def test_there_are_enough_shapes():
    assert len(SHAPES) >= 89


@pytest.mark.parametrize("name", SHAPES)
def test_both_sides_of_a_public_shape(name):
    shape = SHAPES[name]
    pool = loaded(shape)
    expected = {"instruction": shape.instruction, "response": shape.response}
    assert {side: pool.texts(side)[0].as_py() for side in pool.sides if side != "both"} == {
        side: text for side, text in expected.items() if text is not None
    }
    notes = " ".join(note for note in pool.sources[0].notes if note.startswith("not read"))
    named = set(notes.removeprefix("not read: ").split(", ")) - {""}
    assert set(filter(None, shape.unread.split(", "))) <= named, notes
    assert named <= {
        *shape.unread.split(", "),
        "systemInstruction",
        "tools",
        "input.tools",
        "response",
        "ground_truth",
        "label",
    }, notes
    if name.startswith(("belle gen", "Math-Shep", "kto", "KTO")):
        assert any(word in " ".join(pool.sources[0].notes) for word in ("chat markers", "label", "kto_tag"))


@pytest.mark.parametrize("odd", [["text"], {"a": 1}, 3, None, True])
def test_odd_types_of_parts_and_roles_are_bad_rows_at_most(odd):
    part = {"type": odd, "text": A}
    rows = [
        {"messages": chat(Q, A)},
        {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": [part]}]},
        {"messages": [{"role": odd, "content": Q}, {"role": "assistant", "content": A}]},
        {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": A, "tool_calls": odd}]},
    ]
    pool = vg.load(put(rows), on_bad_row="skip")
    assert set(pool.texts("instruction").to_pylist()) <= {Q, ""}
