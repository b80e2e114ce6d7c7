"""The same join and aggregation on Spark local[2], which runs the same pandas functions."""

import os
import sys
import warnings

os.environ["PYSPARK_PYTHON"] = sys.executable
os.environ["PYTHONWARNINGS"] = "ignore"
warnings.simplefilter("ignore")

from pyspark.sql import SparkSession  # noqa: E402

READ = (
    "transaction_id string, machine_id string, date timestamp, volume_transferred double, "
    "status_code string"
)
SESSION = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "2")
    .getOrCreate()
)
