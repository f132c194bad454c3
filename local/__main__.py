"""Runbell on this machine: `python -m local demo`, `up`, `counts`, `season`, `chaos` or `build`."""

from __future__ import annotations

import argparse
import signal
import sys


def main() -> int:
    """Run one command; answer with its exit code."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the template's artifacts with SAM")
    commands.add_parser("counts", help="count what a tick asks of Algolia and DynamoDB")
    commands.add_parser("demo", help="play a day of runs, print the channel, end with a count")
    up = commands.add_parser("up", help="the same and stay, until Ctrl-C")
    up.add_argument("--port", type=int, help="where the local AWS listens (default: a free port)")
    season = commands.add_parser("season", help="play many tasks' runs, check what is told of them")
    season.add_argument("--tasks", type=_count, default=500, help="how many (default: 500)")
    season.add_argument("--seeds", type=_count, default=20, help="how many seasons (default: 20)")
    season.add_argument("--first-seed", type=int, default=1, help="of the first one (default: 1)")
    chaos = commands.add_parser("chaos", help="have everything fail at random, count what is told")
    chaos.add_argument("--seeds", type=_count, default=5, help="how many (default: 5)")
    chaos.add_argument("--seed", type=int, help="this one alone")
    chaos.add_argument("--changes", type=_count, default=2_000, help="of each seed (default: 2000)")
    chaos.add_argument("--rate", type=_share, default=1 / 3, help="of calls to fail (default: 1/3)")
    chaos.add_argument("--into", help=argparse.SUPPRESS)  # where one of several leaves its outcome
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _as_interrupt)
    from local.aws import LocalStackError

    try:
        if arguments.command == "build":
            from local.running import step
            from local.stack import build

            with step("building the template with SAM"):
                build()
            return 0
        if arguments.command == "counts":
            from local.counts import counts

            return counts()
        if arguments.command == "season":
            from local.season.command import season as play_seasons

            return play_seasons(arguments.tasks, arguments.seeds, arguments.first_seed)
        if arguments.command == "chaos":
            from local.chaos import command

            seed, changes, rate = arguments.seed, arguments.changes, arguments.rate
            if arguments.into:
                command.write(command.play_one(seed, changes, rate), arguments.into)
                return 0
            seeds = [seed] if seed is not None else range(1, arguments.seeds + 1)
            return command.chaos(seeds, changes, rate)
        from local import demo

        return demo.demo() if arguments.command == "demo" else demo.up(arguments.port)
    except LocalStackError as error:
        print(f"\nrunbell: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; nothing is left running")
        return 130


def _count(text: str) -> int:
    """Read how many, for argparse; one at least."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _share(text: str) -> float:
    """Read a share of all, for argparse; not all of them, or nothing would ever come through."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 0.9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 0.9")
    return share


def _as_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
