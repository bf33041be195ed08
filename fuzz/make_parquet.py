#!/usr/bin/env python3
"""Makes corpus/parquet: files as image sets on the Hub are stored, of two pictures each.

    pip install pyarrow
    python3 fuzz/make_parquet.py
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
PICTURES = [(HERE / "corpus/picture" / name).read_bytes() for name in ["lossless.webp", "exif-6.jpg"]]
INFO = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}


def main():
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", image), ("label", pa.int64())], metadata={"huggingface": json.dumps(INFO)})
    rows = [{"image": {"bytes": content, "path": None}, "label": index} for index, content in enumerate(PICTURES)]
    table = pa.Table.from_pylist(rows, schema=schema)
    folder = HERE / "corpus/parquet"
    folder.mkdir(parents=True, exist_ok=True)
    for name, options in {
        "snappy": {"compression": "snappy"},
        "zstd": {"compression": "zstd", "use_dictionary": False, "data_page_version": "2.0"},
        "plain": {"compression": "none", "row_group_size": 1},
    }.items():
        pq.write_table(table, folder / f"{name}.parquet", **options)


if __name__ == "__main__":
    main()
