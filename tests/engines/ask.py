"""Asks a folder of tables by SQL: ask.py ENGINE LAKE QUERIES, with the queries in a JSON array. Prints their answers as JSON."""
import json
import os
import sys

TABLES = ["captures", "types", "objects", "edges", "strings", "threads", "frames"]


def duckdb_rows(lake, queries):
    import duckdb

    connection = duckdb.connect(config={"memory_limit": "2GB", "threads": 2})
    for table in TABLES:
        connection.execute(
            f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{lake}/{table}/**/*.parquet', hive_partitioning = true)"
        )
    for query in queries:
        yield connection.execute(query).fetchall()


def spark_rows(lake, queries):
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    from pyspark.sql import SparkSession

    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "2g")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    for table in TABLES:
        spark.read.parquet(f"{lake}/{table}").createOrReplaceTempView(table)
    for query in queries:
        yield spark.sql(query).collect()


def plain(value):
    """Sums are decimals of any length in one engine, and 64 bits in the other."""
    if value is None or isinstance(value, (bool, str)):
        return value
    return int(value) if int(value) == value else float(value)


engine, lake, queries = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
rows = {"duckdb": duckdb_rows, "spark": spark_rows}[engine](lake, queries)
print(json.dumps([[[plain(value) for value in row] for row in answer] for answer in rows]))
