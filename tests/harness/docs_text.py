"""What the documentation says, as the tests read it: sections, tables, examples."""

import json
import re

from telehaul import PROJECT


def read(name):
    return (PROJECT / name).read_text()


def section(name, heading):
    """The text below a heading, down to the next one of any level."""
    found = re.search(rf"(?ms)^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", read(name))
    assert found, f"{name} has no section {heading}"
    return found.group(1)


def table(name, heading):
    """The rows of a section's tables, without their heads: lists of cells."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in section(name, heading).replace("\\|", "/").splitlines() if line.startswith("|")]
    marks = [i for i, row in enumerate(rows) if set("".join(row)) <= set("-: ")]
    assert marks, f"{name}, {heading}: no table"
    return [row for i, row in enumerate(rows) if i not in marks and i + 1 not in marks]


def names(text):
    return re.findall(r"`([^`]+)`", text)


def number(text):
    return int(text.replace(",", ""))


def example(name, heading, beginning):
    """The first JSON object of a section that begins so, with its line breaks taken out."""
    text = section(name, heading)
    begin = text.index(beginning)
    return " ".join(text[begin:json.JSONDecoder().raw_decode(text, begin)[1]].split())
