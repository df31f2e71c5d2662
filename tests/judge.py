"""A judge that says what the form of the question allows: the model that is here is too small to
judge, so verdicts are scripted, and everything else is real."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

WORDS = {
    "outcome": {"user_goal": "a table", "end_state": "a table for two is booked"},
    "goal_reached": {"reason": "it is", "reached": True},
    "topics": {"topics": ["tables"]},
    "topics_answered": {"answered": [True]},
    "topics_allowed": {"allowed": [True]},
    "statements": {"statements": ["It is so."]},
    "supported": {"verdicts": [{"reason": "so it says", "follows": True}]},
    "questions": {"questions": ["Where is it?"] * 3, "noncommittal": False},
    "entities": {"entities": ["Paris"]},
    "useful": {"reason": "it tells", "useful": True},
}


def verdict(request: Mapping[str, Any]) -> str:
    """What the judge answers to a question, by its name; a rating is the best of the scale."""
    asked = request["response_format"]["json_schema"]
    if (said := WORDS.get(asked["name"])) is None:
        said = {"rating": max(asked["schema"]["properties"]["rating"]["enum"])}
    return json.dumps(said)
