"""The server's side: sessions, tables of data, and arrays of the same data."""
import io
import json
import os
import time

import numpy as np
import psycopg2

from race import Timed

CUSTOMER_COLUMNS = ["age", "years_employed", "income", "card_debt", "other_debt", "debt_income_ratio", "ln(card_debt)",
                    "ln(other_debt)"]
BINARY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


def features(count, prefix=""):
    return [f"{prefix}f{j + 1}" for j in range(count)]


def array_of(count, prefix=""):
    return f"ARRAY[{', '.join(features(count, prefix))}]"


class Session:
    """One backend. Settings are given when it starts."""

    def __init__(self, **settings):
        self.connection = psycopg2.connect(dbname=os.environ.get("PGDATABASE", "postgres"))
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.run("SET client_min_messages = error")
        self.set(**settings)

    def set(self, **settings):
        for name, value in settings.items():
            self.run(f"SET {name.replace('__', '.')} = %s", (str(value),))

    def run(self, sql, parameters=None):
        self.cursor.execute(sql, parameters)

    def one(self, sql, parameters=None):
        self.run(sql, parameters)
        return self.cursor.fetchone()[0]

    def rows(self, sql):
        self.run(sql)
        return self.cursor.fetchall()

    def timed(self, sql):
        """A contender: the query, whose first value is fetched (none where it returns none)."""
        def contender():
            before = time.perf_counter()
            self.run(sql)
            value = self.cursor.fetchone()[0] if self.cursor.description else None
            return Timed(time.perf_counter() - before, value)
        return contender

    def workers(self, sql):
        """How many workers the plan has."""
        def planned(node):
            return max([node.get("Workers Planned", 0)] + [planned(child) for child in node.get("Plans", [])])
        return planned(self.one("EXPLAIN (FORMAT JSON) " + sql)[0]["Plan"])

    @property
    def pid(self):
        return self.connection.get_backend_pid()

    def close(self):
        self.connection.close()


# ---- COPY in the binary format, which is the fastest way for numbers between PostgreSQL and numpy ------------------------

def record_type(columns):
    """The numpy type of a row of a binary COPY; columns: a list of big-endian types. Holds while nothing is NULL."""
    fields = [("count", ">i2")]
    for j, column in enumerate(columns):
        fields += [(f"length{j}", ">i4"), (f"value{j}", column)]
    return np.dtype(fields)


def copy_out(cursor, query):
    """The bytes of a binary COPY."""
    data = io.BytesIO()
    cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", data)
    return data.getbuffer()


def parse_doubles(data, count):
    """The matrix in a binary COPY of `count` float8 columns."""
    row = np.dtype([("count", ">i2"), ("cells", [("length", ">i4"), ("value", ">f8")], (count,))])
    rows = np.frombuffer(data, dtype=row, offset=19, count=(len(data) - 21) // row.itemsize)
    return rows["cells"]["value"].astype(np.float64)


def copy_in(cursor, table, columns):
    """Fills a table by a binary COPY; columns: numpy arrays of one length."""
    types = [np.asarray(column).dtype.newbyteorder(">") for column in columns]
    rows = np.empty(len(columns[0]), dtype=record_type(types))
    rows["count"] = len(columns)
    for j, column in enumerate(columns):
        rows[f"length{j}"] = types[j].itemsize
        rows[f"value{j}"] = column
    cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT binary)", io.BytesIO(BINARY_HEADER + rows.tobytes() + b"\xff\xff"))


# ---- tables ------------------------------------------------------------------------------------------------------------

class Tables:
    """Makes tables the first time that they are asked for. Columns are float8 and named f1, f2, …"""

    def __init__(self, bench):
        self.bench = bench
        self.made = {}
        self.matrices = {}
        self.session = Session(synchronize_seqscans="off", max_parallel_workers_per_gather=0)
        self.session.run("CREATE EXTENSION IF NOT EXISTS segmentation")

    def _make(self, table, sql, fill=None):
        before = time.monotonic()
        self.session.run(sql)
        if fill:
            fill()
        self.session.run(f"VACUUM (FREEZE, ANALYZE) {table}")
        for _ in range(2):
            self.session.run(f"SELECT count(*) FROM {table}")
        self.bench.say(f"made table {table} in {time.monotonic() - before:.1f} s")

    def plain(self, data, rows):
        """uniform, or customers: 8 columns. The first rows of the larger table are the smaller one."""
        table = f"{data}_{rows}"
        if table not in self.made:
            if data == "uniform":
                columns = ", ".join(f"random() AS {name}" for name in features(8))
                self.session.run("SELECT setseed(0.25)")
                # The volatile function is called for each row and column.
                sql = f"CREATE TABLE {table} AS SELECT {columns} FROM generate_series(1, {rows})"
            else:
                columns = ", ".join(f"({e})::float8 AS {name}" for e, name in zip(CUSTOMER_COLUMNS, features(8)))
                sql = f"CREATE TABLE {table} AS SELECT {columns} FROM segmentation.sample_customers({rows}, 11)"
            self._make(table, sql)
            self.made[table] = 8
        return table

    def keyed(self, data, rows):
        """The same with a column id in front."""
        table = f"{data}_keyed_{rows}"
        if table not in self.made:
            self._make(table, f"CREATE TABLE {table} AS SELECT row_number() OVER ()::int AS id, * FROM {self.plain(data, rows)}")
            self.made[table] = 8
        return table

    def of_matrix(self, table, matrix):
        if table not in self.made:
            columns = ", ".join(f"{name} float8" for name in features(matrix.shape[1]))
            self._make(table, f"CREATE TABLE {table} ({columns})", lambda: copy_in(self.session.cursor, table, list(matrix.T)))
            self.made[table] = matrix.shape[1]
        return table

    def custom(self, table, sql):
        if table not in self.made:
            self._make(table, sql)
            self.made[table] = None
        return table

    def matrix(self, table):
        """The rows of a table, in their order. Only the last one asked for is kept."""
        if table not in self.matrices:
            count = self.made[table]
            data = copy_out(self.session.cursor, f"SELECT {', '.join(features(count))} FROM {table}")
            self.matrices = {table: parse_doubles(data, count)}
        return self.matrices[table]


def start_rows(matrix, k, seed=7):
    """k different rows to start from."""
    chosen = np.random.default_rng(seed).choice(len(matrix), size=min(len(matrix), 8 * k), replace=False)
    rows = matrix[chosen]
    _, first = np.unique(rows, axis=0, return_index=True)
    return np.ascontiguousarray(rows[np.sort(first)[:k]])


def kmeans_options(init=None, iterations=None, scale=None, **more):
    options = dict(more)
    if init is not None:
        options.update(init=init.tolist(), tol=0)
    if iterations:
        options["max_iter"] = iterations
    if scale:
        options["scale"] = scale
    return options


def kmeans_query(table, k, dimensions=8, **options):
    """SELECT kmeans(…)::text FROM table; see kmeans_options."""
    json_options = json.dumps(kmeans_options(**options))
    return f"SELECT kmeans({array_of(dimensions)}, {k}, '{json_options}')::text FROM {table}"
