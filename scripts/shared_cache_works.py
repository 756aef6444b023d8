#!/usr/bin/env python3
"""Test `--shared-cache s3://…` with a local S3 server: two machines share their compressed contents.

A moto server on the loopback interface, from PyPI, is the store; what is in it is read and forged with the AWS CLI's own client
(boto3). Two machines are two cache directories. layerfit has to be built with the feature `shared-cache`.

Each check prints one line: "ok NAME: what" or "FAILED NAME: what". The last line counts them. Exit 0: none failed; 1: some
failed; 2: wrong arguments; 77: something is missing and cannot be installed.
"""

import argparse
import hashlib
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import checks
import pypi
from aws_server import AwsServer
from checks import require, require_in, require_same

PACKAGES = ("moto[server]==5.2.5",)
NAME = "shared-cache-works"
BUCKET = "team"
# The example credentials of AWS's documentation.
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
# The time limit of a command, in seconds.
PATIENCE = 120


class Bench:
    """A local S3 server with an empty bucket, and a tree."""

    def __init__(self, layerfit, temp):
        import boto3

        self.layerfit, self.temp = layerfit, temp
        self.server = AwsServer(
            Path(sys.executable).parent / "moto_server",
            temp,
            os.environ["PATH"],
            AWS_ACCESS_KEY_ID=KEY,
            AWS_SECRET_ACCESS_KEY=SECRET,
            AWS_REGION="eu-central-1",
        )
        self.endpoint = self.server.endpoint
        self.environment = self.server.environment | {"AWS_ENDPOINT_URL": self.endpoint}
        self.s3 = boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="eu-central-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET
        )
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.tree = temp / "opt"
        (self.tree / "share").mkdir(parents=True)
        letters = random.Random(1)
        words = [letters.randbytes(4).hex() for _ in range(5000)]
        for number in range(8):
            text = " ".join(random.Random(number).choices(words, k=60_000))
            (self.tree / f"share/text-{number}.txt").write_text(text)
        (self.tree / "share/noise.bin").write_bytes(random.Random(9).randbytes(400_000))

    def close(self):
        self.server.close()

    def objects(self):
        """The objects of the bucket: name, checksum, and when they were stored."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return sorted((it["Key"], it["ETag"], str(it["LastModified"])) for page in pages for it in page.get("Contents", []))

    def pack(self, machine, *arguments, url=f"s3://{BUCKET}/builds", **environment):
        """Packs on a machine; returns the checksums of the zips, the number of entries in the machine's cache, and stderr."""
        output, cache = self.temp / f"layers-{machine}", self.temp / f"cache-{machine}"
        done = subprocess.run(
            [self.layerfit, "pack", self.tree, "-o", output, "--runtime", "provided.al2023", "--shared-cache", url, *arguments],
            env=self.environment | {"XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": f"{cache}.state"} | environment,
            capture_output=True, text=True, timeout=PATIENCE,
        )
        require(done.returncode == 0, f"pack exits {done.returncode}: {done.stdout}{done.stderr}")
        zips = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(output.glob("*.zip"))]
        entries = [path for path in cache.rglob("*") if path.is_file()]
        require(zips, "nothing was packed")
        return zips, len(entries), done.stderr


def two_machines_make_the_same_bytes_and_the_second_compresses_nothing(bench):
    first, entries, said = bench.pack("one")
    require("shared cache" not in said, said)
    stored = bench.objects()
    require_same(len(stored), 9, "the objects after the first machine")
    second, also, _ = bench.pack("two")
    require_same(second, first, "the zips of the second machine")
    require_same(also, entries, "the entries in its cache")
    # All that a machine compresses of this length, it stores.
    require_same(bench.objects(), stored, "the objects after the second machine")
    alone, _, _ = bench.pack("three", "--no-cache")
    require_same(alone, first, "the zips of a machine without any cache")
    return f"{len(stored)} objects, {len(first)} zip"


def forged_objects_are_not_believed_and_are_replaced(bench):
    first, _, _ = bench.pack("one")
    names = [name for name, *_ in bench.objects()]
    contents = {name: bench.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() for name in names}
    for name, other in zip(names, names[1:] + names[:1]):
        bench.s3.put_object(Bucket=BUCKET, Key=name, Body=contents[other])
    bench.s3.put_object(Bucket=BUCKET, Key=names[0], Body=b"\0" * 5_000_000)
    second, _, said = bench.pack("two")
    require_same((second, said.count("shared cache")), (first, 0), "the zips, and what was said")
    for name in names:
        require(bench.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read() == contents[name], f"{name} is not replaced")
    return f"{len(names)} objects replaced"


def a_store_that_cannot_be_reached_is_reported_and_packing_goes_on(bench):
    first, _, _ = bench.pack("one")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    second, _, said = bench.pack("two", AWS_ENDPOINT_URL=nowhere)
    require_same(second, first, "the zips")
    require_in("the shared cache s3://team/builds could not be used", said, "stderr")
    third, _, said = bench.pack("three", url="s3://no-such-bucket")
    require_same(third, first, "the zips")
    require_in("the shared cache s3://no-such-bucket could not be used", said, "stderr")
    require(SECRET not in said, "the secret is printed")
    return "no server, and no bucket"


CHECKS = [
    two_machines_make_the_same_bytes_and_the_second_compresses_nothing,
    forged_objects_are_not_believed_and_are_replaced,
    a_store_that_cannot_be_reached_is_reported_and_packing_goes_on,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layerfit", type=Path, required=True, metavar="PROGRAM", help="the built program")
    checks.add_arguments(parser, CHECKS)
    arguments = parser.parse_args()
    pypi.enter(NAME, PACKAGES)
    return checks.run_apart(CHECKS, arguments.only, lambda temp: Bench(arguments.layerfit.resolve(), temp))


if __name__ == "__main__":
    sys.exit(main())
