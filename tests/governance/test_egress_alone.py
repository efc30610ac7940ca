"""Nothing but the egress follows what callers name: who else opens connections is known, and asks only what operators
or commands name."""

import re
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "freehold"
OPENING = re.compile(r"\b(create_connection|open_connection|urlopen|OpenerDirector|HTTPS?Connection|sock_connect)\(")
KNOWN = {
    "governance/egress/getting.py",  # what callers name
    "providers/pool.py",  # the addresses of providers
    "providers/discovery.py",  # engines on this machine
    "catalog/fetch.py",  # by command
    "client.py",  # a program's own gateway
    "flywheel/tuning/provider/client.py",  # a provider's tuning
}


def test_nobody_else_opens_a_connection_to_what_callers_name() -> None:
    opening = {str(p.relative_to(SOURCE)) for p in SOURCE.rglob("*.py") if OPENING.search(p.read_text())}
    asking = {
        str(p.relative_to(SOURCE))
        for p in SOURCE.rglob("*.py")
        if "freehold.governance.egress.getting" in p.read_text()
    }

    assert opening == KNOWN
    assert asking == {"governance/egress/fetch.py"}
