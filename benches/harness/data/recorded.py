"""The statements of one request, as PostgreSQL logged them, made a script of pgbench."""

import json
import re
import time

PARAMETER = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SESSION_ID = re.compile(r"'[A-Za-z0-9_-]{22}'")
HEX = "lpad(to_hex(:{}::bigint), 12, '0')"
# `n` is a user's number, `new` makes what is inserted differ each time.
HEAD = "\\set n random(0, {last})\n\\set new random(0, 281474976710655)\n"


def log_statements(postgres, database):
    """From the next connection on."""
    postgres.sql("postgres", f"alter database \"{database}\" set log_statement = 'all'")


def record(postgres, database, ask):
    """The statements that `ask` causes, in order, with their values."""
    log = postgres.log()
    begun = log.stat().st_size
    ask()
    # The log has its own process, which writes a moment later.
    time.sleep(0.5)
    statements, readers = [], set()
    with log.open() as lines:
        for position, line in positions(lines):
            entry = json.loads(line)
            kind, _, sql = entry["message"].partition(": ")
            if entry.get("dbname") != database or not kind.startswith(("execute", "statement")):
                continue
            if "revocations" in sql:
                readers.add(entry["pid"])
            elif position >= begun:
                statements.append((entry["pid"], with_values(sql, entry.get("detail", ""))))
    return [sql for pid, sql in statements if pid not in readers]


def positions(lines):
    position = 0
    for line in lines:
        yield position, line
        position += len(line.encode())


def with_values(sql, detail):
    values = {number: value for number, value in PARAMETER.findall(detail)}
    return re.sub(r"\$(\d+)\b", lambda match: values[match[1]], sql)


def script(statements, known, users):
    """`known` are the values of the recorded user, and what they are for the user `n`."""
    lines = (re.sub(r"\s+", " ", varied(sql, known)) for sql in statements)
    return HEAD.format(last=users - 1) + "".join(f"{line};\n" for line in lines)


def varied(sql, known):
    return re.sub(r"'(?:[^']|'')*'", lambda match: literal(match[0], known), sql)


def literal(text, known):
    if SESSION_ID.fullmatch(text) and text.strip("'") not in known:
        return f"left(md5({text} || :new::text), 22)"
    pattern = "|".join([*map(re.escape, sorted(known, key=len, reverse=True)), UUID.pattern])

    def expression(match):
        found = match[0]
        return "' || " + (known.get(found) or f"'{found[:24]}' || {HEX.format('new')}") + " || '"

    new = re.sub(pattern, expression, text)
    if new == text:
        return text
    new = new.removeprefix("'' || ").removesuffix(" || ''")
    cast = "uuid" if UUID.fullmatch(text.strip("'")) else "text"
    cast = f"{cast if not UUID.search(text) else 'uuid'}[]" if text.startswith("'{") else cast
    return f"({new})::{cast}"


def of_user_n(id):
    """The id of user `n`, where the recorded one's is `id`: they are in sequence."""
    return f"'{id[:24]}' || {HEX.format('n')}"
