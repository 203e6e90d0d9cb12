"""Asking a chat model many questions, each once, with every answer kept: for tags, and for judges of answers."""
