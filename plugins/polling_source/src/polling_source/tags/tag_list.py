"""TagList: the tags of every group of a source, from the YAML and from files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_core.api import ConfigProblem
from polling_source.config import GroupConfig
from polling_source.tags.csv_tags import CsvTags
from polling_source.tags.tag import Place, PlacedTag, YamlPath, parse_tag


@dataclass(frozen=True, slots=True)
class TagList:
    """``tags`` by group id, the good ones; ``tag_problems``: what is wrong with single tags; ``problems``: everything
    else that is wrong, warnings included.
    """

    tags: Mapping[str, tuple[PlacedTag, ...]]
    problems: tuple[ConfigProblem, ...]
    tag_problems: tuple[ConfigProblem, ...]

    @classmethod
    def load(cls, groups: Sequence[GroupConfig], path: YamlPath = ()) -> TagList:
        """Read the tags of all groups; each file once. ``path`` leads to the source's ``config:``."""
        files: dict[Path, CsvTags] = {}
        problems: list[ConfigProblem] = []
        tag_problems: list[ConfigProblem] = []
        tags: dict[str, tuple[PlacedTag, ...]] = {}
        for index, group in enumerate(groups):
            place = Place((*path, "groups", index))
            if (group.tags is None) == (group.tags_from is None):
                problems.append(place.problem(f"group {group.id}: write either tags or tags_from"))
                continue
            if group.tags_from is None:
                found, wrong = _from_yaml(group.tags or (), place.path)
                tag_problems.extend(wrong)
                if not group.tags:
                    problems.append(place.problem(f"group {group.id} has no tags"))
            else:
                if group.tags_from not in files:
                    files[group.tags_from] = CsvTags.read(group.tags_from)
                    problems.extend(_of_the_file(files[group.tags_from], group.tags_from, place))
                    tag_problems.extend(files[group.tags_from].tag_problems)
                found, missing = _from_csv(group, files[group.tags_from], place)
                problems.extend(missing)
            tags[group.id] = tuple(found)
        problems.extend(_unclaimed(groups, files))
        return cls(tags, tuple(problems), tuple(tag_problems))


def _of_the_file(file: CsvTags, name: Path, place: Place) -> Sequence[ConfigProblem]:
    """A file that is not there has no line of its own: the place is where the YAML names it."""
    if file.unread is None:
        return file.problems
    return [place.problem(f"{file.unread} ({name})", "relative paths start at the YAML's folder", key="tags_from")]


def _from_yaml(entries: Sequence[Mapping[str, object]], path: YamlPath) -> tuple[list[PlacedTag], list[ConfigProblem]]:
    found: list[PlacedTag] = []
    problems: list[ConfigProblem] = []
    for number, entry in enumerate(entries):
        tag = parse_tag(entry, Place((*path, "tags", number)))
        if isinstance(tag, list):
            problems.extend(tag)
        else:
            found.append(tag)
    return found, problems


def _from_csv(group: GroupConfig, file: CsvTags, place: Place) -> tuple[list[PlacedTag], list[ConfigProblem]]:
    found = [tag for row_group, tag in file.rows if row_group is None or row_group == group.id]
    if found or file.problems or file.tag_problems:
        return found, []
    if not file.rows:
        return [], [place.problem(f"group {group.id}: {group.tags_from} has no tags")]
    known = ", ".join(sorted({name for name, _ in file.rows if name}))
    return [], [place.problem(f"group {group.id}: no row of {group.tags_from} has this group", hint=f"it has {known}")]


def _unclaimed(groups: Sequence[GroupConfig], files: Mapping[Path, CsvTags]) -> Iterator[ConfigProblem]:
    known = {group.id for group in groups}
    for file in files.values():
        lost = [(group, tag.place) for group, tag in file.rows if group is not None and group not in known]
        if lost:
            names = ", ".join(sorted({str(group) for group, _ in lost}))
            tags = "1 tag belongs" if len(lost) == 1 else f"{len(lost)} tags belong"
            yield lost[0][1].problem(f"{tags} to groups that are not configured: {names}", warning=True)
