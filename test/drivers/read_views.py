"""Reads every view of schema segmentation with psycopg2: see read_views.js."""
import datetime
import sys

import psycopg2

KINDS = {bool: "boolean", int: "number", float: "number", str: "text", datetime.datetime: "time"}

with psycopg2.connect("") as connection, connection.cursor() as cursor:
    for view in sys.argv[1:]:
        cursor.execute(f"SELECT * FROM segmentation.{view}")
        rows = cursor.fetchall()
        for place, column in enumerate(cursor.description):
            values = [row[place] for row in rows if row[place] is not None]
            kinds = "+".join(sorted({KINDS.get(type(value), type(value).__name__) for value in values})) or "none"
            print(view, column.name, kinds, f"{sum(values) if kinds == 'number' else len(values):.10g}")
