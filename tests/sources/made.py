"""Small profiles made for a test, in the parser's own columns and quirks."""

from dataclasses import dataclass
from pathlib import Path

from tests.tools import parser_format as made

START = 1_767_225_600_000_000_000  # ns: 2026-01-01 08:00 in Shanghai
MS = 1_000_000


@dataclass(frozen=True)
class Service:
    """One scheduler with its cards; each `period` ms it runs a batch of `sizes[i]` requests for `length` ms.

    `rank` is what the forward passes say, `batch_rank` what batch.csv says.
    """

    host: str
    scheduler: int
    cards: tuple[int, ...]
    rank: int | None
    batch_rank: int | None
    sizes: tuple[int, ...]
    length: float = 20.0
    period: float = 30.0
    offset: float = 0.0
    jitter: float = 0.02  # ms from card to card
    card_host: str | None = None
    lag: float = 0.0  # ms from card to card, as pipeline stages have it

    def start(self, number: int) -> int:
        return START + int((self.offset + number * self.period) * MS)


def write(folder: Path, *services: Service, forwards: bool = True, rounds: bool = True) -> Path:
    """Write forward.csv and batch.csv of the services."""
    folder.mkdir(parents=True, exist_ok=True)
    passes, batches = [], []
    for service in services:
        for number, size in enumerate(service.sizes):
            start = service.start(number)
            end = start + int(service.length * MS)
            requests = tuple(
                made.Scheduled(f"{service.host}-{service.scheduler}-{i}", number, 1) for i in range(size)
            )
            prof_id = made.prof_id(service.host, service.scheduler)
            kind = "Prefill" if number == 0 else "Decode"
            batches.append(
                made.BatchRow("BatchSchedule", requests, start - MS, start, kind, prof_id, service.batch_rank)
            )
            batches.append(
                made.BatchRow("Execute", requests, start, end + MS, None, prof_id, service.batch_rank)
            )
            for card, pid in enumerate(service.cards):
                begins = start + int((0.1 + card * (service.jitter + service.lag)) * MS)
                host = (
                    service.card_host
                    if service.card_host and card >= len(service.cards) // 2
                    else service.host
                )
                passes.append(
                    made.ForwardRow(
                        begins, begins + int(service.length * MS), size, kind, service.rank, host, pid
                    )
                )
    if forwards:
        made.write_forward_csv(folder / "forward.csv", passes)
    if rounds:
        made.write_batch_csv(folder / "batch.csv", batches)
    return folder
