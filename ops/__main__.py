"""`python -m ops redrive …`: one command a module."""

from __future__ import annotations

import sys

from botocore.exceptions import BotoCoreError, ClientError

from ops import redrive, restore
from ops.stack import StackError

COMMANDS = {"redrive": redrive.main, "restore": restore.main}


def main(arguments: list[str]) -> int:
    """Run the command that the first argument names; answers with the exit code."""
    if not arguments or arguments[0] not in COMMANDS:
        print(f"usage: python -m ops {{{','.join(COMMANDS)}}} …", file=sys.stderr)
        return 2
    try:
        return COMMANDS[arguments[0]](arguments[1:])
    except (StackError, BotoCoreError, ClientError) as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
