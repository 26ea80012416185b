"""URLs without the credentials in them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from mlflow_litellm._common.interruptions import errors_ignored

# Python normalizes the host's Unicode, in time that grows with the square of its length.
_LONGEST_HOST = 512
_LONG_HOST = re.compile(rf"[^/?#]*//[^/?#]{{{_LONGEST_HOST}}}")


def split_url(url: str) -> SplitResult:
    """
    Return the parts of a URL.

    Raises:
        ValueError: The text is no URL, or its host is too long.
    """
    if not url.isascii() and _LONG_HOST.match(url):
        raise ValueError
    return urlsplit(url)


def endpoint(url: Any) -> str | None:
    """Return a URL without credentials, query and fragment, which may hold keys."""
    if not isinstance(url, str) or not url:
        return None
    with errors_ignored(ValueError):
        parts = split_url(url)
        host = parts.netloc.rpartition("@")[2]
        _ = parts.port  # Raises if a "/" in a password ends the host too early.
        return urlunsplit((parts.scheme, host, parts.path, "", ""))
    return None
