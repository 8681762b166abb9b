#!/usr/bin/env python3
"""Runs the SQL examples of README.md and docs/*.md and compares what psql prints with the output block below each.

A ```sql block is an example; the ```text block that follows it (if one does) is its expected output, notices included. The
examples of one page run in their order in one session and database, which are made afresh for each page. With --update the
output blocks are rewritten instead: read the difference before you commit it.

Needs a running server by the usual PG* variables. The last line is "N passed, N failed".
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MARK = "-- end of example"
BLOCK = re.compile(r"^```sql\n(?P<sql>.*?)^```\n(?:\n?^```text\n(?P<output>.*?)^```\n)?", re.M | re.S)


def run_psql(database, script):
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=0", "-d", database]
    # stdout and stderr in one stream, in the order in which they are written.
    done = subprocess.run(command, input=script, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout


def outputs_of(page, blocks):
    database = "docs_" + re.sub(r"\W", "_", page.stem.lower())
    run_psql("postgres", f'DROP DATABASE IF EXISTS {database};\nCREATE DATABASE {database};\n')
    script = "\\set VERBOSITY default\n" + "".join(b.group("sql") + f"\\echo {MARK}\n" for b in blocks)
    text = run_psql(database, script)
    run_psql("postgres", f"DROP DATABASE {database};\n")
    text = re.sub(r"^psql:<stdin>:\d+: ", "", text, flags=re.M)
    return [strip(part) for part in text.split(MARK + "\n")[: len(blocks)]]


def strip(text):
    """Without white space at the ends of lines and without empty lines at the end."""
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def check(page, update):
    text = page.read_text()
    blocks = list(BLOCK.finditer(text))
    outputs = outputs_of(page, blocks) if blocks else []
    failed = len(blocks) - len(outputs)
    for block, output in zip(blocks, outputs):
        expected = strip(block.group("output") or "")
        # An example without an output block prints nothing, or nothing worth showing, but no error either.
        wrong = output != expected if block.group("output") is not None else "ERROR" in output
        if wrong and not update:
            failed += 1
            line = text[: block.start()].count("\n") + 1
            print(f"{page.relative_to(ROOT)}:{line}: expected\n{expected}\n--- but got\n{output}\n")
    if update:
        parts, at = [], 0
        for block, output in zip(blocks, outputs):
            if block.group("output") is not None:
                start, end = block.span("output")
                parts += [text[at:start], output + "\n"]
                at = end
        page.write_text("".join(parts) + text[at:])
    return len(blocks) - failed, failed


def main():
    update = "--update" in sys.argv[1:]
    passed = failed = 0
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        good, bad = check(page, update)
        print(f"{page.relative_to(ROOT)}: {good} passed, {bad} failed")
        passed += good
        failed += bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
