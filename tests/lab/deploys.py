"""Other ways to bring a folder to a bucket, for the comparison of deploys.rs.

`deploys.py zip FOLDER KEY` packs the folder as a ZIP archive, and uploads it with `upload_file`.
`deploys.py sync FOLDER PREFIX` lists the objects, and uploads each file whose length differs, or
that is newer than its object, as `aws s3 sync` does.
"""

import os
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3

BUCKET = "bucket"
UPLOADS = 8


def zip_folder(client, folder, key):
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "archive.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                out.write(path, path.relative_to(folder))
        client.upload_file(str(archive), BUCKET, key)


def sync(client, folder, prefix):
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
    found = {each["Key"]: each for page in pages for each in page.get("Contents", [])}
    changed = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        key, stat = prefix + path.relative_to(folder).as_posix(), path.stat()
        there = found.get(key)
        is_same = there and there["Size"] == stat.st_size
        if not is_same or there["LastModified"].timestamp() < stat.st_mtime:
            changed.append((path, key))
    with ThreadPoolExecutor(UPLOADS) as pool:
        list(pool.map(lambda each: client.upload_file(str(each[0]), BUCKET, each[1]), changed))


def main():
    verb, path, key = sys.argv[1:]
    endpoint, region = os.environ["AWS_ENDPOINT"], os.environ["AWS_REGION"]
    client = boto3.client("s3", endpoint_url=endpoint, region_name=region)
    if verb == "zip":
        zip_folder(client, Path(path), key)
    else:
        sync(client, Path(path), key)


main()
