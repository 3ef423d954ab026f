"""What Anthropic's list says that a model supports, as far as the sandbox implements it."""

from typing import Any

from grabient_pipeline.sandbox.capabilities import ModelCapabilities

_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def describe_capabilities(model: ModelCapabilities) -> dict[str, Any]:
    """The capabilities of a model, each as an object with `supported`."""
    thinks = model.thinking != "none"
    return {
        "batch": _support(True),
        "citations": _support(False),
        "code_execution": _support(False),
        "context_management": _support(False),
        "effort": {
            **_support(bool(model.efforts)),
            **{effort: _support(effort in model.efforts) for effort in _EFFORTS},
        },
        "image_input": _support(False),
        "pdf_input": _support(False),
        "server_tools": {**_support(False), "code_execution": _support(False), "web_search": _support(False)},
        "structured_outputs": _support(model.json_schema != "none"),
        "thinking": {
            **_support(thinks),
            "types": {
                "adaptive": _support(model.thinking in ("adaptive", "always")),
                "between_tools": _support(False),
                "disabled": _support(model.thinking != "always"),
                "enabled": _support(model.thinking == "budget"),
            },
        },
    }


def _support(supported: bool) -> dict[str, Any]:
    return {"supported": supported}
