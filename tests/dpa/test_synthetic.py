"""The samples: the same bytes for a seed, realistic in rhythm and dirt."""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from dpa.csv_records import cut_lines
from dpa.errors import UsageError
from dpa.settings import SERVICE_ROOT
from dpa.synthetic import (
    BLOCK_ROWS,
    CLEAN_ROWS,
    DEFAULT_SEED,
    MACHINES_FILE,
    SITES,
    TRANSACTIONS_FILE,
    sample_files,
    write_samples,
)


def made(seed: int, rows: int = CLEAN_ROWS) -> dict[str, bytes]:
    return {name: b"".join(pieces) for name, pieces in sample_files(seed, rows).items()}


SAMPLES = made(DEFAULT_SEED)


def hours_and_days() -> tuple[Counter[int], Counter[int]]:
    lines = SAMPLES[TRANSACTIONS_FILE].decode().split("\n")[1:]
    found = cut_lines(lines, range(2, len(lines) + 2), ",", 5)
    moments = []
    for fields in found.fields:
        if fields[2] and "02-30" not in fields[2]:
            moments.append(datetime.fromisoformat(fields[2]))
    return Counter(m.hour for m in moments), Counter(m.weekday() for m in moments)


@pytest.mark.parametrize("name", [MACHINES_FILE, TRANSACTIONS_FILE])
def test_the_committed_samples_are_what_the_default_seed_makes(name: str) -> None:
    assert (SERVICE_ROOT / "data_raw" / name).read_bytes() == SAMPLES[name]


def test_another_seed_makes_other_samples() -> None:
    assert made(1) != SAMPLES


def test_twenty_machines_stand_on_the_five_sites() -> None:
    fleet = json.loads(SAMPLES[MACHINES_FILE])
    assert len({machine["machine_id"] for machine in fleet}) == 20
    assert {machine["site_location"] for machine in fleet} == set(SITES)


def test_days_are_busier_than_nights_and_weekdays_than_sundays() -> None:
    hours, weekdays = hours_and_days()
    assert hours[8] > 5 * hours[2]
    assert weekdays[1] > 2 * weekdays[6]


def test_lines_end_with_lf_alone() -> None:
    assert all(b"\r" not in data and data.endswith(b"\n") for data in SAMPLES.values())


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    kept = tmp_path / TRANSACTIONS_FILE
    kept.write_text("à garder", encoding="utf-8")
    with pytest.raises(UsageError, match="--force"):
        write_samples(tmp_path, 1, force=False)
    assert kept.read_text(encoding="utf-8") == "à garder"
    assert not (tmp_path / MACHINES_FILE).exists()
    paths = write_samples(tmp_path, 1, force=True)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert kept.read_bytes() == made(1)[TRANSACTIONS_FILE]


def test_more_rows_have_faults_in_proportion_over_a_longer_period() -> None:
    rows = 4 * CLEAN_ROWS
    lines = made(DEFAULT_SEED, rows)[TRANSACTIONS_FILE].decode().splitlines()
    cells = [line.split(",") for line in lines[1:] if line]
    assert len(cells) == rows + 4 * 19
    assert sum(row[4] == "UNKNOWN" for row in cells) == 4 * 12
    repeated = [
        name for name, count in Counter(row[0] for row in cells if row[0]).items() if count > 1
    ]
    assert len(repeated) == 4 * 19
    assert len({row[2][:10] for row in cells if row[2][:7] != "2026-02"} - {""}) == 120


def test_a_sample_of_many_blocks_is_written_whole(tmp_path: Path) -> None:
    rows = 2 * BLOCK_ROWS + 10
    write_samples(tmp_path, 1, rows=rows)
    lines = (tmp_path / TRANSACTIONS_FILE).read_bytes().split(b"\n")
    assert lines[0].startswith(b"transaction_id,")
    assert lines.count(b"") == 2  # the empty line in the middle, and what follows the last
    assert len(lines) == 3 + rows + (15 * rows // CLEAN_ROWS) + (4 * rows // CLEAN_ROWS)


def test_a_few_rows_are_enough() -> None:
    assert len(made(1, 1)[TRANSACTIONS_FILE].split()) == 3
