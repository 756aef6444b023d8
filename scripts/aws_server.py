"""A local AWS server (moto, from PyPI), with an environment for its clients that has nothing of the user's."""

import os
import socket
import subprocess
import sys
import time
import urllib.request


class AwsServer:
    """A server on a port of its own, until it is closed."""

    def __init__(self, program, temp, path, **environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        # Only what the programs need: none of the user's profiles, credentials or proxies.
        self.environment = {
            "PATH": path,
            "HOME": str(temp / "home"),
            "AWS_EC2_METADATA_DISABLED": "true",
            **environment,
        }
        (temp / "home").mkdir()
        self.log = open(temp / "server.log", "wb")
        command = [program, "-H", "127.0.0.1", "-p", str(port)]
        self.process = subprocess.Popen(command, env=self.environment, stdout=self.log, stderr=self.log)
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.endpoint}/moto-api/", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        self.close()
        sys.exit(f"the server does not start: {(temp / 'server.log').read_text()}")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
