"""Settings as they are logged and kept with a run: without what opens a door."""

import re
from collections.abc import Mapping
from typing import Any

MASKED = "**********"
_NAME = "key|secret|token|pass|pwd|credential|signature|sas|bearer|authorization|service_account"
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_PASSWORD_IN_URI = re.compile(r"(?<=://)[^/\s]*@")
# As addresses and options of a JVM have them: "?password=...&", "-Djavax.net.ssl.trustStorePassword=...".
_NAMED_IN_TEXT = re.compile(rf"([\w.-]*(?:{_NAME})[\w.-]*=)[^\s&;,]+", re.IGNORECASE)


def uri_without_password(uri: str) -> str:
    """A URI in which nobody's name and password stand before the host."""
    return _PASSWORD_IN_URI.sub(f"{MASKED}@", uri)


def text_without_secrets(text: str) -> str:
    """A text without passwords in URIs, and without the values of what is called a secret in it."""
    return _NAMED_IN_TEXT.sub(rf"\1{MASKED}", uri_without_password(text))


def options_without_secrets(options: Mapping[str, str]) -> dict[str, str]:
    """Options by name, those masked that are called a secret, and what stands in others."""
    return {name: MASKED if _SECRET_NAME.search(name) else text_without_secrets(value) for name, value in options.items()}


def settings_without_secrets(value: Any) -> Any:
    """Settings of any shape, JSON's, without texts that are called a secret, however deep they stand, and without passwords in others; a number (max_tokens) is no secret."""
    if isinstance(value, dict):
        return {name: MASKED if isinstance(inner, str) and _SECRET_NAME.search(str(name)) else settings_without_secrets(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [settings_without_secrets(inner) for inner in value]
    return text_without_secrets(value) if isinstance(value, str) else value
