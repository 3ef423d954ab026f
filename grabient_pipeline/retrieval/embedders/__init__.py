"""Embedders: text to vectors, by a local model or by a provider's API.

base.py        the protocol, and what the implementations share
registry.py    the models, and how to open one by name
local.py openai.py google.py   one implementation each
"""
