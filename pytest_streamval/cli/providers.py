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
    """Print each provider on one line, then the names in the file of the folder. A key is never printed."""
    from pytest_streamval.errors import InvalidArgumentError
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
    try:
        _list_names(as_json=options.json)
    except InvalidArgumentError as error:
        parser.error(str(error))
    return 0


def _list_names(*, as_json: bool) -> None:
    """Print the friendly names of models and the named councils."""
    from pytest_streamval.council.names import find_names

    names = find_names()
    for name, spec in names.models.items():
        if as_json:
            print_json(name=name, spec=spec)
        else:
            print_text(f"{name} = {spec}")
    for name, council in names.councils.items():
        if as_json:
            print_json(council=name, models=list(council.models), synthesizer=council.synthesizer)
            continue
        synthesizer = f", synthesized by {council.synthesizer}" if council.synthesizer else ""
        print_text(f"council {name} of {', '.join(council.models)}{synthesizer}")


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
