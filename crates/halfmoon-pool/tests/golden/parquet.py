"""Writes embeddings.parquet, zstd.parquet and gzip.parquet: every kind of column that the reader knows, as pyarrow stores it.

    python -m venv /tmp/golden && /tmp/golden/bin/pip install pyarrow && /tmp/golden/bin/python parquet.py

The values are what `src/read/parquet/tests.rs` expects. Made with pyarrow 26.0.1.
"""

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 12
HALF = [0.5 * i for i in range(ROWS)]

table = pa.table({
    "id": [f"photo-{i}" for i in range(ROWS)],
    # row 6 is null, row 8 holds a null
    "image": pa.array(
        [None if i == 5 else [i, None if i == 7 else -i, 0.25] for i in range(ROWS)], pa.list_(pa.float32())
    ),
    "text": pa.array([[i / 8, 1.0] for i in range(ROWS)], pa.list_(pa.float64(), 2)),
    "half": pa.array(HALF, pa.float16()),
    "age": pa.array([None if i == 1 else i * i for i in range(ROWS)], pa.int64()),
    "alive": pa.array([None if i == 2 else i % 3 == 0 for i in range(ROWS)]),
    "zone": pa.array([None if i == 3 else ["08", "7", "north"][i % 3] for i in range(ROWS)]).dictionary_encode(),
    "day": pa.array(range(ROWS), pa.date32()),
    "label": pa.array([None if i == 4 else ["dog", "cat"][i % 2] for i in range(ROWS)]).dictionary_encode(),
})
pq.write_table(table, "embeddings.parquet", row_group_size=5, compression="snappy")
# the same in other packings: several pages a column, of both versions
some = table.select(["id", "image", "text", "zone", "label"])
pq.write_table(some, "zstd.parquet", compression="zstd", data_page_version="2.0", data_page_size=16, write_batch_size=2)
pq.write_table(some, "gzip.parquet", compression="gzip", data_page_size=16, write_batch_size=2)
