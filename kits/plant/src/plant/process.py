"""ModbusPlant: a plant's server in a process of its own, for the time of a ``with`` block."""

from __future__ import annotations

from pathlib import Path

from plant.peer import PeerProcess
from plant.servers.catalogue import PLANT_GROUPS, PLANT_TAGS, Catalogue
from plant.servers.request_log import RequestLog


class ModbusPlant(PeerProcess):
    """A ``PeerProcess`` whose orders are methods. ``folder`` takes the request log, ``name`` in its file name."""

    def __init__(
        self, folder: Path, tags: int = PLANT_TAGS, groups: int = PLANT_GROUPS, port: int = 0, name: str = "plant"
    ) -> None:
        self.catalogue = Catalogue(tags, groups)
        log_file = folder / f"{name}_requests.csv"
        self.log = RequestLog(log_file, self.catalogue)
        arguments = ("--tags", str(tags), "--groups", str(groups), "--log", str(log_file))
        super().__init__("modbus_server", folder, *arguments, port=port)

    def tags_csv(self, file: Path) -> Path:
        """Write the tag list; returns ``file``."""
        self.catalogue.write_csv(file)
        return file

    def source_yaml(self, tags_csv: Path, interval: str = "1s", timeout: str = "2s") -> str:
        """The ``sources:`` part of an agent.yaml that polls this plant."""
        return self.catalogue.source_yaml(self.address, tags_csv, interval, timeout)

    def pause(self) -> None:
        """Stop listening and drop every connection."""
        self.order("pause")

    def resume(self) -> None:
        """Listen again on the same port."""
        self.order("resume")

    def drop(self) -> None:
        """Drop every connection; new ones are welcome."""
        self.order("drop")

    def hang(self) -> None:
        """Accept connections and requests, answer none."""
        self.order("hang")

    def unhang(self) -> None:
        """Answer new requests again; those that hung stay without an answer."""
        self.order("unhang")

    def refuse(self, register: int, count: int = 1) -> None:
        """Refuse reads that touch these holding registers, too."""
        self.order(f"refuse {register} {count}")

    def silence(self, register: int, count: int = 1) -> None:
        """Leave reads that touch these holding registers without an answer, too."""
        self.order(f"silence {register} {count}")

    def allow(self) -> None:
        """Refuse nothing any more, and answer everything."""
        self.order("allow")

    def delay(self, seconds: float) -> None:
        """Answer this much later. Longer than the client waits, the log says *served* of what it never got."""
        self.order(f"delay {seconds}")

    def set_coil(self, address: int, state: bool) -> None:
        """Set a coil, as a PLC program would."""
        self.order(f"coil {address} {int(state)}")

    def wait_for_coil(self, address: int, state: bool) -> None:
        """Return once the coil has that state. RuntimeError after 50 s."""
        self.order(f"wait {address} {int(state)}")
