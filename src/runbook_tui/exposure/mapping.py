"""From found objects to the answer an incident needs: paths, first and last commits, refs, remotes, reachability."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence

from runbook_tui.exposure.graph import Graph, parse_node
from runbook_tui.exposure.model import Gaps, Hit, Mark
from runbook_tui.exposure.objects import BLOB, KINDS, TREE, places_of
from runbook_tui.exposure.refs import Pointers
from runbook_tui.exposure.repository import Repository
from runbook_tui.exposure.search import Sweep
from runbook_tui.exposure.share import Found
from runbook_tui.exposure.trees import MAX_PATHS, Holders, find_holders, find_paths, tree_paths

_MOST_RULES = 1000  # fetch rules that are looked at: each is tried on each ref
MAX_MARKS = 1000  # first or last commits of one object
# A clone writes these itself, so being there says nothing about having come from or gone to a remote.
_LOCAL = ("refs/heads/", "refs/stash", "HEAD")


class HitMap:
    """Works out, for all found objects of one repository at once, who holds them."""

    def __init__(self, repository: Repository, sweep: Sweep, pointers: Pointers, gaps: Gaps) -> None:
        self._repository = repository
        self._sweep = sweep
        self._objects = objects = sweep.objects
        self._graph = Graph(sweep.all.nodes)
        self._pointers = pointers
        self._hits = sorted({found.place for found in sweep.all.found})
        self._bit = {place: 1 << i for i, place in enumerate(self._hits)}
        content = [place for place in self._hits if place not in self._graph.numbers]
        self._holders = find_holders(objects, content, *sweep.all.edges) if content else Holders()
        refs = dict(zip(pointers.refs, places_of(objects, list(pointers.refs.values())), strict=True))
        if content:
            find_paths(objects, sweep.read, self._holders, {*self._graph.contents, *refs.values()}, gaps)
        self._content: dict[int, int] = dict(self._bit)  # hit, or tree that holds hits -> the hits
        for hit, trees in self._holders.by_hit.items():
            for tree in trees:
                self._content[tree] = self._content.get(tree, 0) | self._bit[hit]
        self._nodes = self._nodes_by_hit()
        own: dict[int, int] = {}
        for place, nodes in self._nodes.items():
            for node in nodes:
                own[node] = own.get(node, 0) | self._bit[place]
        self._reached = self._graph.reaching(own)
        self._refs = {name: self._mask(place) for name, place in refs.items()}
        self._logs = {name: self._mask_of(values) for name, values in pointers.reflogs.items()}
        self._indexed = self._mask_of(pointers.index)
        self._remote_refs = _remote_refs(repository, [*pointers.refs, *pointers.reflogs])
        self._ends = {place: self._first_and_last(place) for place in self._hits}
        self._marks = self._read_marks({node for pair in self._ends.values() for nodes in pair for node in nodes})

    def hit(self, found: Found, credential: str) -> Hit:
        """The report of one found place."""
        bit = self._bit[found.place]
        first, last = self._ends[found.place]
        refs = tuple(sorted(name for name, mask in self._refs.items() if mask & bit))
        logs = [name for name, mask in self._logs.items() if mask & bit]
        remotes = {self._remote_refs[name] for name in (*refs, *logs) if name in self._remote_refs}
        if refs:
            reachable = "ref"
        elif self._indexed & bit:
            reachable = "index"
        else:
            reachable = "reflog" if logs else "none"
        return Hit(
            credential=credential,
            form=found.form,
            object=self._objects.name(found.place).hex(),
            type=KINDS[found.kind],
            paths=self._paths(found),
            line=found.line,
            first=tuple(self._marks[node] for node in first),
            last=tuple(self._marks[node] for node in last),
            refs=refs,
            remotes=tuple(sorted(remotes)),
            reachable=reachable,
            pushed=self._pushed(remotes, refs, reachable),
        )

    def _nodes_by_hit(self) -> dict[int, set[int]]:
        """Hit -> the commits whose tree has it (or that are it), the tags that stand on it."""
        roots: dict[int, list[int]] = {}
        for node, content in enumerate(self._graph.contents):
            roots.setdefault(content, []).append(node)
        found: dict[int, set[int]] = {}
        for hit in self._hits:
            nodes = {self._graph.numbers[hit]} if hit in self._graph.numbers else set()
            for content in (hit, *self._holders.by_hit.get(hit, ())):
                nodes.update(roots.get(content, ()))
            found[hit] = nodes
        return found

    def _first_and_last(self, hit: int) -> tuple[Sequence[int], Sequence[int]]:
        holders = self._nodes[hit]
        return self._graph.first(holders)[:MAX_MARKS], self._graph.last(holders)[-MAX_MARKS:]

    def _read_marks(self, nodes: Iterable[int]) -> dict[int, Mark]:
        """Authors and times, from the objects themselves: the graph keeps no text."""
        by_place = {self._graph.places[node]: node for node in nodes}
        marks = {}
        for place, kind, data in self._sweep.read(self._objects.parts_of(by_place)) if by_place else ():
            marks[by_place[place]] = parse_node(KINDS[kind], data).mark(self._objects.name(place))
        for place, node in by_place.items():  # read once, and now gone
            marks.setdefault(node, Mark(self._objects.name(place).hex(), "", None))
        return marks

    def _mask(self, place: int) -> int:
        """The hits that an object leads to, whatever its type."""
        node = self._graph.numbers.get(place)
        return self._content.get(place, 0) if node is None else self._reached.get(node, 0)

    def _mask_of(self, names: Iterable[bytes]) -> int:
        mask = 0
        for place in places_of(self._objects, list(names)):
            mask |= self._mask(place)
        return mask

    def _paths(self, found: Found) -> tuple[str, ...]:
        raw: set[bytes] = set()
        if found.kind == TREE:
            raw.update(tree_paths(self._holders.paths, found.place, found.names))
        elif found.kind == BLOB:
            raw.update(self._holders.paths.get(found.place, ()))
            raw.update(self._pointers.index.get(self._objects.name(found.place), ()))
        inner = f"!{found.inner}" if found.inner else ""
        return tuple(path.decode("utf-8", "surrogateescape") + inner for path in sorted(raw)[:MAX_PATHS])

    def _pushed(self, remotes: set[str], refs: Sequence[str], reachable: str) -> bool | None:
        """Whether a remote is known to have had it; None where the clone cannot tell.

        False needs a clone that would know: not bare, and either without any remote, or holding the value only where
        a fetch does not write.
        """
        if remotes:
            return True
        if self._repository.bare or self._repository.config.ref_storage not in ("files", "reftable"):
            return None
        if not self._repository.config.remotes and not self._remote_refs:
            return False
        if reachable == "index" or (refs and all(name.startswith(_LOCAL) for name in refs)):
            return False
        return None


def _remote_refs(repository: Repository, names: Iterable[str]) -> Mapping[str, str]:
    """Ref -> the remote it mirrors, by the remotes' fetch rules and by the usual place of remote-tracking refs."""
    rules = [(rule, remote) for remote, targets in repository.config.remotes.items() for rule in targets][:_MOST_RULES]
    found = {}
    for name in names:
        by_rule = next((remote for rule, remote in rules if fnmatch.fnmatchcase(name, _pattern(rule))), None)
        if by_rule is not None:
            found[name] = by_rule
        elif name.startswith("refs/remotes/") and name.count("/") > 2:
            found[name] = name.split("/")[2]
    return found


def _pattern(rule: str) -> str:
    """A fetch rule's target as an fnmatch pattern: only `*` is special in git."""
    return rule.replace("[", "[[]").replace("?", "[?]")
