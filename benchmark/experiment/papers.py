"""Which paper a learner comes from, for bibliographies: keys of ``learners.bib`` beside this file."""

from __future__ import annotations

LEARNER_PAPERS = {
    "fixmatch": "sohn2020",
    "flexmatch": "zhang2021",
    "freematch": "wang2023",
    "noisy-student": "xie2020",
    "pseudo-label": "lee2013",
    "self-training": "zou2018",
    "softmatch": "chen2023",
}
