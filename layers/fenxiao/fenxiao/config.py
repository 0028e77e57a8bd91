"""What a deployment decides, read from the environment that `template.yaml` writes."""

import os
from functools import cache


def env(name: str) -> str:
    """Return a required setting.

    Raises:
        RuntimeError: the template does not give it to this function.
    """
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"the setting {name} is missing")
    return value


def env_int(name: str) -> int:
    """Return a required setting that is a whole number."""
    return int(env(name))


def table_name(variable: str) -> str:
    """Return the table's name, or the variable's own name outside a deployment, where tests create tables so named."""
    return os.environ.get(variable, variable)


@cache
def max_levels() -> int:
    """Return how many levels earn: 1 to 3. Three is the product's hard limit; a deployment only lowers it.

    Raises:
        RuntimeError: the setting is outside 1…3.
    """
    levels = env_int("MAX_LEVELS")
    if not 1 <= levels <= MAX_LEVELS_LIMIT:
        raise RuntimeError(f"MAX_LEVELS must be 1, 2 or 3, not {levels}")
    return levels


MAX_LEVELS_LIMIT = 3
"""More than three levels is pyramid selling by law; nothing in the product can pass it."""
