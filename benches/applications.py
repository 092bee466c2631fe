"""Makes records of Kombo's `ats/applications`, the same for each seed: valid, nested, and of the size of real ones.

A record has about 2.2 KB of JSON: screening answers of every kind, free `custom_fields` whose values change their type,
a candidate, interviews and offers. Two of a hundred records are deleted at the remote system. `integration_fields` is
empty, because the peers do not read it.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
FIRST = "Ada Alan Amara Anna Bao Carla Chidi Daniel Elif Emma Farid Grace Hugo Ines Jonas Kenji Lena Li Mateo Nia Noor Olga".split()
LAST = "Adeyemi Bauer Costa Dubois Eriksen Fischer García Hansen Ivanov Jones Keller Lindqvist Müller Nguyen Okafor Patel".split()
CITIES = (("Berlin", "DE"), ("Paris", "FR"), ("Lagos", "NG"), ("Toronto", "CA"), ("Łódź", "PL"), ("Madrid", "ES"))
STAGES = ("Applied", "Screening", "Phone interview", "Onsite", "Case study", "Offer", "Hired", "Archived")
SOURCES = ("Careers page", "LinkedIn", "Referral", "Agency", "Job board")
REASONS = ("Position filled", "Missing skills", "Withdrew", "Salary", "No answer")
WORDS = (
    "team build lead data service customer plan review design deliver improve support product market years worked with"
    " the and for from project system field manage report quality process change learn remote office people goal"
).split()
QUESTIONS = (
    ("TEXT", "Why would you like to work with us?"),
    ("SINGLE_SELECT", "How did you hear about this position?"),
    ("MULTI_SELECT", "Which languages do you speak?"),
    ("BOOLEAN", "Do you have a work permit?"),
    ("NUMBER", "How many years of experience do you have?"),
    ("DATE", "When can you start?"),
)
SYLLABLES = "ba con de er fi gra hol in ka lo men na or per qui ra si ta un ver wi zo".split()
TEXT = [*WORDS, *(a + b + c for a in SYLLABLES for b in SYLLABLES[::3] for c in SYLLABLES[::5])]
LANGUAGES = ("German", "English", "French", "Spanish", "Polish", "Yoruba")


class Applications:
    """A generator with a state of its own: the same seed gives the same records."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.jobs = [(self.key(), f"job-{n}", f"{w.title()} Engineer {n}") for n, w in enumerate(WORDS * 4)]
        self.stages = [(self.key(), f"stage-{n}", name) for n, name in enumerate(STAGES)]
        self.tags = [(self.key(), f"tag-{n}", word) for n, word in enumerate(WORDS)]

    def key(self) -> str:
        """Returns an id in Kombo's form: 24 characters of base58."""
        return "".join(self.random.choices(ALPHABET, k=24))

    def moment(self) -> str:
        """Returns an instant of two years, with milliseconds."""
        pick = self.random.randrange
        year, month, day = pick(2024, 2026), pick(1, 13), pick(1, 29)
        return f"{year}-{month:02}-{day:02}T{pick(24):02}:{pick(60):02}:{pick(60):02}.{pick(1000):03}Z"

    def sentence(self, least: int, most: int) -> str:
        """Returns some words."""
        return " ".join(self.random.choices(TEXT, k=self.random.randint(least, most)))

    def maybe(self, share: float, value: Any) -> Any:
        """Returns the value, or nothing at the given share of calls."""
        return None if self.random.random() < share else value

    def record(self, number: int) -> dict[str, Any]:
        """Returns one application."""
        roll = self.random.random
        stage = self.random.choice(self.stages)
        index = int(stage[1].removeprefix("stage-"))
        job = self.random.choice(self.jobs)
        outcome = self.random.choices(("PENDING", "HIRED", "DECLINED", None), (50, 10, 35, 5))[0]
        declined = outcome == "DECLINED"
        candidate = self.candidate(number)
        return {
            "id": self.key(),
            "remote_id": f"application-{number * 7 + 1_000_000}",
            "outcome": outcome,
            "rejection_reason_name": self.random.choice(REASONS) if declined else None,
            "rejected_at": self.moment() if declined else None,
            "current_stage_id": stage[0],
            "job_id": job[0],
            "candidate_id": candidate["id"],
            "screening_question_answers": [self.answer() for _ in range(self.random.randint(0, 3))],
            "custom_fields": self.maybe(0.05, self.custom_fields()),
            "integration_fields": [],
            "remote_url": f"https://ats.example.com/applications/{number * 7 + 1_000_000}",
            "changed_at": self.moment(),
            "remote_deleted_at": self.moment() if roll() < 0.02 else None,
            "remote_created_at": self.moment(),
            "remote_updated_at": self.maybe(0.3, self.moment()),
            "remote_data": None,
            "candidate": candidate,
            "current_stage": {
                "id": stage[0],
                "remote_id": stage[1],
                "name": stage[2],
                "index": index,
                "status": "INACTIVE" if index > 5 else "ACTIVE",
                "custom_fields": {"colour": "green", "days": index * 3} if index % 2 else None,
            },
            "job": dict(zip(("id", "remote_id", "name"), job, strict=True)),
            "interviews": [self.interview(number) for _ in range(self.random.choice((0, 1, 1, 1, 2)))],
            "offers": [
                {"id": self.key(), "remote_id": f"offer-{number}", "status": self.random.choice(("SENT", "ACCEPTED", "DRAFT"))}
                for _ in range(roll() < 0.2)
            ],
        }

    def candidate(self, number: int) -> dict[str, Any]:
        """Returns the person of an application."""
        first, last = self.random.choice(FIRST), self.random.choice(LAST)
        name = f"candidate.{number}"
        return {
            "id": self.key(),
            "remote_id": f"candidate-{number * 3 + 500_000}",
            "first_name": first,
            "last_name": last,
            "email_addresses": [
                {"email_address": f"{name}@{self.random.choice(WORDS)}.example.com", "type": "PRIVATE"}
                for _ in range(self.random.randint(1, 2))
            ],
            "phone_numbers": [
                {"phone_number": f"+49 {self.random.randrange(10**9, 10**10)}", "type": "MOBILE"}
                for _ in range(self.random.randint(0, 1))
            ],
            "social_media": [
                {"link": f"https://social.example.com/in/{name}", "type": "LINKEDIN", "username": name}
                for _ in range(self.random.randint(0, 1))
            ],
            "source": self.random.choice(SOURCES),
            "remote_url": f"https://ats.example.com/candidates/{number * 3 + 500_000}",
            "tags": [
                dict(zip(("id", "remote_id", "name"), tag, strict=True))
                for tag in self.random.sample(self.tags, self.random.randint(0, 2))
            ],
        }

    def answer(self) -> dict[str, Any]:
        """Returns one screening answer. Only the field of its type is there, as at Kombo."""
        number = self.random.randrange(len(QUESTIONS))
        kind, title = QUESTIONS[number]
        answers: dict[str, Any] = {
            "TEXT": lambda: {"content": self.sentence(6, 34)},
            "SINGLE_SELECT": lambda: {"choice": self.random.choice(SOURCES)},
            "MULTI_SELECT": lambda: {"choices": self.random.sample(LANGUAGES, self.random.randint(0, 3))},
            "BOOLEAN": lambda: {"checked": self.random.random() < 0.8},
            "NUMBER": lambda: {"number": self.random.randrange(0, 60) / 2 + 0.25},
            "DATE": lambda: {"date": self.moment()},
        }
        question = {"remote_id": f"question-{number}", "title": title, "type": kind}
        return {"answer": answers[kind](), "question": question}

    def custom_fields(self) -> dict[str, Any]:
        """Returns free fields of a customer. The type under one key changes from record to record."""
        pick = self.random.choice
        return {
            "cost_center": f"CC-{self.random.randrange(400)}",
            "salary_expectation": pick((self.random.randrange(30, 150) * 1000, "negotiable", None)),
            "note": self.sentence(4, 34),
            "rating": pick((self.random.randrange(1, 6), f"{self.random.randrange(1, 6)} of 5", [1, 2, 3])),
            "flags": {"relocation": self.random.random() < 0.5, "score": self.random.randrange(1000) + 0.5},
        }

    def interview(self, number: int) -> dict[str, Any]:
        """Returns one interview."""
        city, country = self.random.choice(CITIES)
        location = {
            "city": city,
            "country": country,
            "raw": f"Main Street {number % 90 + 1}, {city}",
            "state": None,
            "street_1": f"Main Street {number % 90 + 1}",
            "street_2": None,
            "zip_code": f"{number % 90_000 + 10_000}",
        }
        return {
            "id": self.key(),
            "remote_id": f"interview-{number}",
            "title": f"{self.random.choice(STAGES)} with {self.random.choice(FIRST)}",
            "starting_at": self.moment(),
            "ending_at": self.moment(),
            "location": self.maybe(0.3, location),
            "canceled": self.random.random() < 0.1,
        }


def lines(count: int, seed: int = 1) -> Iterator[bytes]:
    """Yields so many records as compact JSON."""
    made = Applications(seed)
    for number in range(count):
        text = json.dumps(made.record(number), ensure_ascii=False, separators=(",", ":"))
        yield text.encode()


def stored(folder: Path, count: int) -> Path:
    """Returns a file with so many records, one a line. It is made once and kept."""
    path = folder / f"applications-{count}.ndjson"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            for line in lines(count):
                file.write(line + b"\n")
        unfinished.rename(path)
    return path
