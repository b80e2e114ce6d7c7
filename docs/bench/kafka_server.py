"""An Apache Kafka of our own, one node in KRaft mode on a free loopback port."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Final

from broker_server import BrokerServer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from loopback import free_port

_CLUSTER: Final = "Q2FtcmFpbEthZmthVGVzdA"
_SETTINGS: Final = """
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
log.dirs={logs}
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""
_JVM: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
START_S: Final = 240.0


def why_absent() -> str | None:
    """Tell what is missing to run Kafka here, or None."""
    libs = os.environ.get("KAFKA_LIBS")
    if not libs or not any(Path(libs).glob("kafka_*.jar")):
        return "no jars of Apache Kafka; name their folder in KAFKA_LIBS"
    return None if shutil.which("java") else "no java on the PATH"


class KafkaServer(BrokerServer):
    """Keeps its data in `folder`; may be stopped, killed and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__()
        self.port, controller = free_port(), free_port()
        self.servers = f"127.0.0.1:{self.port}"
        self._config = folder / "server.properties"
        self._config.write_text(
            _SETTINGS.format(port=self.port, controller=controller, logs=folder / "data"),
            encoding="ascii",
        )
        done = self._java(
            "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", self._config, "--standalone"
        )
        if done.wait():
            raise RuntimeError((folder / "server.log").read_text(encoding="utf-8"))

    def start(self) -> None:
        """Start and wait until it answers."""
        self._process = self._java("kafka.Kafka", self._config)
        admin = AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
        deadline_s = time.monotonic() + START_S
        while True:
            try:
                admin.list_topics(timeout=1)
            except KafkaException:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    log = (self._folder / "server.log").read_text(encoding="utf-8")
                    raise RuntimeError(f"Kafka does not start: {log[-2000:]}") from None
            else:
                return

    def _java(self, *words: str | Path) -> subprocess.Popen[bytes]:
        libs = Path(os.environ["KAFKA_LIBS"])
        with (self._folder / "server.log").open("ab") as log:
            return subprocess.Popen(
                ["java", *_JVM, "-cp", f"{libs}{os.sep}*", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
