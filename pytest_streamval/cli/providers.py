"""`streamval providers`: list the providers, their addresses, and whether there is a key for each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import add_json_option, print_json, print_text

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.live.providers import Provider


def add(commands: Commands) -> None:
    """Add the command."""
    providers = commands.add_parser("providers", help="list the providers, and whether there is a key for each")
    providers.set_defaults(parser=providers, run=_list)
    add_json_option(providers)


def _list(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Print each provider on one line. A key is never printed."""
    del parser
    from pytest_streamval.live.providers import PROVIDERS

    width = max(map(len, PROVIDERS))
    for provider in PROVIDERS.values():
        facts = _facts(provider)
        if options.json:
            print_json(**facts)
            continue
        found, wanted = facts["key_found_in"], provider.keys
        key = f"key in {found}" if found else f"no key: set {' or '.join(wanted)}" if wanted else "no key needed"
        print_text(f"{provider.name:<{width}}  {key:<45}  {facts['url']}")
    return 0


def _facts(provider: Provider) -> dict[str, object]:
    from pytest_streamval.errors import InvalidArgumentError
    from pytest_streamval.http.secrets import Secrets, keys_in_environment

    try:
        url = Secrets(keys_in_environment()).url(provider.address(None))
    except InvalidArgumentError:
        url = f"no address in {' or '.join(provider.urls)}"
    return {
        "name": provider.name,
        "protocol": provider.adapter.protocol,
        "url": url,
        "keys": list(provider.keys),
        "key_found_in": next((name for name in provider.keys if os.environ.get(name)), None),
    }
