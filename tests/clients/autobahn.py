#!/usr/bin/env python3
"""Runs Autobahn's fuzzingclient against a server and compares the outcome with a committed expectation.

Exit codes: 0 as expected, 1 not as expected, 2 wrong use or a broken expectation file. Python 3.10, standard library.
"""

import argparse
import collections
import json
import os
import pathlib
import signal
import subprocess
import sys

AGENT = "socklet"
STRICT = {"OK", "INFORMATIONAL"}
CLASSES = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8 handling",
    "7": "close handling",
    "9": "limits and performance",
    "10": "miscellaneous",
    "12": "compression, payloads",
    "13": "compression, parameters",
}


class Broken(Exception):
    """The expectation file is not what it has to be, or the suite did not run."""


def load_expectation(path):
    """Reads the expectation file; returns it with `non_strict` as a dict from case to outcome pair."""
    try:
        data = json.loads(path.read_text())
        selection = (sorted(data["cases"]), sorted(data["exclude"]))
        total = int(data["total"])
        entries = data["non_strict"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Broken(f"{path}: {error!r}") from error
    expected = {}
    for entry in entries:
        if set(entry) != {"case", "behavior", "behavior_close", "why"} or not entry["why"].strip():
            raise Broken(f"{path}: an entry needs case, behavior, behavior_close and why: {entry}")
        outcome = (entry["behavior"], entry["behavior_close"])
        if not set(outcome) <= {"OK", "NON-STRICT"} or "NON-STRICT" not in outcome:
            raise Broken(f"{path}: only NON-STRICT can be expected: {entry}")
        if entry["case"] in expected:
            raise Broken(f"{path}: case {entry['case']} is listed twice")
        expected[entry["case"]] = outcome
    return selection, total, expected


def run_suite(args, cases, exclude):
    """Runs wstest; returns its index, a dict from case to result."""
    args.out.mkdir(parents=True, exist_ok=True)
    index = args.out / "index.json"
    index.unlink(missing_ok=True)
    spec = args.out / "fuzzingclient.json"
    spec.write_text(
        json.dumps(
            {
                "outdir": str(args.out.resolve()),
                "servers": [{"agent": AGENT, "url": args.url}],
                "cases": cases,
                "exclude-cases": exclude,
                "exclude-agent-cases": {},
            },
            indent=2,
        )
    )
    log = args.out / "wstest.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [args.wstest, "--mode", "fuzzingclient", "--spec", str(spec)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = child.wait(args.timeout)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            status = f"none within {args.timeout} s"
    try:
        return json.loads(index.read_text())[AGENT]
    except (OSError, ValueError, KeyError) as error:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise Broken(f"wstest wrote no result (exit status {status}, {error!r}); the end of {log}:\n{tail}") from error


def by_number(case):
    return [int(part) for part in case.split(".")]


def worst(result):
    """The one word for a case: its behavior, unless only its close is not strict."""
    behavior, close = result["behavior"], result["behaviorClose"]
    return close if behavior in STRICT and close not in STRICT else behavior


def print_summary(results):
    classes = collections.defaultdict(collections.Counter)
    for case, result in results.items():
        classes[case.split(".")[0]][worst(result)] += 1
    for number in sorted(classes, key=int):
        counts = ", ".join(f"{count} {name}" for name, count in sorted(classes[number].items()))
        print(f"autobahn {number + '.*':5} {CLASSES.get(number, ''):24} {counts}")


def compare(results, expected, args):
    """Returns one line for each case whose outcome is not the expected one."""
    problems = []
    for case in sorted(results, key=by_number):
        result = results[case]
        outcome = (result["behavior"], result["behaviorClose"])
        # An informational outcome has nothing to be strict about.
        plain = tuple("OK" if part in STRICT else part for part in outcome)
        wanted = expected.get(case, ("OK", "OK"))
        if plain == wanted:
            continue
        if plain == ("OK", "OK"):
            problems.append(f"{case}: better than expected, now {outcome}: remove it from {args.expect}")
        else:
            report = args.out / result.get("reportfile", "")
            problems.append(f"{case}: behavior, close are {outcome}, expected {wanted}; see {report}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = pathlib.Path(__file__).resolve().parent
    parser.add_argument("--url", required=True, help="an echo server, ws://127.0.0.1:PORT/path")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder for reports, made if missing")
    parser.add_argument("--wstest", required=True, help="path of Autobahn's wstest")
    parser.add_argument("--cases", help="comma separated, such as '1.*,2.3'; default: as the expectation file says")
    parser.add_argument("--exclude", help="comma separated; default: as the expectation file says")
    parser.add_argument("--expect", type=pathlib.Path, default=here / "autobahn-expected.json")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for all cases together, default 600")
    args = parser.parse_args()

    (default_cases, default_exclude), total, expected = load_expectation(args.expect)
    cases = default_cases if args.cases is None else [part for part in args.cases.split(",") if part]
    exclude = default_exclude if args.exclude is None else [part for part in args.exclude.split(",") if part]
    results = run_suite(args, cases, exclude)

    problems = compare(results, expected, args)
    if (sorted(cases), sorted(exclude)) == (default_cases, default_exclude):
        if len(results) != total:
            problems.append(f"{len(results)} cases ran, {total} expected")
        problems += [f"{case}: expected, but did not run" for case in sorted(set(expected) - set(results), key=by_number)]
    elif not results:
        problems.append("no case ran")

    print_summary(results)
    for problem in problems:
        print(f"autobahn: {problem}", file=sys.stderr)
    verdict = f"{len(problems)} problems" if problems else "as expected"
    print(f"autobahn: {len(results)} cases, {len(expected)} expected to be non-strict, {verdict}")
    return 1 if problems else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Broken as error:
        print(f"autobahn: {error}", file=sys.stderr)
        sys.exit(2)
