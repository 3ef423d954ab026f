"""How the providers that speak OpenAI's chat completion API differ from each other."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from grabient_pipeline.sandbox.batches.dialect import Rejection
from grabient_pipeline.sandbox.capabilities import EmbeddingModel, Models
from grabient_pipeline.sandbox.json_values import names_in
from grabient_pipeline.sandbox.pictures import PictureTokens

_MODEL = re.compile(rb'"model"\s*:\s*"([\w./:-]+)"')

# Fields of a request body that all of them know.
CHAT_FIELDS = names_in(
    """
    model messages max_tokens max_completion_tokens temperature top_p response_format reasoning_effort seed n stop
    presence_penalty frequency_penalty logit_bias logprobs top_logprobs tools tool_choice parallel_tool_calls user
    service_tier stream stream_options functions function_call
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFlavour:
    """One provider's variant of the chat completion, file and batch APIs.

    Attributes:
        provider: The provider's key.
        models: Its models, by name.
        fields: The known fields of a request body.
        file_prefix: How file ids begin.
        longest_window: The longest completion window of a batch, in hours.
        mixed_models: Whether one batch may hold requests to several models.
        newer_fields: Whether batches have `model` and `usage`, and lists have `first_id`, `last_id` and `has_more`
            instead of a cursor.
        single_choice: Whether `n` is at most 1 and log probabilities are not available.
        lists_activity: Whether the list of models says which are active, instead of when they are shut down.
        key_page: Where API keys are obtained.
        invalid_key: The message about an invalid key; may contain `{shown}`, the masked key, and `{page}`.
        unknown_field: The message about an unknown field; contains `{name}`.
        no_effort: The rejection of `reasoning_effort` for a model without reasoning.
        no_batch_access: The rejection of batches for an account without access to them.
        embedding_models: Its models for embeddings.
        tiers: The values of `service_tier`, each with the tier that serves it; empty if they are not checked.
        details: The values of the detail of a picture.
        no_images: The message about a picture for a model that takes none; may contain `{place}`, of the message.
    """

    provider: str
    models: Models
    fields: frozenset[str]
    file_prefix: str
    longest_window: int
    mixed_models: bool
    newer_fields: bool
    single_choice: bool
    lists_activity: bool
    key_page: str
    invalid_key: str
    unknown_field: str
    no_effort: Rejection
    no_batch_access: Rejection
    details: tuple[str, ...]
    no_images: str
    embedding_models: tuple[EmbeddingModel, ...] = ()
    tiers: Mapping[str, str] = field(default_factory=dict[str, str])

    def picture_rule(self, line: bytes) -> PictureTokens | None:
        """How many tokens a picture is for the model of a request, or None."""
        name = _MODEL.search(line)
        capabilities = self.models.get(name.group(1).decode()) if name else None
        return capabilities.images if capabilities else None
