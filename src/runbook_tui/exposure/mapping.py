"""From found objects to the answer an incident needs: paths, first and last commits, refs, remotes, reachability."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence

from runbook_tui.exposure.graph import Graph
from runbook_tui.exposure.model import Gaps, Hit, Mark
from runbook_tui.exposure.objects import Objects
from runbook_tui.exposure.refs import Pointers
from runbook_tui.exposure.repository import Repository
from runbook_tui.exposure.search import Found, Sweep
from runbook_tui.exposure.trees import MAX_PATHS, Holders, find_holders, find_paths, tree_paths

_MOST_RULES = 1000  # fetch rules that are looked at: each is tried on each ref
MAX_MARKS = 1000  # first or last commits of one object
# A clone writes these itself, so being there says nothing about having come from or gone to a remote.
_LOCAL = ("refs/heads/", "refs/stash", "HEAD")


class HitMap:
    """Works out, for all found objects of one repository at once, who holds them."""

    def __init__(
        self, repository: Repository, objects: Objects, swept: Sweep, pointers: Pointers, name_size: int, gaps: Gaps
    ) -> None:
        self._repository = repository
        self._graph: Graph = swept.graph
        self._pointers = pointers
        self._hits = sorted({found.object for found in swept.found.values()})
        self._bit = {name: 1 << i for i, name in enumerate(self._hits)}
        self._children = self._graph.children()
        content = [name for name in self._hits if name not in self._graph.nodes]
        self._holders = find_holders(objects, content, name_size) if content else Holders()
        if content:
            tops = {node.content for node in self._graph.nodes.values()} | set(pointers.refs.values())
            find_paths(objects, self._holders, tops, name_size, gaps)
        self._content: dict[bytes, int] = dict(self._bit)  # hit, or tree that holds hits -> the hits
        for hit, trees in self._holders.by_hit.items():
            for tree in trees:
                self._content[tree] = self._content.get(tree, 0) | self._bit[hit]
        self._nodes = self._nodes_by_hit()
        own: dict[bytes, int] = {}
        for name, nodes in self._nodes.items():
            for node in nodes:
                own[node] = own.get(node, 0) | self._bit[name]
        self._reached = self._graph.reaching(own, self._children)
        self._refs = {name: self._mask(value) for name, value in pointers.refs.items()}
        self._logs = {name: self._mask_of(values) for name, values in pointers.reflogs.items()}
        self._indexed = self._mask_of(pointers.index)
        self._remote_refs = _remote_refs(repository, [*pointers.refs, *pointers.reflogs])

    def hit(self, found: Found, credential: str) -> Hit:
        """The report of one found place."""
        bit = self._bit[found.object]
        holders = self._nodes[found.object]
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
            object=found.object.hex(),
            type=found.type,
            paths=self._paths(found),
            line=found.line,
            first=self._marks(self._graph.first(holders)[:MAX_MARKS]),
            last=self._marks(self._graph.last(holders, self._children)[-MAX_MARKS:]),
            refs=refs,
            remotes=tuple(sorted(remotes)),
            reachable=reachable,
            pushed=self._pushed(remotes, refs, reachable),
        )

    def _nodes_by_hit(self) -> dict[bytes, set[bytes]]:
        """Hit -> the commits whose tree has it (or that are it), the tags that stand on it."""
        roots: dict[bytes, list[bytes]] = {}
        for name, node in self._graph.nodes.items():
            if node.content:
                roots.setdefault(node.content, []).append(name)
        found: dict[bytes, set[bytes]] = {}
        for hit in self._hits:
            nodes = {hit} if hit in self._graph.nodes else set()
            for content in (hit, *self._holders.by_hit.get(hit, ())):
                nodes.update(roots.get(content, ()))
            found[hit] = nodes
        return found

    def _mask(self, name: bytes) -> int:
        """The hits that an object leads to, whatever its type."""
        return (self._reached if name in self._graph.nodes else self._content).get(name, 0)

    def _mask_of(self, names: Iterable[bytes]) -> int:
        mask = 0
        for name in names:
            mask |= self._mask(name)
        return mask

    def _paths(self, found: Found) -> tuple[str, ...]:
        raw: set[bytes] = set()
        if found.type == "tree":
            raw.update(tree_paths(self._holders.paths, found.object, found.names))
        elif found.type == "blob":
            raw.update(self._holders.paths.get(found.object, ()))
            raw.update(self._pointers.index.get(found.object, ()))
        return tuple(path.decode("utf-8", "surrogateescape") for path in sorted(raw)[:MAX_PATHS])

    def _marks(self, names: Sequence[bytes]) -> tuple[Mark, ...]:
        return tuple(self._graph.nodes[name].mark(name) for name in names)

    def _pushed(self, remotes: set[str], refs: Sequence[str], reachable: str) -> bool | None:
        """Whether a remote is known to have had it; None where the clone cannot tell.

        False needs a clone that would know: not bare, and either without any remote, or holding the value only where
        a fetch does not write.
        """
        if remotes:
            return True
        if self._repository.bare or self._repository.config.ref_storage != "files":
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
